import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runnerSteps } from '../server/compose/work.ts'
import type { Mode } from '../server/reconcile/mode.ts'
import { pairSchema, type PairInput } from '../server/reconcile/pair.ts'
import { openStore, type Store } from '../server/store/open.ts'
import { pairTotals } from '../server/store/run-reads.ts'
import { requestRun, storedRun } from '../server/store/runs.ts'
import { workRun } from '../server/work/runner.ts'
import { postgresServer, type TestDatabase } from './services/postgres.ts'
import { routes, words, type Ends } from './routes.ts'
import { steadyVerbs } from './two-copies.ts'

let copies: Ends
let database: TestDatabase
let store: Store
beforeAll(async () => {
  database = await (await postgresServer()).createDatabase('store')
  store = await openStore(database.url)
})
afterAll(async () => {
  await store?.close()
  await database?.drop()
})

let pair: string
beforeEach(() => void (pair = `p-${randomUUID()}`))
const target = (text: string) => copies.target.run([text])
const source = (text: string) => copies.source.run([text])

/** Runs a pair as a worker does, and tells how it ended. */
async function worked(mode: Mode, more: Partial<PairInput> = {}) {
  const id = randomUUID()
  const spec = pairSchema.parse({
    id: pair,
    source: { table: 'source.t' },
    target: { table: 'target.t' },
    key: ['id'],
    exclude: ['updated_at'],
    settle: { wait: '0ms', tries: 1 },
    incremental: { column: 'updated_at', overlap: '1s' },
    ...more,
  })
  await requestRun(store.db, { id, pair, pipeline: 'orders', mode, trigger: 'api', requestedBy: 'ada' })
  const steps = runnerSteps({
    store,
    owner: 'test',
    openPair: () => ({ spec, source: copies.source.side, target: copies.target.side, verbs: steadyVerbs }),
    changed: async () => {},
    complain: (message, cause) => {
      throw new Error(message, { cause })
    },
  })
  await workRun(id, steps, new AbortController().signal)
  const run = (await storedRun(store.db, id))!
  expect([run.fault, run.state]).not.toContain('failed')
  return run
}

const standing = async () => {
  const { told, verified } = await pairTotals(store.db)
  const found = told.find((row) => row.pair === pair)
  return {
    mode: found?.mode,
    verdict: found && (found.counts!.missing + found.counts!.extra + found.counts!.changed === 0 ? 'match' : 'drift'),
    ratio: found?.matchRatio,
    unverified: verified.find((row) => row.pair === pair)?.at,
  }
}

describe.each(routes)('the runs of a pair in the store, $title', ({ open }) => {
  beforeAll(async () => void (copies = await open()))
  afterAll(() => copies.drop())
  beforeEach(async () => {
    for (const place of [copies.source, copies.target]) {
      const { minutesAgo, time, series, analyze } = words[place.engine]
      await place.run([
        'drop table if exists t',
        `create table t (id int primary key, a varchar(40), updated_at ${time} not null)`,
        'create index t_written on t (updated_at)',
        `insert into t select i, concat('a', i), ${minutesAgo('2001 - i')} from ${series(1, 2000)}`,
        analyze,
      ])
    }
  })

  it('go on from the last one that told everything, with what partial ones found since', async () => {
    const first = await worked('incremental')
    expect(first.result!.coverage.mode).toBe('full')
    await target(`update t set a = 'x' where id = 5`)
    expect((await worked('incremental')).result).toMatchObject({ verdict: 'match', coverage: { mode: 'incremental' } })
    // Nothing tells of that write: only a walk finds it, and from then on it is not forgotten.
    expect((await worked('scrub')).verdict).toBe('drift')
    expect(await standing()).toMatchObject({ verdict: 'drift', ratio: 1_999 / 2_000 })
    expect((await worked('incremental')).result).toMatchObject({ verdict: 'drift', differences: { changed: 1 } })
    await target(`update t set a = 'a5' where id = 5`)
    expect((await worked('incremental')).verdict).toBe('match')
    expect(await standing()).toMatchObject({ mode: 'incremental', verdict: 'match', ratio: 1 })
  })

  it('tell when what was compared longest ago was read', async () => {
    expect(await standing()).toMatchObject({ mode: undefined, unverified: undefined })
    await worked('sample', { sample: { share: 0.5 } })
    expect((await standing()).unverified).toBeUndefined()
    const full = await worked('full')
    expect((await standing()).unverified).toEqual(full.startedAt)
    await worked('incremental')
    expect((await standing()).unverified).toEqual(full.startedAt)
    const scrub = await worked('scrub')
    expect((await standing()).unverified).toEqual(scrub.startedAt)
    await source(`insert into t values (3000, 'new', ${words[copies.source.engine].now})`)
    await worked('scrub')
    expect((await standing()).verdict).toBe('drift')
  })

  it('do not call a drift gone because a sample did not meet it', async () => {
    await target(`update t set a = 'x' where id = 5`)
    await worked('full')
    const sample = await worked('sample', { sample: { share: 0.001 } })
    expect(sample.result!.coverage).toMatchObject({ mode: 'sample', estimated: true })
    expect(await standing()).toMatchObject({ mode: 'full', verdict: 'drift' })
  })

  it('take what an older one proposed back only where they have looked', async () => {
    await target(`update t set a = 'x' where id in (5, 1900)`)
    const corrections = { mode: 'propose', limit: { ratio: 1 } } as const
    const full = await worked('full', { corrections })
    expect(full.state).toBe('waiting')
    await worked('sample', { corrections, sample: { share: 0.001 } })
    expect((await storedRun(store.db, full.id))!.state).toBe('waiting')
    await source(`update t set updated_at = ${words[copies.source.engine].now} where id = 7`)
    const small = await worked('incremental', { corrections })
    expect(small.result!.corrections).toEqual({ proposed: 2 })
    expect((await storedRun(store.db, full.id))!.state).toBe('done')
  })

  it('do not pile up behind one that takes longer than its schedule', async () => {
    const ask = (mode: Mode, occasion: string) =>
      requestRun(store.db, {
        ...{
          id: randomUUID(),
          pair,
          pipeline: 'orders',
          mode,
          trigger: 'schedule' as const,
          requestedBy: 'the schedule',
        },
        occasion,
      })
    expect(await ask('incremental', '12:00')).toBeDefined()
    expect(await ask('incremental', '12:05')).toBeUndefined()
    expect(await ask('scrub', 'scrub 12:05')).toBeUndefined()
    expect(await ask('full', 'full 12:05')).toBeDefined()
    expect(await ask('sample', '12:10')).toBeUndefined()
  })
})
