import { afterAll, describe, expect, it } from 'vitest'
import postgres from 'postgres'
import { ownPostgres, postgresServer } from './services/postgres.ts'

const ask = async (url: string, query: string) => {
  const sql = postgres(url, { max: 1, onnotice() {} })
  try {
    return await sql.unsafe(query)
  } finally {
    await sql.end()
  }
}

describe('the PostgreSQL of the tests', () => {
  it('makes databases of its own and drops them', async () => {
    const server = await postgresServer()
    const database = await server.createDatabase('Mixed Case')
    expect(database.name).toMatch(/^tallyman_test_mixed_case_[0-9a-f]{8}$/)
    expect(await ask(database.url, 'select current_database() as name')).toEqual([{ name: database.name }])

    await database.drop()
    const left = `select 1 from pg_database where datname = '${database.name}'`
    expect(await ask(server.url('postgres'), left)).toEqual([])
  })

  it('is the same for everybody who asks', async () => {
    const [one, other] = await Promise.all([postgresServer(), postgresServer()])
    expect(one.url('x')).toBe(other.url('x'))
  })
})

describe('a PostgreSQL of a test’s own, where none is to be found', () => {
  const started = ownPostgres({ max_connections: '17' })
  afterAll(async () => (await started).stop())

  it('runs from the installed binary in a temporary folder, with the settings asked for', async () => {
    const { url } = await started
    const [row] = await ask(url('postgres'), `select current_setting('max_connections') as max`)
    expect(row).toEqual({ max: '17' })
  })

  it('is gone once stopped', async () => {
    const server = await started
    await server.stop()
    await expect(ask(server.url('postgres'), 'select 1')).rejects.toThrow('ECONNREFUSED')
  })
})
