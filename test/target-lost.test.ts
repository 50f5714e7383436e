import { setTimeout as sleep } from 'node:timers/promises'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openPostgres } from '../server/connect/postgres.ts'
import { Fault } from '../server/fault.ts'
import { memoryJournal } from '../server/reconcile/memory-journal.ts'
import { postgresSide } from '../server/sides/postgres.ts'
import type { Side } from '../server/sides/side.ts'
import { client, type Run } from './client.ts'
import { seeded } from './lossy-sync.ts'
import { fragileLink, type FragileLink } from './services/fragile-link.ts'
import { ownPostgres, postgresServer, type OwnPostgres, type TestDatabase } from './services/postgres.ts'
import { startTallyman, type Tallyman } from './services/tallyman.ts'
import { compare, inWords, run } from './two-copies.ts'

/** How often each of them is done; set it high to look for what happens once in a hundred times. */
const rounds = Number(process.env.TALLYMAN_TEST_ROUNDS ?? 2)
const seed = Number(process.env.TALLYMAN_TEST_SEED ?? Date.now() % 1e6)

const rows = 2_000
const changed = 1_500
const missing = 100
const extra = 100
const differing = changed + missing + extra

/** The source has ids 1 to `rows`; the target lacks the last of them and has others behind. */
const fillSource = `create table t (id int primary key, name text);
  insert into t select n, 'name ' || n from generate_series(1, ${rows}) n`
// What is written is told in the same transaction, so that nothing can be written untold or told unwritten.
const fillTarget = `drop table if exists t, written;
  create table t (id int primary key, name text); create table written (id int);
  insert into t select n, case when n <= ${changed} then 'old' else 'name ' || n end
    from generate_series(1, ${rows - missing}) n;
  insert into t select n, 'extra' from generate_series(${rows + 1}, ${rows + extra}) n;
  create or replace function tell() returns trigger language plpgsql as $$ begin
    insert into written values (coalesce(new.id, old.id)); return null; end $$;
  create trigger tell after insert or update or delete on t for each row execute function tell()`

let server: OwnPostgres
let sourceAt: TestDatabase
let targetAt: TestDatabase
let link: FragileLink
beforeAll(async () => {
  sourceAt = await (await postgresServer()).createDatabase('source')
  await asAdmin(sourceAt, (sql) => sql.unsafe(fillSource))
  // A crash must not take back what was committed.
  server = await ownPostgres({ synchronous_commit: 'on' })
  targetAt = await server.createDatabase('target')
  link = await fragileLink(targetAt.url)
})
afterAll(async () => {
  await link?.stop()
  await server?.stop()
  await sourceAt?.drop()
})
beforeEach(() => asAdmin(targetAt, (sql) => sql.unsafe(fillTarget)))

async function asAdmin<T>({ url }: TestDatabase, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice() {} })
  try {
    return await work(sql)
  } finally {
    await sql.end({ timeout: 2 })
  }
}
const written = () =>
  asAdmin(targetAt, async (sql) =>
    (await sql<{ id: number }[]>`select id from written order by id`).map(({ id }) => id),
  )

interface Sides {
  readonly source: { readonly side: Side }
  readonly target: { readonly side: Side }
}

async function withSides<T>(work: (sides: Sides) => Promise<T>): Promise<T> {
  const clients = [
    openPostgres({ name: 'source', url: sourceAt.url }),
    openPostgres({ name: 'target', url: link.through(targetAt.url), limits: { connections: 3 } }),
  ] as const
  try {
    return await work({ source: { side: postgresSide(clients[0]) }, target: { side: postgresSide(clients[1]) } })
  } finally {
    await Promise.all(clients.map((each) => each.close()))
  }
}

/** Takes the target away and brings it back: the way to it breaks, or its server dies as well. */
const losses: Record<string, () => Promise<void>> = {
  async 'the way to it breaks'() {
    link.cut()
    await sleep(200)
    link.mend()
  },
  async 'its server crashes'() {
    await server.crash()
    link.cut()
    await server.start()
    link.mend()
  },
}
const cases = Object.entries(losses)

describe.each(cases)('a target that goes away while it is read, because %s', (_, lose) => {
  it('makes what was being read unknown, and no difference of it', { timeout: rounds * 60_000 }, async () => {
    const random = seeded(seed)
    const truth = await withSides(({ source, target }) => compare({ source: source.side, target: target.side }, 't'))
    expect(truth.items.length).toBe(differing)
    const planted = new Set(truth.items.map(inWords))
    for (let round = 0; round < rounds; round += 1) {
      await withSides(async ({ source, target }) => {
        const side = slow(target.side)
        const lost = link.cutAfter(1 + Math.floor(random() * 18)).then(lose)
        const found = await compare({ source: source.side, target: side }, 't').catch((thrown: unknown) => thrown)
        link.cut()
        await lost

        link.mend()
        if (found instanceof Error) return expect(found).toBeInstanceOf(Fault)
        const { verdict, items, differences } = found as typeof truth
        expect(['drift', 'unknown']).toContain(verdict)
        if (verdict === 'drift') expect(differences).toEqual(truth.differences)
        expect(items.map(inWords).filter((words) => !planted.has(words))).toEqual([])
      })
    }
  })

  it('fails all that waits in a transaction, and answers what is asked next', { timeout: 60_000 }, async () => {
    const db = openPostgres({ name: 'target', url: link.through(targetAt.url), limits: { connections: 2 } })
    try {
      for (let round = 0; round < rounds; round += 1) {
        const work = Array.from({ length: 4 }, () =>
          db.transaction('isolation level repeatable read read only', async (tx) => {
            await Promise.all(Array.from({ length: 5 }, () => tx.ask('select pg_sleep(0.05), * from t')))
            for await (const batch of tx.stream('select * from t', 10)) void batch
          }),
        )
        const all = Promise.allSettled(work)
        await sleep(20 + round * 15)
        await lose()
        for (const outcome of await all) {
          if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'system_unreachable' })
        }
        expect(await db.ask('select count(*)::int as n from t')).toEqual([{ n: rows - missing + extra }])
      }
    } finally {
      await db.close()
    }
  })
})

/** Every statement of a slice is sent a little later, so that there are more moments to break in. */
const slow = (side: Side): Side => ({
  ...side,
  async fetch(...asked) {
    await sleep(2)
    return side.fetch(...asked)
  },
})

describe.each(cases)('a target that goes away while it is corrected, because %s', (_, lose) => {
  const pair = {
    source: { table: 'source.t' },
    target: { table: 'target.t' },
    key: ['id'],
    deletes: 'hard' as const,
    corrections: { mode: 'auto' as const, limit: { ratio: 1, rows: 10_000, deletes: 10_000 } },
  }

  it('is told the truth about, and put right, no row written twice', { timeout: rounds * 60_000 }, async () => {
    const random = seeded(seed)
    for (let round = 0; round < rounds; round += 1) {
      await asAdmin(targetAt, (sql) => sql.unsafe(fillTarget))
      const journal = memoryJournal(`round ${round}`)
      await withSides(async (sides) => {
        const breaks = 1 + Math.floor(random() * 2)
        for (let left = breaks; left > 0; left -= 1) {
          let lost: Promise<void> | undefined
          const ended = await run(sides, pair, {
            journal,
            progress({ step }) {
              if (step === 'correct') lost ??= link.cutAfter(1 + Math.floor((random() * differing) / breaks)).then(lose)
            },
          }).catch((thrown: unknown) => thrown)
          await lost
          // It was lost in the middle of writing; who reads back what is in doubt may find it there again or not.
          if (ended instanceof Error) expect(ended).toBeInstanceOf(Fault)
        }
        const { result } = await run(sides, pair, { journal })
        const { applied = 0, failed = 0, interrupted = 0, ...others } = result.corrections
        expect(others).toEqual({})
        expect(applied + failed + interrupted).toBe(differing)
        expect(applied).toBeGreaterThan(0)

        const ids = await written()
        expect(ids.length, 'rows written twice').toBe(new Set(ids).size)
        const inState = async (state: 'applied' | 'failed') =>
          (
            await Promise.all(
              (['insert', 'update', 'delete'] as const).map((action) => journal.corrections(state, action, 10_000)),
            )
          ).flatMap((some) => some.map(({ difference }) => Number(difference.key[0])))
        expect((await inState('applied')).filter((id) => !ids.includes(id))).toEqual([])
        expect((await inState('failed')).filter((id) => ids.includes(id))).toEqual([])

        const again = await run(sides, pair)
        expect(again.result).toMatchObject({ verdict: ids.length === differing ? 'match' : 'drift' })
        expect(again.result.corrections).toEqual(ids.length === differing ? {} : { applied: differing - ids.length })
        const all = await written()
        expect(all.length).toBe(differing)
        expect(new Set(all).size).toBe(differing)
        expect((await compare({ source: sides.source.side, target: sides.target.side }, 't')).verdict).toBe('match')
      })
    }
  })
})

describe.each(cases)('a server whose target goes away while it corrects, because %s', (_, lose) => {
  const final = ['applied', 'stale', 'failed', 'interrupted', 'rejected']
  let tallyman: Tallyman
  afterAll(() => tallyman?.stop())

  it('lives on, ends the run, and puts everything right in the next', { timeout: 240_000 }, async () => {
    const config = {
      connections: { crm: { url: sourceAt.url }, billing: { url: link.through(targetAt.url) } },
      pipelines: {
        things: {
          title: 'Things',
          pattern: 'batch',
          tier: 'reference',
          owner: 'team-things',
          checks: [
            {
              probe: 'sql',
              every: '2s',
              timeout: '1s',
              connection: 'billing',
              query: 'select count(*) as n from t',
              metrics: { n: { help: 'Rows.', unit: 'records' } },
            },
          ],
          pairs: [
            {
              id: 'things',
              source: { table: 'crm.t' },
              target: { table: 'billing.t' },
              key: ['id'],
              deletes: 'hard',
              settle: { wait: '50ms', tries: 1 },
              corrections: { limit: { ratio: 1, rows: 10_000, deletes: 10_000 } },
            },
          ],
        },
      },
    }
    tallyman = await startTallyman({ config: JSON.stringify(config) })
    const api = client(tallyman)
    const id = await api.request('things')
    expect((await api.ended(id)).differences).toEqual({ missing, extra, changed })
    expect(await api.approveAll(id)).toBe(differing)
    await api.runWhen(id, 'a quarter through', ({ corrections }) => (corrections.applied ?? 0) >= differing / 4)
    await lose()
    const ended: Run = await api.ended(id, 120_000)
    expect(Object.keys(ended.corrections).filter((state) => !final.includes(state))).toEqual([])
    expect(Object.values(ended.corrections).reduce((sum, some) => sum + some, 0)).toBe(differing)
    expect(tallyman.ended()).toBeUndefined()

    const before = await written()
    expect(new Set(before).size).toBe(before.length)
    const left = differing - before.length
    const next = await api.request('things')
    await api.ended(next)
    expect(await api.approveAll(next)).toBe(left)
    expect(await api.runWhen(next, 'done', ({ state }) => state === 'done')).toMatchObject({
      corrections: { applied: left },
      after: { verdict: 'match' },
    })
    const all = await written()
    expect(all.length).toBe(differing)
    expect(new Set(all).size).toBe(differing)
    // Its check answers again as well.
    const pipeline = await api.pipeline('things')
    expect(pipeline.checks[0]!.fault ?? null).toBeNull()
    expect(await tallyman.log()).not.toMatch(/This is a bug|Unhandled/i)
  })
})
