import postgres, { type Sql } from 'postgres'
import { openPostgres, type Postgres } from '../server/connect/postgres.ts'
import { diff, type DiffResult } from '../server/reconcile/diff.ts'
import { memoryJournal, type MemoryJournal } from '../server/reconcile/memory-journal.ts'
import { pairSchema, type PairInput } from '../server/reconcile/pair.ts'
import { reconcile } from '../server/reconcile/reconcile.ts'
import type { RunInput, RunResult } from '../server/reconcile/run.ts'
import type { Difference } from '../server/reconcile/records.ts'
import type { Matching } from '../server/reconcile/plan.ts'
import { postgresSide } from '../server/sides/postgres.ts'
import type { Side } from '../server/sides/side.ts'
import { postgresServer, type TestDatabase } from './services/postgres.ts'

/** One of two databases under comparison: how the product reads it, and how the test writes it. */
export interface Copy {
  readonly url: string
  readonly side: Side
  readonly client: Postgres
  readonly sql: Sql
}

export interface TwoCopies {
  readonly source: Copy
  readonly target: Copy
  drop(): Promise<void>
}

/** Two databases of the test's own, each opened as the product opens it and by a login that may write. */
export async function twoCopies(prefix?: string): Promise<TwoCopies> {
  const server = await postgresServer()
  const [source, target] = [await server.createDatabase(prefix), await server.createDatabase(prefix)]
  const copies = { source: open('source', source), target: open('target', target) }
  return {
    ...copies,
    async drop() {
      for (const { client, sql } of Object.values(copies)) await Promise.all([client.close(), sql.end({ timeout: 2 })])
      await Promise.all([source.drop(), target.drop()])
    },
  }
}

function open(name: string, { url }: TestDatabase): Copy {
  const client = openPostgres({ name, url })
  return { url, side: postgresSide(client), client, sql: postgres(url, { onnotice() {}, max: 4 }) }
}

/** The same side, as if its engine had no hash of its own. */
export const withoutNativeHash = (side: Side): Side => ({ ...side, handshake: async () => '' })

export const steadyVerbs = {
  now: () => performance.now(),
  sleep: (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms)),
}

export interface Compared extends DiffResult {
  readonly items: readonly Difference[]
}

/** Compares a table of both, and gathers what was found. */
export async function compare(
  sides: { readonly source: Side; readonly target: Side },
  table: string,
  matching: Partial<Matching> = {},
  limit = 100_000,
): Promise<Compared> {
  const items: Difference[] = []
  const ref = (connection: string) => ({ connection, schema: 'public', table })
  const result = await diff({
    ...sides,
    tables: { source: ref('source'), target: ref('target') },
    matching: { map: {}, exclude: [], where: {}, ...matching },
    limit,
    verbs: steadyVerbs,
    signal: new AbortController().signal,
    take: (found) => void items.push(...found),
  })
  return { ...result, items }
}

/** A difference in a few words: `changed 5 email,phone`, `missing 7`, `extra a|b`. */
export const inWords = ({ kind, key, fields }: Difference): string =>
  [kind, key.join('|'), ...(kind === 'changed' && fields.length > 0 ? [fields.join(',')] : [])].join(' ')

/** Runs a pair as the product does, with a journal in memory unless one is given. Nothing waits to settle. */
export async function run(
  copies: { readonly source: { readonly side: Side }; readonly target: { readonly side: Side } },
  pair: Omit<PairInput, 'id'>,
  more: Partial<RunInput> = {},
): Promise<{ readonly result: RunResult; readonly journal: MemoryJournal }> {
  const spec = pairSchema.parse({ id: 'pair', settle: { wait: '0ms', tries: 1 }, ...pair })
  const journal = memoryJournal('run')
  const result = await reconcile({
    pair: spec,
    source: copies.source.side,
    target: copies.target.side,
    journal,
    verbs: steadyVerbs,
    signal: new AbortController().signal,
    ...(spec.corrections.mode === 'auto' ? { approvedBy: 'the config' } : {}),
    ...more,
  })
  return { result, journal }
}
