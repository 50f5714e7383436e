import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { postgresServer, type TestDatabase } from './services/postgres.ts'
import { scratchFolder } from './services/run.ts'
import { runTallyman } from './services/tallyman.ts'

let crm: TestDatabase
let billing: TestDatabase
let folder: string
let env: Record<string, string>

const tables = `
  create table customers (id int primary key, "createdAt" timestamptz, updated_at timestamptz);
  insert into customers select n, '2026-01-01', '2026-01-02' from generate_series(1, 10) n;
  create table notes (body text);
  create schema sales;
  create table sales.order_items (order_id int, line int, sku text, primary key (order_id, line))`

const inCrm = `
  create table only_here (id int primary key);
  create table "Accounts" ("accountId" int primary key, "modifiedAt" timestamp)`
const inBilling = 'create table accounts (account_id int primary key, modified_at timestamp)'

beforeAll(async () => {
  const server = await postgresServer()
  crm = await server.createDatabase('crm')
  billing = await server.createDatabase('billing')
  for (const { url } of [crm, billing]) {
    const sql = postgres(url, { max: 1, onnotice() {} })
    await sql.unsafe(`${tables}; ${url === crm.url ? inCrm : inBilling}`).simple()
    await sql.end()
  }
  folder = await scratchFolder('command-line')
  const secret = (url: string) => url.replace('postgres@', 'postgres:hunter2@')
  env = { SOURCE_URL: secret(crm.url), TARGET_URL: secret(billing.url) }
})
afterAll(async () => {
  await crm?.drop()
  await billing?.drop()
})

async function configFile(text: string): Promise<string> {
  const file = join(folder, 'tallyman.yaml')
  await writeFile(file, text)
  return file
}

const config = (checks: string) => `
connections:
  crm: { url: "\${SOURCE_URL}" }
  billing: { url: "\${TARGET_URL}" }
pipelines:
  customers:
    title: Customers
    pattern: batch
    tier: reference
    owner: team-crm
    checks:
${checks}
`
const lag = '      - { probe: table-lag, source: crm.customers, target: billing.customers, column: updated_at }'
const number = (query: string) =>
  `      - { probe: sql, id: number, connection: crm, query: "${query}", metrics: { n: { help: A number., unit: records } } }`

describe('tallyman validate', () => {
  it('exits 0 and says what a good config holds', async () => {
    const file = await configFile(config(lag))
    expect(await runTallyman(['validate', file], env)).toEqual({
      code: 0,
      stdout: `${file} is valid: 1 pipelines, 1 checks, 0 pairs, 2 connections.\n`,
      stderr: '',
    })
  })

  it('exits 2 and prints every mistake of a bad one with its place, one a line', async () => {
    const file = await configFile(`${config(lag.replace('column', 'colum')).replace('batch', 'bach')}unknown: 1\n`)
    const { code, stdout, stderr } = await runTallyman(['validate', file], env)
    expect({ code, stderr }).toEqual({ code: 2, stderr: '' })
    const lines = stdout.trimEnd().split('\n')
    expect(lines.length).toBeGreaterThanOrEqual(3)
    for (const line of lines) expect(line).toMatch(new RegExp(`^${file}:\\d+:\\d+: \\S`))
    expect(stdout).toContain(`${file}:8:14: pipelines.customers.pattern: `)
    expect(stdout).toContain('did you mean "batch"?')
    expect(stdout).toContain(`${file}:13:1: unknown`)
  })

  it('exits 2 when a variable is not set, and shows the value of none that is', async () => {
    const file = await configFile(config(lag).replace('reference', 'none'))
    const { code, stdout } = await runTallyman(['validate', file], { ...env, TARGET_URL: undefined })
    expect(code).toBe(2)
    expect(stdout).toContain('TARGET_URL is not set')
    expect(stdout).not.toContain('hunter2')
  })

  it('exits 2 when there is no such file', async () => {
    expect(await runTallyman(['validate', join(folder, 'nothing.yaml')])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('nothing.yaml cannot be read: ENOENT'),
    })
    expect(await runTallyman(['validate'])).toMatchObject({ code: 2 })
  })
})

describe('tallyman schema', () => {
  it('prints a JSON Schema with a description for each key, for editors', async () => {
    const { code, stdout } = await runTallyman(['schema'])
    const schema = JSON.parse(stdout)
    expect(code).toBe(0)
    expect(schema).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: { store: {}, connections: {}, pipelines: {} },
      required: ['pipelines'],
      additionalProperties: false,
    })
    expect(schema.properties.store.description).toContain('Our own database')
  })
})

describe('tallyman init', () => {
  it('prints a config for what both databases have, which is valid as it is', async () => {
    const { code, stdout, stderr } = await runTallyman(['init', 'env:SOURCE_URL', 'env:TARGET_URL'], env)
    expect(code).toBe(0)
    expect(stderr).toBe('3 tables matched, 2 left out.\n')
    expect(stdout + stderr).not.toContain('hunter2')
    expect(stdout).toContain('Left out: source.public.only_here has no table of that name in the target.')
    expect(stdout).toContain('Left out: source.public.notes has no unique key')
    expect(parse(stdout)).toMatchObject({
      pipelines: {
        customers: {
          checks: [{ probe: 'table-lag', source: 'source.public.customers', column: 'updated_at' }],
          pairs: [{ id: 'customers', key: ['id'], corrections: { mode: 'propose' } }],
        },
        // Names that one side writes in its own way are told as each side writes them.
        accounts: { checks: [{ column: 'modifiedAt', target_column: 'modified_at' }], pairs: [{ key: ['accountId'] }] },
        'sales-order-items': { pairs: [{ key: ['order_id', 'line'] }] },
      },
    })

    const file = await configFile(stdout)
    expect(await runTallyman(['validate', file], env)).toMatchObject({ code: 0 })
    expect(await runTallyman(['probe', '--config', file], env)).toMatchObject({ code: 0 })
    const pairs = ['customers', 'accounts', 'sales-order-items']
    const { code: verdict } = await runTallyman(['reconcile', '--config', file, '--data', folder, ...pairs], env)
    expect(verdict).toBe(0)
  })

  it('exits 2 for one address, and 3 for a database that does not answer', async () => {
    expect(await runTallyman(['init', crm.url])).toMatchObject({ code: 2 })
    const { code, stdout, stderr } = await runTallyman(['init', 'postgres://a:hunter2@127.0.0.1:1/x', crm.url])
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).not.toContain('hunter2')
  })
})

describe('tallyman probe', () => {
  it('runs each check once, and shows what was asked and what was answered', async () => {
    const file = await configFile(config(`${lag}\n${number('select 42 as n')}`))
    const { code, stdout, stderr } = await runTallyman(['probe', '--config', file], env)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^customers\.table-lag {2}\d+ ms$/m)
    expect(stdout).toMatch(/^ {2}· \S/m)
    expect(stdout).toMatch(/^customers\.number {2}\d+ ms$/m)
    expect(stdout).toMatch(/^ {2}n 42$/m)
    expect(stdout).not.toContain('hunter2')
  })

  it('runs only those that are named, and prints one object a line with --json', async () => {
    const file = await configFile(config(`${lag}\n${number('select 42 as n')}`))
    const { code, stdout } = await runTallyman(['probe', '--config', file, 'customers.number', '--json'], env)
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      check: 'customers.number',
      answered: true,
      readings: [{ metric: 'n', value: 42 }],
      trace: expect.any(Array),
    })
    expect(JSON.parse(stdout).trace.length).toBeGreaterThan(0)
  })

  it('exits 3 when a check did not answer, and says why', async () => {
    const file = await configFile(config(`${lag}\n${number('select nothing as n')}`))
    const { code, stdout } = await runTallyman(['probe', '--config', file], env)
    expect(code).toBe(3)
    expect(stdout).toContain('did not answer: crm: column "nothing" does not exist')
    const { stdout: json } = await runTallyman(['probe', '--config', file, 'customers.number', '--json'], env)
    expect(JSON.parse(json)).toMatchObject({ answered: false, fault: { code: 'thing_missing' } })
  })

  it('exits 2 for a check that there is not, naming those that there are', async () => {
    const file = await configFile(config(lag))
    expect(await runTallyman(['probe', '--config', file, 'customers.lag'], env)).toEqual({
      code: 2,
      stdout: '',
      stderr: 'There is no check "customers.lag".\nThe config has: customers.table-lag.\n',
    })
  })
})
