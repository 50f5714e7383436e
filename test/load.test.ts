import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openPostgres, type Postgres } from '../server/connect/postgres.ts'
import { postgresSide } from '../server/sides/postgres.ts'
import { ownPostgres, replicaOf, type PostgresServer } from './services/postgres.ts'

type Own = PostgresServer & { stop(): Promise<void> }
let server: Own
const clients: { end(): Promise<void> }[] = []
const opened = (url: string, name = 'crm') => {
  const client: Postgres = openPostgres({ name, url })
  clients.push({ end: () => client.close() })
  return postgresSide(client)
}
const sqlAt = (url: string) => {
  const sql = postgres(url, { max: 3, onnotice() {}, prepare: false })
  clients.push({ end: () => sql.end({ timeout: 1 }) })
  return sql
}
const eventually = async (holds: () => Promise<boolean>) => {
  for (let tries = 0; tries < 100; tries++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('it never came true')
}
const loginAt = (login: string) => {
  const url = new URL(server.url('postgres'))
  url.username = login
  return url.href
}

beforeAll(async () => {
  server = await ownPostgres()
  await sqlAt(server.url('postgres')).unsafe(`create role blind login; create role seeing login in role pg_monitor`)
}, 60_000)
afterAll(async () => {
  for (const client of clients) await client.end()
  await server.stop()
})

describe('the active sessions of a server', () => {
  it('are those of others that are at work, and neither idle ones nor ours', async () => {
    const side = opened(server.url('postgres'))
    expect(await side.load('sessions')).toBe(0)
    const users = sqlAt(server.url('postgres'))
    await users`select 1`
    expect(await side.load('sessions')).toBe(0)

    const busy = [users`select pg_sleep(20)`, users`select pg_sleep(20)`].map((query) => query.execute())
    const ours = opened(server.url('postgres')).number('select count(*) from (select pg_sleep(3)) as s')
    await eventually(async () => (await side.load('sessions')) === 2)
    for (const query of busy) query.cancel()
    await Promise.allSettled(busy)
    await eventually(async () => (await side.load('sessions')) === 0)
    await ours
  })

  it('are told by a login that may see them, and refused by one that may not', async () => {
    const users = sqlAt(server.url('postgres'))
    await users`select 1`
    expect(await opened(loginAt('seeing')).load('sessions')).toBe(0)
    await expect(opened(loginAt('blind')).load('sessions')).rejects.toMatchObject({
      code: 'system_permission',
      message: expect.stringMatching(/^crm: blind may not see what \d+ of the sessions are doing\.$/),
      hint: 'GRANT pg_monitor TO blind, or take pace.sessions out.',
    })
  })
})

describe('the lag of replicas', () => {
  it('is none on a server without any', async () =>
    expect(await opened(server.url('postgres')).load('replica_lag')).toBe(0))

  it('is not taken for none by a replica that has replayed nothing yet', async () => {
    const replica = await replicaOf(server)
    try {
      const side = opened(replica.url('postgres'))
      await sqlAt(replica.url('postgres'))`select pg_wal_replay_pause()`
      await sqlAt(server.url('postgres'))`create table unseen (id int)`
      await eventually(async () => (await side.load('replica_lag')) === Infinity)
    } finally {
      await replica.stop()
    }
  }, 60_000)

  it('is told by the primary as its replica says', async () => {
    const replica = await replicaOf(server, { recovery_min_apply_delay: '1500ms' })
    try {
      const primary = sqlAt(server.url('postgres'))
      await primary.unsafe('create table delayed (id int)')
      const side = opened(server.url('postgres'))
      // It says how far it has replayed when something new arrives.
      await eventually(async () => {
        await primary`insert into delayed values (1)`
        const lag = await side.load('replica_lag')
        return lag > 1 && lag < 10
      })
    } finally {
      await replica.stop()
    }
  }, 60_000)

  it('is told by the replica, while it grows and once it is made up', async () => {
    const replica = await replicaOf(server)
    try {
      const [primary, standby] = [sqlAt(server.url('postgres')), sqlAt(replica.url('postgres'))]
      await primary.unsafe('create table lagging (id int)')
      const [ofPrimary, ofStandby] = [opened(server.url('postgres')), opened(replica.url('postgres'))]
      await eventually(async () => (await ofPrimary.load('replica_lag')) < 1)
      await eventually(async () => (await ofStandby.load('replica_lag')) === 0)

      await standby`select pg_wal_replay_pause()`
      await primary`insert into lagging values (1)`
      await eventually(async () => (await ofStandby.load('replica_lag')) > 0.5)
      const before = await ofStandby.load('replica_lag')
      await new Promise((resolve) => setTimeout(resolve, 300))
      expect(await ofStandby.load('replica_lag')).toBeGreaterThanOrEqual(before + 0.3)
      await expect(opened(loginAt('blind')).load('replica_lag')).rejects.toMatchObject({
        code: 'system_permission',
        message: 'crm: blind may not see how far its 1 replicas are.',
      })
      expect(await opened(loginAt('seeing')).load('replica_lag')).toBe(await ofPrimary.load('replica_lag'))

      await standby`select pg_wal_replay_resume()`
      await eventually(async () => (await ofStandby.load('replica_lag')) === 0)
    } finally {
      await replica.stop()
    }
  }, 60_000)
})

describe('a statement of the user', () => {
  it.each([
    ['select 42', 42],
    ['select 1.5::numeric', 1.5],
    ['select true', 1],
    ['select null', null],
    ['select 1 where false', null],
    ["select '12'", 12],
  ])('%s answers %s', async (sql, answer) => expect(await opened(server.url('postgres')).number(sql)).toBe(answer))

  it('is refused when it answers words, and cannot write', async () => {
    const side = opened(server.url('postgres'))
    await expect(side.number("select 'busy'")).rejects.toMatchObject({
      code: 'usage',
      message: 'crm: the statement answered something that is no number.',
    })
    await expect(side.number('create table t (id int)')).rejects.toMatchObject({
      message: 'crm: cannot execute CREATE TABLE in a read-only transaction',
    })
  })
})
