import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import postgres from 'postgres'
import { proposalText, propose } from '../server/compose/propose.ts'
import { openMysql } from '../server/connect/mysql.ts'
import { openPostgres } from '../server/connect/postgres.ts'
import { listTables, openSide, type Client } from '../server/sides/open.ts'
import { mariadbServer, sqlAt, type MariadbDatabase } from './services/mariadb.ts'
import { postgresServer, type TestDatabase } from './services/postgres.ts'
import { compare, inWords } from './two-copies.ts'

let ours: TestDatabase
let theirs: MariadbDatabase
let source: Client
let target: Client
beforeAll(async () => {
  ours = await (await postgresServer()).createDatabase('pairs')
  theirs = await (await mariadbServer()).createDatabase('pairs')
  const sql = postgres(ours.url, { max: 1, onnotice() {} })
  await sql.unsafe(`create table customers (id bigint primary key, full_name text, updated_at timestamptz, balance numeric(10, 2), active boolean);
    insert into customers select i, 'Zoë ' || i, timestamptz '2024-03-31 01:00+00' + i * interval '1 min', i / 4.0, i % 2 = 0
      from generate_series(-2000, 2000) i`)
  await sql.end()
  await sqlAt(
    theirs.url,
    `create table Customers (Id bigint primary key, FullName varchar(50), UpdatedAt timestamp null, Balance decimal(12, 4), Active tinyint(1))`,
    `set time_zone = '+00:00'`,
    `insert into Customers select n, concat('Zoë ', n), timestamp'2024-03-31 01:00:00' + interval n minute,
      n / 4, n % 2 = 0 from (select cast(seq as signed) - 2001 as n from seq_1_to_4001) as s`,
  )
  source = openPostgres({ name: 'source', url: ours.url })
  target = openMysql({ name: 'target', url: theirs.url })
})
afterAll(async () => {
  await Promise.all([source.close(), target.close()])
  await Promise.all([ours.drop(), theirs.drop()])
})

describe('copies in PostgreSQL and MariaDB', () => {
  const sides = () => ({ source: openSide(source), target: openSide(target) })
  const words = async () => (await compare(sides(), 'customers')).items.map(inWords).toSorted()

  it('agree without a map, whatever each calls and keeps its columns', async () => {
    await sqlAt(theirs.url, 'rename table Customers to customers')
    expect(await compare(sides(), 'customers')).toMatchObject({
      verdict: 'match',
      rows: { source: 4001, target: 4001 },
    })
  })

  it('differ in exactly what was changed, in both directions', async () => {
    await sqlAt(
      theirs.url,
      `update customers set FullName = 'ZOË 7' where Id = 7`,
      `update customers set UpdatedAt = UpdatedAt + interval 1 second, Balance = Balance + 0.0001 where Id = -3`,
      'delete from customers where Id in (2000, -2000)',
      `insert into customers values (5000, '', null, null, null)`,
    )
    const expected = [
      'changed -3 updated_at,balance',
      'changed 7 full_name',
      'extra 5000',
      'missing -2000',
      'missing 2000',
    ]
    expect(await words()).toEqual(expected)

    const back = await compare({ source: openSide(target), target: openSide(source) }, 'customers')
    expect(back.items.map(inWords).toSorted()).toEqual([
      'changed -3 UpdatedAt,Balance',
      'changed 7 FullName',
      'extra -2000',
      'extra 2000',
      'missing 5000',
    ])
  })

  it('are put right in MariaDB by what PostgreSQL holds', async () => {
    const { items, plan } = await compare(sides(), 'customers')
    const { fixOf } = await import('../server/reconcile/report.ts')
    const side = openSide(target)
    await sqlAt(theirs.url, ...items.map((one) => fixOf(plan, one, side)))
    expect(await words()).toEqual([])
  })
})

describe('a config proposed for two engines', () => {
  const tablesOf = async (client: Client) =>
    Promise.all((await listTables(client)).map((ref) => openSide(client).describe(ref)))

  it.each([
    [
      'PostgreSQL to MariaDB',
      () => [source, target] as const,
      'source.public.customers',
      () => `target.${theirs.name}.customers`,
    ],
    [
      'MariaDB to PostgreSQL',
      () => [target, source] as const,
      () => `target.${theirs.name}.customers`,
      'source.public.customers',
    ],
  ])('%s names both tables and a key, and no check that only one of them answers', async (_, both, from, to) => {
    const [one, other] = both()
    const proposal = propose(await tablesOf(one), await tablesOf(other))
    expect(proposal.notes).toEqual([])
    const text = proposalText(proposal)
    const said = (name: string | (() => string)) => (typeof name === 'string' ? name : name())
    expect(text).toContain(`source:\n          table: ${said(from)}`)
    expect(text).toContain(`target:\n          table: ${said(to)}`)
    expect(text).toMatch(/^ {2}customers:$/m)
    expect(text).not.toContain('table-lag')
  })
})
