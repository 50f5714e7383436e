import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openMysql, type Mysql } from '../server/connect/mysql.ts'
import { planPair, type Matching } from '../server/reconcile/plan.ts'
import { grantsOn } from '../server/sides/mysql-grants.ts'
import { mysqlSide } from '../server/sides/mysql.ts'
import type { Change, Side, SidePlan } from '../server/sides/side.ts'
import { mariadbServer, sqlAt, type MariadbDatabase } from './services/mariadb.ts'

let database: MariadbDatabase
let client: Mysql
let side: Side
beforeAll(async () => {
  database = await (await mariadbServer()).createDatabase('mariadb side')
  client = openMysql({ name: 'shop', url: database.url })
  side = mysqlSide(client)
})
afterAll(async () => {
  await client.close()
  await database.drop()
})

const sql = (...statements: readonly string[]) => sqlAt(database.url, ...statements)
const table = (name: string, schema = 'public') => side.describe({ connection: 'shop', schema, table: name })
const plan = async (name: string, matching: Partial<Matching> = {}): Promise<SidePlan> => {
  const described = await table(name)
  return planPair(described, described, { map: {}, exclude: [], where: {}, ...matching } as Matching, 'canonical')
    .source
}

describe('a table of MariaDB', () => {
  it('is in the database of the URL when none is named', async () => {
    await sql('create table bare (id int primary key)')
    expect((await table('bare')).ref).toEqual({ connection: 'shop', schema: database.name, table: 'bare' })
    await expect(table('bare', 'nowhere')).rejects.toThrow('There is no table shop.nowhere.bare.')
  })

  it('tells generated, numbered, unsigned, JSON and differently encoded columns apart', async () => {
    await sql(`create table kinds (id bigint unsigned auto_increment primary key, b tinyint(1), n int unsigned, twice int as (n * 2) stored,
      j json, old varchar(9) character set latin1, mood enum('it''s', 'b'), bits bit(5), at timestamp(3) null on update current_timestamp(3),
      hidden int invisible, unique (old), key (mood, n))`)
    const { columns, uniqueKeys, ordered } = await table('kinds')
    expect(columns.map((column) => [column.name, column.class, column.cast])).toEqual([
      ['id', 'integer', 'bigint unsigned'],
      ['b', 'boolean', 'tinyint'],
      ['n', 'integer', 'int unsigned'],
      ['twice', 'integer', 'int'],
      ['j', 'json', 'longtext'],
      ['old', 'text', 'varchar ci'],
      ['mood', 'text', `enum ci ('it''s','b')`],
      ['bits', 'bits', 'bit'],
      ['at', 'timestamp', 'timestamp touched'],
      ['hidden', 'integer', 'int'],
    ])
    const named = (holds: (column: (typeof columns)[number]) => unknown) =>
      columns.filter(holds).map(({ name }) => name)
    expect(named(({ generated }) => generated)).toEqual(['twice'])
    expect(named(({ identity }) => identity)).toEqual(['id'])
    expect(named(({ encoding }) => encoding)).toEqual(['old'])
    expect(uniqueKeys).toEqual([['id']])
    expect([...ordered].toSorted()).toEqual(['id', 'mood', 'old'])
  })

  it('says that its engine has no snapshots', async () => {
    await sql('create table heap (id int primary key) engine = MyISAM')
    expect((await table('heap')).notes).toEqual([expect.stringContaining('kept by MyISAM, which has no snapshots')])
    expect((await table('bare')).notes ?? []).toEqual([])
  })

  it('tells its triggers and what would follow a delete', async () => {
    await sql(
      'create table head (id int primary key)',
      'create table tail (id int primary key, head int, constraint of_head foreign key (head) references head (id) on delete cascade)',
      'create trigger noticed after delete on head for each row set @gone = 1',
    )
    expect(await table('head')).toMatchObject({ triggers: ['noticed'], cascades: [`${database.name}.tail by of_head`] })
  })

  it('is read with all its columns, invisible ones too, under a condition', async () => {
    await sql('insert into kinds (n, old, hidden) values (1, 0xE9, 7), (2, null, 8)')
    const one = await plan('kinds', { where: { source: "n = 1 and '?' <> '#' -- one" } })
    const [row, ...more] = await side.fetch(one, [['1'], ['2']])
    expect(more).toEqual([])
    expect(row!.values).toMatchObject({ old: 'é', hidden: '7', twice: '2', bits: null })
  })
})

describe('an unsigned key', () => {
  it('is read to its very end, and before its beginning', async () => {
    await sql(
      'create table huge (id bigint unsigned primary key, a text)',
      `insert into huge values (0, 'x'), (1, 'y'), (9223372036854775807, 'z'), (9223372036854775808, 'z'), (18446744073709551615, 'w')`,
    )
    const one = await plan('huge')
    expect(await side.bounds(one)).toEqual({ from: 0n, to: 2n ** 64n - 1n })
    const digests = await side.snapshot((reader) =>
      reader.digest(
        one,
        { kind: 'range', from: -(2n ** 63n), to: 2n ** 64n - 1n },
        { kind: 'range', width: 2n ** 62n },
      ),
    )
    expect(Object.fromEntries(digests.map(({ bucket, rows }) => [String(bucket), rows]))).toEqual({
      2: 2,
      3: 1,
      4: 1,
      5: 1,
    })
    const keys = await side.hashes(one, [['18446744073709551615'], ['9223372036854775808'], ['-1']])
    expect(keys.map(({ key }) => key[0]).toSorted()).toEqual(['18446744073709551615', '9223372036854775808'])
  })
})

describe('a correction in MariaDB', () => {
  const columns = `id int primary key, price decimal(6, 2), at datetime(3), code char(4), mood enum('on', 'off'), y year, raw binary(2),
    stamp timestamp(6) not null default '2001-01-01' on update current_timestamp(6), f float`
  beforeAll(async () => {
    await sql(`create table goods (${columns})`, `insert into goods (id, price, mood, f) values (1, 1, 'on', 0.1)`)
  })
  const insert = (values: Readonly<Record<string, string>>): Change => ({
    action: 'insert',
    key: ['9'],
    values: { id: '9', ...values },
  })

  it.each([
    [{ price: '1.234' }, 'price cannot hold it: "1.234" has more than 2 digits after the point.'],
    [
      { at: '2024-01-01 00:00:00.0001' },
      'at cannot hold it: "2024-01-01 00:00:00.0001" has more than 3 digits after the second.',
    ],
    [{ code: 'ab ' }, 'code cannot hold it: it ends in a blank, which a CHAR does not keep.'],
    [{ code: 'abcde' }, 'code cannot hold it: 5 letters are more than 4.'],
    [{ mood: '2' }, 'mood cannot hold it: "2" is not on its list.'],
    [{ mood: 'ON' }, 'mood cannot hold it: "ON" is not on its list.'],
    [{ y: '70' }, 'y cannot hold it: "70" is no year.'],
    [{ raw: '\\x01' }, 'raw cannot hold it: 1 bytes would be filled up to 2.'],
    [{ price: 'NaN' }, 'price cannot hold it: "NaN" is no number here.'],
  ])('never sends %o, which would be cut or changed without a word', async (values, message) => {
    const one = await plan('goods')
    expect(await side.apply(one, [insert(values)])).toEqual([{ state: 'failed', message }])
    expect(side.script(one, insert(values))).toBe(`-- ["9"]: ${message}`)
    expect(await sql('select id from goods where id = 9')).toEqual([])
  })

  it.each([[{ price: '12345.67' }], [{ at: '2024-02-30 00:00:00' }], [{ at: 'infinity' }]])(
    'fails for %o',
    async (values) => {
      expect(await side.apply(await plan('goods'), [insert(values)])).toMatchObject([
        { state: 'failed', message: expect.stringMatching(/price|at/) as string },
      ])
      expect(await sql('select id from goods where id = 9')).toEqual([])
    },
  )

  it('reads what PostgreSQL prints', async () => {
    const values = { price: '-1.50', at: '2024-01-01 10:00:00.5+00', raw: '\\x00ff', y: '2024', f: '1e-05' }
    expect(await side.apply(await plan('goods'), [insert(values)])).toEqual([{ state: 'applied' }])
    const [row] = await side.fetch(await plan('goods'), [['9']])
    expect(row!.values).toMatchObject({ price: '-1.50', at: '2024-01-01 10:00:00.500', raw: '\\x00ff', y: '2024' })
  })

  it('leaves the time of the last write as it was', async () => {
    const one = await plan('goods')
    const [before] = await side.fetch(one, [['1']])
    const change: Change = { action: 'update', key: ['1'], judged: before!.values, values: { price: '2' } }
    expect(await side.apply(one, [change])).toEqual([{ state: 'applied' }])
    const [after] = await side.fetch(one, [['1']])
    expect(after!.values).toEqual({ ...before!.values, price: '2.00' })
  })

  it('sees a float that prints alike and is another', async () => {
    const one = await plan('goods')
    const [before] = await side.fetch(one, [['1']])
    await sql('update goods set f = 0.10000001 where id = 1')
    const change: Change = { action: 'update', key: ['1'], judged: before!.values, values: { price: '3' } }
    expect(await side.apply(one, [change])).toEqual([{ state: 'stale' }])
  })

  it('that has to wait for a lock fails, having written nothing', async () => {
    const { createConnection } = await import('mysql2/promise')
    const other = await createConnection({ uri: database.url })
    const one = await plan('goods')
    const [row] = await side.fetch(one, [['1']])
    await other.query('begin')
    await other.query('update goods set price = 5 where id = 1')
    const change: Change = { action: 'update', key: ['1'], judged: row!.values, values: { price: '4' } }
    const [outcome] = await side.apply(one, [change])
    expect(outcome).toEqual({ state: 'failed', message: expect.stringContaining('Lock wait timeout') as string })
    await other.query('rollback')
    await other.end()
  })
})

describe('the grants of a login', () => {
  const all = { insert: true, update: true, delete: true, trigger: true }
  const none = { insert: false, update: false, delete: false, trigger: false }
  it.each([
    ['GRANT ALL PRIVILEGES ON *.* TO `a`@`%`', all],
    ['GRANT USAGE ON *.* TO `a`@`%`', none],
    ['GRANT SELECT, INSERT ON `crm`.* TO `a`@`%`', { ...none, insert: true }],
    ['GRANT INSERT ON `c\\_m`.* TO `a`@`%`', none],
    ['GRANT INSERT ON `c_m`.* TO `a`@`%`', { ...none, insert: true }],
    ['GRANT INSERT ON `%`.* TO `a`@`%`', { ...none, insert: true }],
    [
      'GRANT UPDATE (`a, DELETE`, `b)`), TRIGGER ON `crm`.`people` TO `a`@`%`',
      { ...none, update: true, trigger: true },
    ],
    ['GRANT DELETE ON `crm`.`others` TO `a`@`%`', none],
    ['GRANT EXECUTE ON PROCEDURE `crm`.`people` TO `a`@`%`', none],
  ])('%s', (line, expected) => expect(grantsOn([line], 'crm', 'people')).toEqual(expected))

  it('count without what was revoked of them', () => {
    const lines = ['GRANT INSERT, DELETE ON *.* TO `a`@`%`', 'REVOKE INSERT ON `crm`.* FROM `a`@`%`']
    expect(grantsOn(lines, 'crm', 'people')).toEqual({ ...none, delete: true })
    expect(grantsOn(lines, 'other', 'people')).toEqual({ ...none, insert: true, delete: true })
  })
})
