import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { client, type Client, type Run } from './client.ts'
import { postgresServer, type PostgresServer, type TestDatabase } from './services/postgres.ts'
import { startTallyman, type Tallyman } from './services/tallyman.ts'

const rows = 400
const final = ['applied', 'stale', 'failed', 'interrupted', 'rejected']

const fillSource = `
  create table t (id int primary key, name text);
  insert into t select n, 'name ' || n from generate_series(1, ${rows}) n`
// A write takes a while, so that some are under way when the connections break.
const fillTarget = `
  create table t (id int primary key, name text);
  insert into t select n, 'old' from generate_series(1, ${rows}) n;
  create table written (id int);
  create function tell() returns trigger language plpgsql as $$ begin
    perform pg_sleep(0.01); insert into written values (new.id); return null; end $$;
  create trigger tell after update on t for each row execute function tell()`

let server: PostgresServer
let databases: TestDatabase[]
let tallyman: Tallyman
let api: Client
/** In another database, from which the target can be shut and opened. */
let outside: Sql

beforeAll(async () => {
  server = await postgresServer()
  databases = [await server.createDatabase('source'), await server.createDatabase('target')]
  const [source, target] = databases as [TestDatabase, TestDatabase]
  for (const [{ url }, fill] of [[source, fillSource] as const, [target, fillTarget] as const]) {
    const sql = postgres(url, { max: 1, onnotice() {} })
    await sql.unsafe(fill).simple()
    await sql.end()
  }
  outside = postgres(source.url, { max: 1, onnotice() {} })
  const config = {
    connections: { crm: { url: source.url }, billing: { url: target.url } },
    pipelines: {
      things: {
        title: 'Things',
        pattern: 'batch',
        tier: 'reference',
        owner: 'team-things',
        pairs: [
          {
            id: 'things',
            source: { table: 'crm.t' },
            target: { table: 'billing.t' },
            key: ['id'],
            settle: { wait: '50ms', tries: 1 },
            corrections: { limit: { ratio: 1 } },
          },
        ],
      },
    },
  }
  tallyman = await startTallyman({ config: JSON.stringify(config) })
  api = client(tallyman)
})
afterAll(async () => {
  await tallyman?.stop()
  await outside?.end({ timeout: 2 })
  for (const database of databases ?? []) await database.drop()
})

async function shutTarget() {
  await outside.unsafe(`alter database "${databases[1]!.name}" allow_connections false`)
  await outside`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${databases[1]!.name}`
}
const openTarget = () => outside.unsafe(`alter database "${databases[1]!.name}" allow_connections true`)

async function written(): Promise<number[]> {
  const sql = postgres(databases[1]!.url, { max: 1 })
  const ids = (await sql<{ id: number }[]>`select id from written order by id`).map(({ id }) => id)
  await sql.end()
  return ids
}

describe('a target that goes away while it is being corrected', () => {
  let run: Run
  const inState = new Map<string, number[]>()

  it('ends the run, and brings every correction to an end', { timeout: 180_000 }, async () => {
    const id = await api.request('things')
    await api.ended(id)
    expect(await api.approveAll(id)).toBe(rows)
    await api.runWhen(id, 'a quarter through', ({ corrections }) => (corrections.applied ?? 0) >= rows / 4)
    await shutTarget()
    run = await api.ended(id, 120_000)
    await openTarget()

    const { items } = await api.differences(id)
    for (const { key, correction } of items) {
      const state = correction!.state!
      inState.set(state, [...(inState.get(state) ?? []), Number(key.id)])
    }
    expect([...inState.keys()].filter((state) => !final.includes(state))).toEqual([])
    expect(items.length).toBe(rows)
    expect(run.state === 'failed' ? run.fault?.message : run.after?.verdict).toMatch(/billing|unknown/)
  })

  it('is told the truth about: what was written, what was not, and what nobody knows', async () => {
    const ids = await written()
    expect(new Set(ids).size).toBe(ids.length)
    const { applied = [], interrupted = [], failed = [], rejected = [], stale = [] } = Object.fromEntries(inState)
    expect(stale).toEqual([])
    expect(applied.length).toBeGreaterThanOrEqual(rows / 4)
    expect(failed.length + rejected.length + interrupted.length).toBeGreaterThan(0)
    expect(applied.filter((id) => !ids.includes(id))).toEqual([])
    expect([...failed, ...rejected].filter((id) => ids.includes(id))).toEqual([])
    expect(ids.filter((id) => !applied.includes(id) && !interrupted.includes(id))).toEqual([])
  })

  it('is put right by another run, no row written twice', { timeout: 120_000 }, async () => {
    const left = rows - (await written()).length
    const id = await api.request('things')
    expect(await api.ended(id)).toMatchObject({ verdict: 'drift', differences: { changed: left } })
    expect(await api.approveAll(id)).toBe(left)
    expect(await api.runWhen(id, 'done', ({ state }) => state === 'done')).toMatchObject({
      corrections: { applied: left },
      after: { verdict: 'match' },
    })
    const ids = await written()
    expect(ids.length).toBe(rows)
    expect(new Set(ids).size).toBe(rows)
    expect((await api.ended(await api.request('things'))).verdict).toBe('match')
  })
})
