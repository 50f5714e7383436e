import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openStore, type Store } from '../server/store/open.ts'
import { pauseRun, resumeRun } from '../server/store/pause.ts'
import { runRows } from '../server/store/run-reads.ts'
import { eventually } from './services/process.ts'
import { postgresServer, type TestDatabase } from './services/postgres.ts'
import { runTallyman } from './services/tallyman.ts'
import { twoCopies, type TwoCopies } from './two-copies.ts'

let copies: TwoCopies
let database: TestDatabase
let store: Store
let file: string
beforeAll(async () => {
  copies = await twoCopies('waits')
  database = await (await postgresServer()).createDatabase('waits_store')
  store = await openStore(database.url)
  for (const { sql } of [copies.source, copies.target]) {
    await sql.unsafe(`create table t (id int primary key); insert into t select generate_series(1, 10);
      create table busy (jobs int); insert into busy values (1)`)
  }
  file = join(await mkdtemp(join(tmpdir(), 'tallyman-waits-')), 'tallyman.yaml')
  await writeFile(
    file,
    `
store: ${database.url}
connections: { source: { url: '${copies.source.url}' }, target: { url: '${copies.target.url}' } }
pipelines:
  p:
    title: P
    pattern: batch
    tier: reference
    owner: team
    pairs:
      - { id: held, source: { table: source.t }, target: { table: target.t },
          pace: { wait: [{ side: target, sql: select jobs from busy, above: 0 }] } }
`,
  )
})
afterAll(async () => {
  await store?.close()
  await database?.drop()
  await copies?.drop()
})

/** The run of the pair once it waits for this. */
const waitingFor = (reason: string) =>
  eventually(`the run to wait for ${reason}`, async () =>
    (await runRows(store.db, { pair: 'held', limit: 1 })).find(({ waiting }) => waiting?.reason === reason),
  )

describe('tallyman reconcile of a run that holds back', () => {
  it('says on standard error why, once a reason, and when it goes on; standard output stays for the verdict', async () => {
    const command = runTallyman(['reconcile', '--config', file, '--json', 'held'])
    const { id } = await waitingFor('query')
    await pauseRun(store.db, id, 'bob')
    await waitingFor('paused')
    await copies.target.sql`update busy set jobs = 0`
    await resumeRun(store.db, id, 'bob')
    const { code, stdout, stderr } = await command
    expect(stderr.split('\n')).toEqual([
      'held waits. target answers 1 to pace.wait; 0 is allowed.',
      'held waits. Paused by bob.',
      'held goes on.',
      '',
    ])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ run: id, verdict: 'match' })
  }, 60_000)

  it('says nothing where it does not wait', async () => {
    await copies.target.sql`update busy set jobs = 0`
    expect(await runTallyman(['reconcile', '--config', file, 'held'])).toMatchObject({ code: 0, stderr: '' })
  }, 60_000)
})
