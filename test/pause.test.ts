import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStore, type Store } from '../server/store/open.ts'
import { parkRun, pauseRun, resumeRun } from '../server/store/pause.ts'
import { runRows } from '../server/store/run-reads.ts'
import { cancelRun, claimRun, endRun, renewRun, requestRun, runsToWork, storedRun } from '../server/store/runs.ts'
import { postgresServer, type TestDatabase } from './services/postgres.ts'

let database: TestDatabase
let store: Store
beforeAll(async () => {
  database = await (await postgresServer()).createDatabase('pause')
  store = await openStore(database.url)
})
afterAll(async () => {
  await store.close()
  await database.drop()
})

const progress = { step: 'digest', slicesDone: 1, slicesTotal: 3, rowsDone: 10, rowsEstimate: 30 } as const
const asked = async (pair: string, more: { occasion?: string } = {}) => {
  const id = randomUUID()
  await requestRun(store.db, { id, pair, pipeline: 'p', mode: 'full', trigger: 'api', requestedBy: 'ada', ...more })
  return id
}
/** Takes a run that nobody holds. */
const claim = async (id: string) => (await claimRun(store.db, id, 'one', 60_000))!
const free = async (id: string) => (await runsToWork(store.db, 100)).some((run) => run.id === id)
const row = async (pair: string) => (await runRows(store.db, { pair, limit: 1 }))[0]!
const audit = (run: string) =>
  store.db.execute(sql`select event, actor, pair_id, correction_id from audits where run_id = ${run} order by id`)

describe('a paused run', () => {
  it('is told to whoever works on it, let go of, and taken by nobody before it is resumed', async () => {
    const id = await asked('held')
    const taken = await claim(id)
    await pauseRun(store.db, id, 'bob')
    expect(await renewRun(store.db, taken, 60_000, undefined)).toEqual({ held: true, pausedBy: 'bob' })

    const waiting = { reason: 'paused', why: 'Paused by bob.', sinceMs: 1_767_225_600_000 } as const
    await parkRun(store.db, taken, { progress: { ...progress, waiting } })
    expect(await free(id)).toBe(false)
    expect(await claimRun(store.db, id, 'two', 60_000)).toBeUndefined()
    expect(await row('held')).toMatchObject({
      state: 'running',
      paused: { by: 'bob' },
      waiting: { reason: 'paused', why: 'Paused by bob.', since: new Date(1_767_225_600_000) },
    })

    await resumeRun(store.db, id, 'eve')
    expect(await free(id)).toBe(true)
    expect(await claimRun(store.db, id, 'two', 60_000)).toMatchObject({ id, startedAt: expect.any(Date) })
    expect(await row('held')).not.toHaveProperty('waiting')
    expect([...(await audit(id))]).toEqual([
      { event: 'paused', actor: 'bob', pair_id: 'held', correction_id: null },
      { event: 'resumed', actor: 'eve', pair_id: 'held', correction_id: null },
    ])
  })

  it('is not begun while it is queued, and says who paused it', async () => {
    const id = await asked('not-begun')
    await pauseRun(store.db, id, 'bob')
    expect(await claimRun(store.db, id, 'one', 60_000)).toBeUndefined()
    expect(await row('not-begun')).toMatchObject({
      state: 'queued',
      waiting: { reason: 'paused', why: 'Paused by bob.' },
    })
    await expect(asked('not-begun')).rejects.toMatchObject({
      code: 'conflict',
      message: `not-begun is being reconciled already, by run ${id}, which bob has paused.`,
      hint: 'Resume that run, or cancel it.',
    })
  })

  it('keeps its pair: a run that its schedule asks for waits behind it', async () => {
    const id = await asked('kept')
    const taken = await claim(id)
    await pauseRun(store.db, id, 'bob')
    await parkRun(store.db, taken, { progress })
    const next = await asked('kept', { occasion: '2026-01-01 02:00' })
    expect(await claimRun(store.db, next, 'one', 60_000)).toBeUndefined()
    await resumeRun(store.db, id, 'bob')
    expect(await claimRun(store.db, id, 'one', 60_000)).toBeDefined()
  })

  it('can be cancelled, and is taken to be ended', async () => {
    const id = await asked('given-up')
    const taken = await claim(id)
    await pauseRun(store.db, id, 'bob')
    await parkRun(store.db, taken, { progress })
    await cancelRun(store.db, id, 'eve')
    const next = await claim(id)
    expect(next).toMatchObject({ id, cancelBy: 'eve' })
    await endRun(store.db, next, { state: 'cancelled', fault: { code: 'cancelled', message: '', hint: '' } })
    expect(await storedRun(store.db, id)).toMatchObject({ state: 'cancelled', pausedBy: null, leaseOwner: null })
  })

  it('is refused, with the reason, where nothing can be paused or resumed', async () => {
    const id = await asked('refused')
    const refusal = (message: string) => ({ code: 'conflict', message: `Run ${id} ${message}.` })
    await expect(resumeRun(store.db, id, 'bob')).rejects.toMatchObject(refusal('is not paused'))
    await pauseRun(store.db, id, 'bob')
    await expect(pauseRun(store.db, id, 'eve')).rejects.toMatchObject(refusal('is paused already, by bob'))
    await resumeRun(store.db, id, 'bob')
    const taken = await claim(id)
    await store.db.execute(sql`update runs set compared_at = now() where id = ${id}`)
    await expect(pauseRun(store.db, id, 'eve')).rejects.toMatchObject(
      refusal('has compared everything and only writes'),
    )
    await cancelRun(store.db, id, 'eve')
    await expect(pauseRun(store.db, id, 'eve')).rejects.toMatchObject(refusal('is being cancelled by eve'))
    await endRun(store.db, taken, { state: 'cancelled', fault: { code: 'cancelled', message: '', hint: '' } })
    await expect(pauseRun(store.db, id, 'eve')).rejects.toMatchObject(refusal('has ended already (cancelled)'))
    await expect(pauseRun(store.db, randomUUID(), 'eve')).rejects.toMatchObject({ code: 'not_found' })
    expect([...(await audit(id))].map(({ event }) => event)).toEqual(['paused', 'resumed'])
  })
})

describe('a run that waits for its time window', () => {
  it('is taken by nobody before the window opens, and then by one', async () => {
    const id = await asked('night')
    const taken = await claim(id)
    const until = new Date(Date.now() + 400)
    await parkRun(store.db, taken, { progress, until })
    expect(await claimRun(store.db, id, 'two', 60_000)).toBeUndefined()
    expect(await free(id)).toBe(false)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(await free(id)).toBe(true)
    expect(await claimRun(store.db, id, 'two', 60_000)).toMatchObject({ id, notBefore: null })
  })

  it('is let go of by its owner alone', async () => {
    const id = await asked('owned')
    const taken = await claim(id)
    await parkRun(store.db, { ...taken, attempt: 0 }, { progress, until: new Date(Date.now() + 60_000) })
    expect(await renewRun(store.db, taken, 60_000, undefined)).toEqual({ held: true })
  })
})
