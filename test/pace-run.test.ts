import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { postgresServer, type TestDatabase } from './services/postgres.ts'
import { startTallyman, type Tallyman } from './services/tallyman.ts'
import { twoCopies, type TwoCopies } from './two-copies.ts'

let copies: TwoCopies
let store: TestDatabase
let tallyman: Tallyman

const rows = 6_000
beforeAll(async () => {
  copies = await twoCopies('paced')
  store = await (await postgresServer()).createDatabase('paced_store')
  const table = `create table t (id int primary key, a text); create table busy (jobs int); insert into busy values (1);
    insert into t select i, 'a' || i from generate_series(1, ${rows}) i; analyze t`
  for (const { sql } of [copies.source, copies.target]) await sql.unsafe(table)
  tallyman = await startTallyman({
    config: `
store: ${store.url}
connections:
  source: { url: '${copies.source.url}' }
  target: { url: '${copies.target.url}' }
pipelines:
  p:
    title: P
    pattern: batch
    tier: reference
    owner: team
    pairs:
      - { id: capped, source: { table: source.public.t }, target: { table: target.public.t }, key: [id],
          pace: { rowsPerSecond: 1000 } }
      - { id: held, source: { table: source.public.t }, target: { table: target.public.t }, key: [id],
          pace: { wait: [{ side: target, sql: select jobs from busy, above: 0 }] } }
`,
  })
}, 90_000)
afterAll(async () => {
  await tallyman?.stop()
  await store?.drop()
  await copies?.drop()
})

interface Run {
  readonly state: string
  readonly verdict: string | null
  readonly paused: { by: string } | null
  readonly waiting: { reason: string; why: string } | null
  readonly progress: { rowsDone: number }
  readonly rows: { source: number; target: number } | null
  readonly startedAt: string
  readonly endedAt: string | null
}
const post = async (path: string) => {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }
  const answer = await tallyman.get(`/api/v1${path}`, init)
  return { status: answer.status, ...((await answer.json()) as { run: string }) }
}
const runNow = async (id: string) => (await (await tallyman.get(`/api/v1/runs/${id}`)).json()) as Run
async function until(id: string, holds: (run: Run) => boolean): Promise<Run> {
  for (let tries = 0; tries < 400; tries++) {
    const run = await runNow(id)
    if (holds(run)) return run
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`it never came true: ${JSON.stringify(await runNow(id))}`)
}

describe('a run of a server', () => {
  it('waits for a busy database, says why on its page and in the metrics, and goes on', async () => {
    const { run } = await post('/pairs/held/runs')
    const why = 'target answers 1 to pace.wait; 0 is allowed.'
    expect(await until(run, ({ waiting }) => waiting !== null)).toMatchObject({
      state: 'running',
      waiting: { reason: 'query', why },
    })
    const told = 'tallyman_reconcile_waiting{pipeline="p",reason="query"} 1'
    for (let tries = 0; ; tries++) {
      if ((await (await tallyman.get('/metrics')).text()).includes(told)) break
      expect(tries).toBeLessThan(100)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    await copies.target.sql`update busy set jobs = 0`
    expect(await until(run, ({ endedAt }) => endedAt !== null)).toMatchObject({ verdict: 'match', waiting: null })
  }, 60_000)

  it('reads no faster than its cap', async () => {
    const { run } = await post('/pairs/capped/runs')
    const ended = await until(run, ({ endedAt }) => endedAt !== null)
    expect(ended).toMatchObject({ verdict: 'match', rows: { source: rows, target: rows } })
    // The last slices need not be earned back before it ends.
    expect(Date.parse(ended.endedAt!) - Date.parse(ended.startedAt)).toBeGreaterThan(3_500)
  }, 60_000)

  it('stops when it is paused, stays so over kill -9, and ends as if nothing had been once it is resumed', async () => {
    const { run } = await post('/pairs/capped/runs')
    await until(run, ({ progress }) => progress.rowsDone > 500)
    expect(await post(`/runs/${run}/pause`)).toMatchObject({ status: 202 })
    const paused = await until(run, ({ waiting }) => waiting?.reason === 'paused')
    expect(paused).toMatchObject({ state: 'running', paused: { by: 'local' } })
    const { progress } = await runNow(run)
    expect(progress.rowsDone).toBeLessThan(rows)

    await tallyman.kill('SIGKILL')
    await tallyman.restart()
    await new Promise((resolve) => setTimeout(resolve, 7_000))
    const after = await runNow(run)
    expect(after).toMatchObject({ state: 'running', waiting: { reason: 'paused' }, paused: { by: 'local' } })
    expect(after.progress.rowsDone).toBeLessThanOrEqual(progress.rowsDone + 2_000)

    expect(await post(`/runs/${run}/resume`)).toMatchObject({ status: 202 })
    expect(await until(run, ({ endedAt }) => endedAt !== null)).toMatchObject({
      verdict: 'match',
      rows: { source: rows, target: rows },
      paused: null,
      waiting: null,
    })
  }, 120_000)
})
