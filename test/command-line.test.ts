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
const inCrm = `
  create schema sales;
  create table sales.clients (id int primary key, mail text, city text, age int, live boolean);
  insert into sales.clients select n, n || '@example.org', 'Oslo', n, n <= 90 from generate_series(1, 100) n`
const inBilling = `
  create table customers (id int primary key, email text, city text, age int, live boolean);
  insert into customers select n, n || '@example.org', 'Bergen', n, n <= 90 from generate_series(1, 100) n;
  update customers set email = 'old' where id > 96;
  create table broken (like drifted including all);
  insert into broken select n, 'broken ' || n from generate_series(51, 120) n`

beforeAll(async () => {
  const server = await postgresServer()
  crm = await server.createDatabase('crm')
  billing = await server.createDatabase('billing')
  for (const { url } of [crm, billing]) {
    const sql = postgres(url, { max: 1, onnotice() {} })
    await sql.unsafe(`${tables}; ${url === crm.url ? inCrm : inBilling}`).simple()
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

  it('exits 3 when its budget is spent, and says which and what is known', async () => {
    const few = await diff('--table', 'broken', '--target-table', 'broken', '--max-time', '10m', '--max-ratio', '2')
    expect(few).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--max-ratio takes a share from 0 to 1.') as string,
    })
    const long = await diff('--table', 'same', '--max-time', 'soon')
    expect(long).toMatchObject({ code: 2, stderr: expect.stringContaining('--max-time takes a duration') as string })
    expect(await diff('--table', 'same', '--max-time', '10m', '--max-ratio', '0.1')).toMatchObject({ code: 0 })
    const slow = ['--table', 'same', '--where', 'id <> 50 or pg_sleep(30) is not null', '--max-time', '500ms', '--json']
    const { code, stdout, stderr } = await diff(...slow)
    expect(code).toBe(3)
    expect(stderr).toContain('The time budget of 0.5 s is spent; the rest was not compared.')
    expect(JSON.parse(stdout)).toMatchObject({ verdict: 'unknown', matchRatio: null })
  }, 60_000)

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

  it('prints every difference as a line of JSON, whatever the limit', async () => {
    const { code, stdout } = await diff('--table', 'drifted', '--key', 'id', '--format', 'ndjson', '--limit', '1')
    const items = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string; key: { id: string } })
    expect(code).toBe(1)
    expect(items.map(({ kind, key }) => `${kind} ${key.id}`).toSorted()).toEqual([
      'changed 5',
      'missing 6',
      'missing 7',
    ])
  })

  it('agrees once the SQL it printed is run', async () => {
    const flags = ['--table', 'drifted', '--target-table', 'broken', '--key', 'id'] as const
    const { code, stdout } = await diff(...flags, '--format', 'sql')
    expect(code).toBe(1)
    const sql = postgres(billing.url, { max: 1, onnotice() {} })
    await sql.unsafe(stdout).simple()
    await sql.end()
    expect(await diff(...flags)).toMatchObject({ code: 0, stdout: expect.stringContaining('They agree.') })
  })

  it('writes what would make the source like the target, when it is asked for that', async () => {
    const { stdout } = await diff('--table', 'drifted', '--key', 'id', '--format', 'sql', '--for', 'source')
    const sql = postgres(crm.url, { max: 1, onnotice() {} })
    await sql
      .begin(async (transaction) => {
        await transaction.unsafe(stdout).simple()
        expect(await transaction`select email from drifted where id in (5, 6, 7)`).toMatchObject([{ email: 'x' }])
        throw new Error('taken back')
      })
      .catch((cause: Error) => expect(cause.message).toBe('taken back'))
    await sql.end()
  })

  it('prints every difference as CSV, a record a differing field', async () => {
    const { code, stdout } = await diff('--table', 'drifted', '--key', 'id', '--format', 'csv', '--limit', '1')
    expect(code).toBe(1)
    const [head, ...lines] = stdout.split('\r\n')
    expect(head).toBe('"row","kind","key.id","column","source","source_is","target","target_is"')
    const records = lines.map((line) => line.replace(/^"\d+",/, '')).filter((line) => line.includes('"email"'))
    expect(records.toSorted()).toEqual([
      '"changed","5","email","5@example.org","value","x","value"',
      '"missing","6","email","6@example.org","value",,"no row"',
      '"missing","7","email","7@example.org","value",,"no row"',
    ])
    expect((await diff('--table', 'same', '--key', 'id', '--format', 'csv')).stdout).toBe(`${head}\r\n`)
  })

  it('compares a table of another name, columns of other names, and only rows that are asked for', async () => {
    const flags = ['--table', 'sales.clients', '--target-table', 'customers', '--key', 'id'] as const
    const columns = ['--columns', 'mail=email,age'] as const
    expect(await diff(...flags, ...columns, '--where', 'live')).toMatchObject({ code: 0 })
    const { code, stdout } = await diff(...flags, ...columns, '--json')
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({ differences: { missing: 0, extra: 0, changed: 4 } })
    expect(Object.keys(JSON.parse(stdout).items[0].fields)).toEqual(['mail'])
    // The city, that nobody named above, is everywhere another.
    expect(JSON.parse((await diff(...flags, '--columns', 'city', '--json')).stdout).differences.changed).toBe(100)
  })

  it('lists a few rows for people, and says how many it left out', async () => {
    const { stdout } = await diff('--table', 'drifted', '--key', 'id', '--limit', '2')
    expect(stdout).toContain('3 rows differ: 2 missing, 0 extra, 1 changed.')
    expect(stdout).toContain('… and 1 more')
  })

  it.each([
    ['no table', [], '--table'],
    ['a flag it does not have', ['--table', 'same', '--kee', 'id'], '--kee'],
    ['a limit that is no number', ['--table', 'same', '--key', 'id', '--limit', 'some'], '--limit'],
    ['a format it does not have', ['--table', 'same', '--key', 'id', '--format', 'xml'], 'xml'],
    ['a side that is none', ['--table', 'same', '--key', 'id', '--format', 'sql', '--for', 'left'], 'left'],
    ['a side without statements', ['--table', 'same', '--key', 'id', '--for', 'source'], '--format sql'],
    ['a third address', ['postgres://127.0.0.1/x', '--table', 'same', '--key', 'id'], 'two URLs'],
    ['a table that is none', ['--table', 'a.b.c', '--key', 'id'], 'a.b.c'],
  ])('exits 2 for %s, in two lines and without a stack', async (_, flags, named) => {
    const { code, stdout, stderr } = await diff(...flags)
    expect({ code, stdout, lines: stderr.trim().split('\n').length }).toEqual({ code: 2, stdout: '', lines: 2 })
    expect(stderr).toContain(named)
  })

  it('exits 2 for an address that is none, or that is not in the environment', async () => {
    const flags = ['--table', 'same', '--key', 'id']
    expect(await runTallyman(['diff', 'env:NOWHERE_URL', billing.url, ...flags])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('NOWHERE_URL is not in the environment'),
    })
    expect(await runTallyman(['diff', 'crm', billing.url, ...flags])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('The source is not the URL of a database.'),
    })
  })

  it('exits 3 when a table or a column is not there to be compared', async () => {
    const table = await diff('--table', 'nothing', '--key', 'id')
    const key = await diff('--table', 'same', '--key', 'uid')
    expect([table.code, key.code]).toEqual([3, 3])
    expect(table.stderr).toContain('nothing')
    expect(key.stderr).toContain('uid')
  })

  it('exits 3 when it could not be told, and never shows a password', async () => {
    const source = 'postgres://somebody:hunter2@127.0.0.1:1/none'
    const { code, stdout, stderr } = await runTallyman(['diff', source, billing.url, '--table', 'same', '--key', 'id'])
    expect(code).toBe(3)
    expect(stdout + stderr).toContain('ECONNREFUSED')
    expect(stdout + stderr).not.toContain('hunter2')
  })

  it('shows a password in no format and in no mistake', async () => {
    const secret = (url: string) => url.replace('postgres@', 'postgres:hunter2@')
    const of = (table: string, ...flags: string[]) =>
      runTallyman(['diff', secret(crm.url), secret(billing.url), '--table', table, '--key', 'id', ...flags])
    const results = await Promise.all([
      of('drifted', '--json'),
      of('drifted', '--format', 'sql'),
      of('drifted'),
      of('nothing'),
      of('same', '--where', 'nonsense('),
      runTallyman(['diff', `${secret(crm.url)}gone`, secret(billing.url), '--table', 'same', '--key', 'id']),
    ])
    expect(results.map(({ code }) => code)).toEqual([1, 1, 1, 3, 3, 3])
    for (const { stdout, stderr } of results) expect(stdout + stderr).not.toContain('hunter2')
  })
})

describe('the command line', () => {
  it.each([[[]], [['help']], [['--help']]])('says what there is when it is asked %j', async (args) => {
    const { code, stdout, stderr } = await runTallyman(args)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const command of ['serve', 'worker', 'init', 'validate', 'probe', 'diff', 'reconcile', 'schema', 'token']) {
      expect(stdout).toContain(`tallyman ${command}`)
    }
  })

  it.each(['serve', 'worker', 'init', 'validate', 'probe', 'diff', 'reconcile', 'schema', 'token'])(
    'says what %s takes when it is asked for help',
    async (command) => {
      const { code, stdout, stderr } = await runTallyman([command, '--help'])
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout).toContain(`tallyman ${command}`)
    },
  )

  it('refuses a port that there is not', async () => {
    expect(await runTallyman(['serve', '--port', '70000'])).toMatchObject({
      code: 2,
      stderr: '--port takes a whole number from 0 to 65535.\nIt was given "70000".\n',
    })
  })

  it('refuses a command that it does not have', async () => {
    expect(await runTallyman(['reconsile'])).toMatchObject({ code: 2, stderr: expect.stringContaining('reconsile') })
    expect(await runTallyman(['constructor'])).toMatchObject({ code: 2 })
  })

  it.each(['serve', 'worker', 'init', 'validate', 'probe', 'reconcile', 'schema', 'token'])(
    'refuses a flag that %s does not have, and says the right line',
    async (command) => {
      const { code, stdout, stderr } = await runTallyman([command, '--colour'])
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toContain('--colour')
      expect(stderr).toContain(`Usage: tallyman ${command}`)
    },
  )
})
