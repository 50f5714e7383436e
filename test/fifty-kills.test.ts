import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createInterface, type Interface } from 'node:readline'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PairInput } from '../server/reconcile/pair.ts'
import { openStore, type Store } from '../server/store/open.ts'
import { requestRun } from '../server/store/runs.ts'
import { seeded } from './lossy-sync.ts'
import { postgresServer, type TestDatabase } from './services/postgres.ts'
import { twoCopies, type TwoCopies } from './two-copies.ts'

const kills = 50
const killsARun = 10
const rows = 60_000
const seed = Number(process.env['TALLYMAN_TEST_SEED'] ?? Math.floor(Math.random() * 1e9))

// Gaps in the keys, and one row in a hundred that is gone, new, another, or NULL on one side.
const fill = (mine: string) => `
  create table t (id int primary key, name text, n numeric, at timestamptz);
  insert into t select i * 3 + i / 1000 * 500, 'name ' || i, i / 7.0, timestamptz '2024-01-01' + i * interval '1 minute'
    from generate_series(1, ${rows}) i;
  ${mine}; analyze t`
const broken = (from: number) => `
  with told as (select id, (hashint4(id + ${from}) & 2147483647) % 500 as lot from t),
    gone as (delete from t using told where t.id = told.id and lot = 0)
  update t set name = case lot when 1 then null when 2 then 'old' else name end, n = case lot when 3 then n + 0.01 else n end
    from told where t.id = told.id and lot in (1, 2, 3);
  insert into t select id + 1, 'new', 1, null from t where (hashint4(id + ${from}) & 2147483647) % 500 = 4
    on conflict do nothing`

const pair: PairInput = {
  id: 'pair',
  ...{ source: { table: 'source.t' }, target: { table: 'target.t' }, key: ['id'] },
  slice: { rows: 800 },
  settle: { wait: '0ms', tries: 1 },
}

let copies: TwoCopies
let database: TestDatabase
let store: Store
let spare: Worker | undefined
beforeAll(async () => {
  copies = await twoCopies('kills')
  database = await (await postgresServer()).createDatabase('kills_store')
  store = await openStore(database.url)
  const random = seeded(seed)
  const from = Math.floor(random() * 1e6)
  await Promise.all([
    copies.source.sql.unsafe(fill('')).simple(),
    copies.target.sql.unsafe(fill(broken(from))).simple(),
  ])
}, 60_000)
afterAll(async () => {
  spare?.child.kill('SIGKILL')
  await store?.close()
  await database?.drop()
  await copies?.drop()
})

interface Worker {
  readonly child: ChildProcess
  readonly lines: Interface
  said(): string
}

// The compiled reconciler alone, in a process that starts at once; it says how far it is after every slice.
const compiled = (file: string) => JSON.stringify(new URL(`../dist/server/${file}.js`, import.meta.url).href)
const script = () => `
  import { once } from 'node:events'
  import { openPostgres } from ${compiled('connect/postgres')}
  import { pairSchema } from ${compiled('reconcile/pair')}
  import { reconcile } from ${compiled('reconcile/reconcile')}
  import { postgresSide } from ${compiled('sides/postgres')}
  import { runJournal } from ${compiled('store/journal')}
  import { openStore } from ${compiled('store/open')}
  import { claimRun } from ${compiled('store/runs')}
  const { db } = await openStore(${JSON.stringify(database.url)})
  const side = (name, url) => postgresSide(openPostgres({ name, url }))
  const [line] = await once(process.stdin.setEncoding('utf8'), 'data')
  process.stdout.write('begun\\n')
  const run = await claimRun(db, line.trim(), 'worker', 0)
  const { slices, ...result } = await reconcile({
    pair: pairSchema.parse(${JSON.stringify(pair)}),
    source: side('source', ${JSON.stringify(copies.source.url)}),
    target: side('target', ${JSON.stringify(copies.target.url)}),
    journal: runJournal(db, run),
    verbs: { now: () => performance.now(), sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) },
    signal: new AbortController().signal,
    progress: ({ rowsDone }) => void process.stdout.write('rows ' + rowsDone + '\\n'),
  })
  process.stdout.write('result ' + JSON.stringify({ ...result, slices: slices.length }) + '\\n', () => process.exit(0))`

function startWorker(): Worker {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script()], { stdio: 'pipe' })
  let said = ''
  child.stderr.on('data', (text) => (said += text))
  return { child, lines: createInterface(child.stdout), said: () => said }
}

/** A process that has loaded what it needs by the time it is asked for. */
function nextWorker(): Worker {
  const next = spare ?? startWorker()
  spare = startWorker()
  return next
}

interface Told {
  readonly [key: string]: unknown
  readonly slices: number
}

/**
 * Works a run in a process of its own. Killed a moment after `at` rows were read, unless it ends before that; what it told
 * at its end, undefined when it was killed.
 */
async function work(run: string, kill?: { readonly at: number; readonly afterMs: number }): Promise<Told | undefined> {
  const { child, lines, said } = nextWorker()
  let told: Told | undefined
  let rowsDone = -1
  const killed = new AbortController()
  lines.on('line', (line) => {
    if (line.startsWith('result ')) told = JSON.parse(line.slice('result '.length)) as Told
    rowsDone = line.startsWith('rows ') ? Number(line.slice('rows '.length)) : Math.max(rowsDone, 0)
    if (!kill || rowsDone < kill.at || killed.signal.aborted) return
    killed.abort()
    setTimeout(() => child.kill('SIGKILL'), kill.afterMs)
  })
  child.stdin!.write(`${run}\n`)
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  if (code !== 0 && signal !== 'SIGKILL') throw new Error(`It ended by itself: ${said()}`)
  await abandoned()
  return signal === 'SIGKILL' ? undefined : told
}

/** What a dead process had asked of the store may still be on its way; a lease lasts longer than that. */
async function abandoned(): Promise<void> {
  for (;;) {
    const [open] = await store.db.execute<{ busy: boolean }>(sql`
      select exists (select from pg_stat_activity where datname = current_database() and state <> 'idle'
        and pid <> pg_backend_pid() and query not like '%pg_advisory%') as busy`)
    if (!open?.busy) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

async function newRun(name: string): Promise<string> {
  const id = randomUUID()
  const asked = { id, pair: name, pipeline: 'p', mode: 'full', trigger: 'cli', requestedBy: 'test' } as const
  await requestRun(store.db, asked)
  return id
}

/** What a run left behind that must not depend on how often it was killed. */
async function outcome(run: string, told: Told) {
  const { verdict, rows, differences, matchRatio, coverage, kept, truncated, inFlight, unsettled } = told
  const { method, notes, corrections, guards } = told
  const found = await store.db.execute(sql`
    select d.kind, d.key, d.fields, d.source, d.target, d.duplicated, d.copy, e.action, e.decision, c.state
    from differences d left join decisions e using (run_id, id) left join corrections c using (run_id, id)
    where d.run_id = ${run} order by d.key ->> 0, d.kind`)
  const [stored] = await store.db.execute(sql`
    select sum((result -> 'rows' ->> 'source')::int)::int as source, sum((result -> 'rows' ->> 'target')::int)::int as target,
      bool_and(state <> 'unknown') as read from slices where run_id = ${run}`)
  const counted = { verdict, rows, differences, matchRatio, coverage, kept, truncated, inFlight, unsettled }
  return {
    ...counted,
    method,
    notes,
    corrections,
    guards,
    stored: { ...stored },
    found: found.map((row) => ({ ...row })),
  }
}

describe(`a run whose process is killed at random moments, ${kills} times in all`, () => {
  it(
    'ends with the verdict, the counts and the differences of one that was left alone',
    { timeout: 300_000 },
    async () => {
      const random = seeded(seed + 1)
      const first = await newRun('whole')
      const told = (await work(first))!
      const whole = await outcome(first, told)
      expect(whole).toMatchObject({ verdict: 'drift', rows: { source: rows }, coverage: { share: 1 } })
      expect(told.slices).toBeGreaterThan(50)
      expect(whole.found.length).toBeGreaterThan(rows / 200)
      expect(new Set(whole.found.map(({ kind }) => kind)).size).toBe(3)

      let killed = 0
      const places: number[] = []
      for (let runs = 0; killed < kills; runs++) {
        const run = await newRun(`killed-${runs}`)
        const shares = Array.from({ length: Math.min(killsARun, kills - killed) }, () => random()).toSorted()
        // The first right after the start, the last when all is read and the rest has still to be written down.
        const moments = shares.map((share, place) =>
          place === 0 ? 0 : place === killsARun - 1 ? rows : Math.floor(share * rows),
        )
        let ended: Told | undefined
        for (const at of moments) {
          ended = await work(run, { at, afterMs: random() * 30 })
          if (ended) break
          killed += 1
          places.push(at)
        }
        ended ??= (await work(run))!
        expect(await outcome(run, ended), `seed ${seed}, run ${runs}, killed at ${places.join(', ')}`).toEqual(whole)
      }
      expect(killed).toBe(kills)
    },
  )
})
