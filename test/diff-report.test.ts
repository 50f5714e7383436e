import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { columnList } from '../server/reconcile/diff.ts'
import { fixOf, reportOf, valueOf } from '../server/reconcile/report.ts'
import { compare, twoCopies, type TwoCopies } from './two-copies.ts'

let copies: TwoCopies
beforeAll(async () => {
  copies = await twoCopies()
  const table = `create table t (id bigint primary key, name text, amount numeric, ok boolean, at timestamptz, n int)`
  await copies.source.sql.unsafe(`${table}; insert into t values
    (1, 'same', 1, true, '2024-01-01+00', 1), (2, 'it''s', 1.50, true, null, 2),
    (9007199254740993, null, 12345678901234567890.5, false, '2024-01-01 00:00:00.5+00', 3)`)
  await copies.target.sql.unsafe(`${table.replace('name', 'full_name')}; insert into t values
    (1, 'same', 1, true, '2024-01-01+00', 1), (2, 'it is', 0.1, false, '9999-01-01+00', 2), (4, 'four', 'NaN', null, null, null)`)
})
afterAll(() => copies.drop())

const sides = () => ({ source: copies.source.side, target: copies.target.side })
const matching = { map: { name: 'full_name' } }

describe('the report of a comparison', () => {
  it('is the object that --json promises', async () => {
    const { items, plan, ...result } = await compare(sides(), 't', matching)
    expect(reportOf(result, plan, items, 1_000)).toEqual({
      verdict: 'drift',
      rows: { source: 3, target: 3 },
      differences: { missing: 1, extra: 1, changed: 1 },
      matchRatio: 0.25,
      items: [
        {
          kind: 'changed',
          key: { id: 2 },
          fields: {
            name: { source: `it's`, target: 'it is' },
            amount: { source: 1.5, target: 0.1 },
            ok: { source: true, target: false },
            at: { source: null, target: '9999-01-01 00:00:00+00' },
          },
        },
        { kind: 'extra', key: { id: 4 }, row: { id: 4, name: 'four', amount: 'NaN', ok: null, at: null, n: null } },
        {
          kind: 'missing',
          key: { id: '9007199254740993' },
          row: {
            id: '9007199254740993',
            name: null,
            amount: '12345678901234567890.5',
            ok: false,
            at: '2024-01-01 00:00:00.5+00',
            n: 3,
          },
        },
      ],
      truncated: false,
      method: 'native',
      timingsMs: expect.objectContaining({
        plan: expect.any(Number) as number,
        total: expect.any(Number) as number,
      }) as object,
      bytesRead: expect.any(Number) as number,
      queries: expect.any(Number) as number,
    })
    expect(reportOf(result, plan, items, 2)).toMatchObject({ truncated: true, differences: { changed: 1 } })
  })

  it('is also the statements that make the target the source, each doing nothing if its row has changed', async () => {
    const { items, plan } = await compare(sides(), 't', matching)
    const script = items.map((item) => fixOf(plan, item, copies.target.side))
    expect(script).toHaveLength(3)
    expect(script.every((line) => line.endsWith(';') && !line.includes('\n'))).toBe(true)
    const { sql } = copies.target
    await sql`update t set n = 5 where id = 2`
    for (const line of script) await sql.unsafe(line)
    expect(await sql`select id, full_name, n from t order by id`).toMatchObject([
      { id: '1' },
      { id: '2', full_name: 'it is', n: 5 },
      { id: '9007199254740993', full_name: null },
    ])
    await sql`update t set n = 2 where id = 2`
    for (const line of script) await sql.unsafe(line)
    expect((await compare(sides(), 't', matching)).verdict).toBe('match')
  })
})

describe('the statements for one side', () => {
  const table = 't2 (id text primary key, name text, n int, twice int generated always as (n * 2) stored)'
  const odd = "c\n; drop table t2; --'"
  const fill = async () => {
    for (const { sql } of [copies.source, copies.target]) {
      await sql.unsafe(`drop table if exists t2; create table ${table}`)
    }
    await copies.source.sql`insert into t2 (id, name, n) values ('a', 'x', 1), ('b', null, 2), ('d', 'only; here', 4)`
    await copies.target.sql`insert into t2 (id, name, n) values ('a', 'y', 9), ('b', '', 2), (${odd}, 'é', 3)`
  }

  it.each(['source', 'target'] as const)('make the %s the other, and leave the other alone', async (on) => {
    await fill()
    const other = copies[on === 'source' ? 'target' : 'source']
    const before = [...(await other.sql`select * from t2 order by id`)]
    const { items, plan } = await compare(sides(), 't2')
    expect(items).toHaveLength(4)
    for (const item of items) await copies[on].sql.unsafe(fixOf(plan, item, copies[on].side, on))
    expect([...(await copies[on].sql`select * from t2 order by id`)]).toEqual(before)
    expect([...(await other.sql`select * from t2 order by id`)]).toEqual(before)
    expect((await compare(sides(), 't2')).verdict).toBe('match')
  })

  it('do nothing to a row that somebody has written since', async () => {
    await fill()
    const { items, plan } = await compare(sides(), 't2')
    const { sql } = copies.source
    await sql`update t2 set name = 'newer'`
    await sql`insert into t2 (id, name, n) values (${odd}, 'newer', 0)`
    for (const item of items) await sql.unsafe(fixOf(plan, item, copies.source.side, 'source'))
    expect(await sql`select name, count(*)::int as rows from t2 group by name`).toMatchObject([
      { name: 'newer', rows: 4 },
    ])
  })

  it('are a comment on one line where there is none to make', async () => {
    await fill()
    const { items, plan } = await compare(sides(), 't2')
    const [one] = items.filter(({ kind }) => kind === 'changed')
    const about = (more: object) =>
      fixOf(plan, { ...one!, key: ['a\ndrop table t2'], ...more }, copies.source.side, 'source')
    expect(about({ fields: ['twice'] })).toBe(
      '-- changed: ["a\\ndrop table t2"] differs only in what the source computes itself: ["twice"].',
    )
    expect(about({ duplicated: true })).toBe(
      '-- changed: several rows have the key ["a\\ndrop table t2"]; look at them by hand.',
    )
  })
})

describe('the plan of a comparison', () => {
  it('knows which columns get their numbers from a sequence', async () => {
    const columns =
      'id serial primary key, a int generated by default as identity, b int generated always as (1) stored'
    for (const { sql } of [copies.source, copies.target]) {
      await sql.unsafe(`create table numbered (${columns}, c int default 7)`)
    }
    const { plan } = await compare(sides(), 'numbered')
    const named = [...plan.key, ...plan.columns].filter((pair) => pair.target.identity)
    expect(named.map(({ target }) => target.name)).toEqual(['id', 'a'])
  })
})

describe('a value of JSON', () => {
  it.each([
    ['integer', '42', 42],
    ['integer', '9007199254740993', '9007199254740993'],
    ['numeric', '1.50', 1.5],
    ['numeric', '-0.10', -0.1],
    ['numeric', '100', 100],
    ['numeric', '0.1000000000000000000001', '0.1000000000000000000001'],
    ['float', 'NaN', 'NaN'],
    ['float', '-0', '-0'],
    ['boolean', 'true', true],
    ['text', '42', '42'],
    ['text', null, null],
  ] as const)('of class %s printed as %s is %j', (kind, text, expected) => {
    expect(valueOf(kind, text)).toBe(expected)
  })
})

describe('a list of columns', () => {
  it('names what to compare, and what it is called in the target', () => {
    expect(columnList('name, email=email_address')).toEqual({
      include: ['name', 'email'],
      map: { email: 'email_address' },
    })
    expect(() => columnList('a=,b')).toThrow('--columns has a part "a=".')
  })
})
