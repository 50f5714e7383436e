import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openMysql } from '../server/connect/mysql.ts'
import { explain } from '../server/reconcile/explain.ts'
import { openSide } from '../server/sides/open.ts'
import type { Side } from '../server/sides/side.ts'
import { mariadbServer, sqlAt, type MariadbDatabase } from './services/mariadb.ts'

let database: MariadbDatabase
let side: Side
let close: () => Promise<void>

beforeAll(async () => {
  database = await (await mariadbServer()).createDatabase('load')
  await sqlAt(
    database.url,
    'create table t (id bigint auto_increment primary key, a varchar(20))',
    "insert into t select seq * 10, concat('u', seq) from seq_1_to_60000",
    'create table heap (id bigint not null, a varchar(20))',
    'insert into heap select * from t',
    'analyze table t, heap',
  )
  const client = openMysql({ name: 'shop', url: database.url })
  side = openSide(client)
  close = () => client.close()
}, 60_000)
afterAll(async () => {
  await close()
  await database.drop()
})

const explained = (table: string, where?: string) =>
  explain({
    source: side,
    target: side,
    tables: {
      source: { connection: 'shop', schema: database.name, table },
      target: { connection: 'shop', schema: database.name, table },
    },
    matching: { key: ['id'], map: {}, exclude: [], where: { source: where } },
    slicing: { targetMs: 1_000, rowsMax: 10_000 },
    signal: new AbortController().signal,
  })

describe('MariaDB', () => {
  it('tells how many statements of others run', async () => {
    const before = await side.load('sessions')
    const busy = [0, 1].map(() => sqlAt(database.url, 'select sleep(3)'))
    await new Promise((resolve) => setTimeout(resolve, 800))
    expect(await side.load('sessions')).toBeGreaterThanOrEqual(before + 1)
    await Promise.all(busy)
  })

  it('is not behind when it is no replica and has none', async () => expect(await side.load('replica_lag')).toBe(0))

  it('answers a statement of the user, and cannot write by one', async () => {
    expect(await side.number('select count(*) from t')).toBe(60_000)
    expect(await side.number('select null')).toBeNull()
    await expect(side.number("select 'busy'")).rejects.toMatchObject({
      message: 'shop: the statement answered something that is no number.',
    })
    await expect(side.number('delete from t')).rejects.toThrow(/READ ONLY/i)
  })

  it('explains the first slice of a table by its index', async () => {
    const { explained: sides, slices, boundsKnown, first, scans } = await explained('t')
    expect(scans).toEqual([])
    expect(boundsKnown).toBe(true)
    expect(first).toMatchObject({ kind: 'range', from: 1n })
    expect(slices).toBeGreaterThan(3)
    expect(sides.source).toMatchObject({ scans: false })
    expect(sides.source.rows).toBeGreaterThan(1_000)
    expect(sides.source.rows).toBeLessThan(40_000)
    expect((await explained('t', 'id % 7 > 0')).scans).toEqual([])
  })

  it('refuses a key without an index, and a condition that reads the whole table', async () => {
    expect((await explained('heap')).scans.map(({ message }) => message)).toEqual(
      ['source', 'target'].map(
        (of) => `The ${of} would read all of shop.${database.name}.heap for each slice: no index begins with id.`,
      ),
    )
  })
})
