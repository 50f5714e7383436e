import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { postgresServer, type TestDatabase } from './services/postgres.ts'
import { runTallyman } from './services/tallyman.ts'

let crm: TestDatabase
let billing: TestDatabase

const tables = `
  create table same (id int primary key, email text);
  create table drifted (id int primary key, email text);
  insert into same select n, n || '@example.org' from generate_series(1, 100) n;
  insert into drifted select n, n || '@example.org' from generate_series(1, 100) n;`

beforeAll(async () => {
  const server = await postgresServer()
  crm = await server.createDatabase('crm')
  billing = await server.createDatabase('billing')
  for (const { url } of [crm, billing]) {
    const sql = postgres(url, { max: 1, onnotice() {} })
    await sql.unsafe(tables).simple()
    if (url === billing.url) {
      await sql.unsafe(`update drifted set email = 'x' where id = 5; delete from drifted where id in (6, 7)`).simple()
    }
    await sql.end()
  }
})

afterAll(async () => {
  await crm?.drop()
  await billing?.drop()
})

const diff = (...flags: string[]) =>
  runTallyman(['diff', 'env:CRM_URL', 'env:BILLING_URL', ...flags], { CRM_URL: crm.url, BILLING_URL: billing.url })

describe('tallyman diff', () => {
  it('exits 0 when the copies agree', async () => {
    expect(await diff('--table', 'same', '--key', 'id')).toMatchObject({ code: 0, stderr: '' })
  })

  it('exits 1 when they differ, and counts and lists what does', async () => {
    const { code, stdout } = await diff('--table', 'drifted', '--key', 'id', '--json')
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      verdict: 'drift',
      rows: { source: 100, target: 98 },
      differences: { missing: 2, extra: 0, changed: 1 },
      matchRatio: 0.97,
      truncated: false,
      items: expect.arrayContaining([
        expect.objectContaining({ kind: 'changed', fields: { email: { source: '5@example.org', target: 'x' } } }),
      ]),
    })
  })

  it('counts exactly what it lists only in part', async () => {
    const { code, stdout } = await diff('--table', 'drifted', '--key', 'id', '--json', '--limit', '1')
    expect(code).toBe(1)
    const report = JSON.parse(stdout)
    expect(report).toMatchObject({ differences: { missing: 2, extra: 0, changed: 1 }, truncated: true })
    expect(report.items).toHaveLength(1)
  })

  it('writes what would make the target like the source', async () => {
    const { stdout } = await diff('--table', 'drifted', '--key', 'id', '--format', 'sql')
    const sql = postgres(billing.url, { max: 1, onnotice() {} })
    await sql
      .begin(async (transaction) => {
        await transaction.unsafe(stdout).simple()
        const [left] = await transaction`select count(*)::int as rows from drifted where email = id || '@example.org'`
        expect(left).toEqual({ rows: 100 })
        throw new Error('taken back')
      })
      .catch((cause: Error) => expect(cause.message).toBe('taken back'))
    await sql.end()
  })

  it('exits 2 for what it is not asked right, in two lines and without a stack', async () => {
    const { code, stdout, stderr } = await diff()
    expect({ code, stdout, lines: stderr.trim().split('\n').length }).toEqual({ code: 2, stdout: '', lines: 2 })
    expect(stderr).toContain('--table')
  })

  it('exits 3 when it could not be told, and never shows a password', async () => {
    const source = 'postgres://somebody:hunter2@127.0.0.1:1/none'
    const { code, stdout, stderr } = await runTallyman(['diff', source, billing.url, '--table', 'same', '--key', 'id'])
    expect(code).toBe(3)
    expect(stdout + stderr).toContain('ECONNREFUSED')
    expect(stdout + stderr).not.toContain('hunter2')
  })
})

describe('the command line', () => {
  it('says what there is when asked for nothing', async () => {
    expect(await runTallyman([])).toMatchObject({ code: 0, stdout: expect.stringContaining('tallyman diff') })
  })

  it('refuses a command that it does not have', async () => {
    expect(await runTallyman(['reconsile'])).toMatchObject({ code: 2, stderr: expect.stringContaining('reconsile') })
  })

  it('prints a schema that editors can read', async () => {
    const { code, stdout } = await runTallyman(['schema'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ type: 'object', properties: { pipelines: {}, connections: {} } })
  })
})
