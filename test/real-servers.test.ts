import { afterAll, describe, expect, it } from 'vitest'
import postgres from 'postgres'
import { openBrowser } from './services/chromium.ts'
import { mariadbServer, ownMariadb, sqlAt } from './services/mariadb.ts'
import { ownPostgres, postgresServer } from './services/postgres.ts'
import { promtool, startPrometheus } from './services/prometheus.ts'
import { webhookReceiver } from './services/webhook.ts'

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

describe('the MariaDB of the tests', () => {
  it('makes databases of its own and drops them', async () => {
    const server = await mariadbServer()
    const database = await server.createDatabase('Mixed Case')
    expect(database.name).toMatch(/^tallyman_test_mixed_case_[0-9a-f]{8}$/)
    expect(await sqlAt(database.url, 'select database() as name')).toEqual([{ name: database.name }])

    await database.drop()
    expect(await sqlAt(server.url(), `show databases like '${database.name}'`)).toEqual([])
  })
})

describe('a MariaDB of a test’s own, where none is to be found', () => {
  const started = ownMariadb({ 'max-connections': '17' })
  afterAll(async () => (await started).stop())

  it('runs from the installed binary in a temporary folder, with the settings asked for', async () => {
    const { url } = await started
    expect(await sqlAt(url(), 'select @@max_connections as max')).toEqual([{ max: 17 }])
  })

  it('is gone once stopped', async () => {
    const server = await started
    await server.stop()
    await expect(sqlAt(server.url(), 'select 1')).rejects.toThrow('ECONNREFUSED')
  })
})

describe('the webhook receiver', () => {
  it('remembers what arrived and refuses on demand', async () => {
    const receiver = await webhookReceiver()
    try {
      receiver.failNext(1, 500)
      const send = (body: string) =>
        fetch(`${receiver.url}hook?a=1`, { method: 'POST', body, headers: { 'x-id': body } })
      expect((await send('first')).status).toBe(500)
      expect((await send('second')).status).toBe(204)

      const [accepted] = await receiver.accepted(1)
      expect(accepted).toMatchObject({ method: 'POST', path: '/hook?a=1', body: 'second', status: 204 })
      expect(receiver.deliveries.map(({ headers }) => headers['x-id'])).toEqual(['first', 'second'])
    } finally {
      await receiver.stop()
    }
  })
})

describe('the Chromium of the tests', () => {
  it('opens a page', async () => {
    const browser = await openBrowser()
    try {
      const page = await browser.newPage()
      await page.setContent('<title>The quay</title>')
      expect(await page.title()).toBe('The quay')
    } finally {
      await browser.close()
    }
  })
})

describe('the Prometheus of the tests', () => {
  it('evaluates what it is asked, and says what it refuses', async () => {
    const prometheus = await startPrometheus('global: { scrape_interval: 1s }\n')
    try {
      expect(await prometheus.query('vector(2) * 21')).toEqual([{ labels: {}, value: 42 }])
      await expect(prometheus.query('rate(')).rejects.toThrow('parse error')
    } finally {
      await prometheus.stop()
    }
  })

  it('brings promtool', async () => {
    const help = '# HELP x_total Things.\n# TYPE x_total counter\nx_total 1\n'
    expect(await promtool(['check', 'metrics'], help)).toEqual({ ok: true, output: '' })
    expect(await promtool(['check', 'metrics'], 'x_total 1\n')).toMatchObject({ ok: false })
  })
})
