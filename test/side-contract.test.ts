import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Fault } from '../server/fault.ts'
import { planPair, type Matching } from '../server/reconcile/plan.ts'
import type { Change, Cut, KeyHash, SidePlan, Slice } from '../server/sides/side.ts'
import { engines, type Engine } from './engines.ts'
import { eventually } from './services/process.ts'

const sleepMarker: Readonly<Record<string, string>> = {
  PostgreSQL: 'select 4242 where pg_sleep(60) is null',
  MariaDB: 'select 4242 from dual where sleep(60) = 2',
}

describe.each(engines)('$name as a side', ({ name, sessions, open }) => {
  let engine: Engine
  beforeAll(async () => {
    engine = await open()
    await engine.sql(
      `create table parent (id int primary key)`,
      `create table t (id bigint primary key, code varchar(10), amount numeric(10, 2), note text,
        parent int references parent (id))`,
      `create unique index t_amount on t (amount)`,
      `create index t_code on t (code)`,
      `insert into parent values (1)`,
      `insert into t values (-9223372036854775808, 'min', 1, 'é', null), (9223372036854775807, 'max', 2, '', 1),
        (-1, 'a', -0.5, null, 1), (0, 'A ', 0, 'NULL', null), (1, 'b', 1.10, 'a', null), (2, null, 7, 'x,y', 1)`,
      `create table words (word varchar(20) not null, part int not null, note text, primary key (word, part))`,
      `insert into words values ('a', 1, 'x'), ('a', 2, 'y'), ('b', 1, null), ('é', 1, ''), ('''', 7, '\\\\'), ('%_', 0, '?')`,
      `create table pile (a int, b varchar(5))`,
      `insert into pile values (1, 'x'), (1, 'x'), (null, null), (2, '')`,
    )
    if (name === 'MariaDB') await engine.sql(`alter table t add foreign key (parent) references parent (id)`)
  })
  afterAll(() => engine.close())

  const table = (of: string) => engine.side.describe({ connection: 'one', schema: engine.schema, table: of })
  const plan = async (of: string, matching: Partial<Matching> = {}): Promise<SidePlan> => {
    const described = await table(of)
    const whole = { map: {}, exclude: [], where: {}, ...matching } as Matching
    return planPair(described, described, whole, 'canonical').source
  }
  const digest = (one: SidePlan, slice: Slice, cut: Cut) =>
    engine.side.snapshot((reader) => reader.digest(one, slice, cut))
  const list = (one: SidePlan, slice: Slice, cut: Cut, buckets: readonly number[]) =>
    engine.side.snapshot(async (reader) => {
      const rows: KeyHash[] = []
      for await (const batch of reader.list(one, slice, cut, buckets)) rows.push(...batch)
      return rows
    })

  describe('looking at a table', () => {
    it('tells its columns, keys and what the login may do', async () => {
      const { columns, uniqueKeys, ordered, mayWrite, ref } = await table('t')
      expect(ref.schema).toBe(engine.schema)
      expect(columns.map(({ name: column, class: kind, nullable }) => [column, kind, nullable])).toEqual([
        ['id', 'integer', false],
        ['code', 'text', true],
        ['amount', 'numeric', true],
        ['note', 'text', true],
        ['parent', 'integer', true],
      ])
      expect(uniqueKeys).toEqual([['id']])
      expect(ordered).toContain('id')
      expect(mayWrite).toEqual({ insert: true, update: true, delete: true })
      expect((await table('words')).uniqueKeys).toEqual([['word', 'part']])
    })

    it('names what there is instead of a table that is not', async () => {
      const fault = (await table('tt').catch((thrown: unknown) => thrown)) as Fault
      expect(fault.code).toBe('thing_missing')
      expect(fault.message).toBe(`There is no table one.${engine.schema}.tt.`)
      expect(fault.hint).toContain(`${engine.schema}.words`)
    })

    it('knows its ends, its number of rows, and those without a key', async () => {
      const one = await plan('t')
      expect(await engine.side.bounds(one)).toEqual({ from: -(2n ** 63n), to: 2n ** 63n - 1n })
      expect(await engine.side.count(one)).toBe(6)
      expect(await engine.side.count(await plan('t', { where: { source: 'id > 0 -- not all' } }))).toBe(3)
      expect(await engine.side.keyless(one)).toBe(0)
      expect(await engine.side.keyless(await plan('pile', { key: ['a', 'b'] }))).toBe(1)
      expect(await engine.side.bounds(await plan('t', { where: { source: 'id = 77' } }))).toBeUndefined()
    })

    it('answers the same hash of a fixed row each time', async () => {
      expect(await engine.side.handshake()).toBe(await engine.side.handshake())
      expect(await engine.side.handshake()).not.toBe('')
    })
  })

  describe('reading slices', () => {
    const ranges: readonly [from: bigint, to: bigint, width: bigint][] = [
      [-3n, 3n, 2n],
      [-3n, 3n, 1n],
      [-1n, 2n, 100n],
      [-(2n ** 63n), 2n ** 63n - 1n, 2n ** 60n],
      [0n, 2n ** 64n - 1n, 2n ** 60n],
      [-(2n ** 63n), -(2n ** 63n), 1n],
    ]
    it.each(ranges)(
      'puts each row of %s to %s into one bucket of %s keys, and sums it there',
      async (from, to, width) => {
        const one = await plan('t')
        const all = [-(2n ** 63n), 2n ** 63n - 1n, -1n, 0n, 1n, 2n].filter((id) => id >= from && id <= to)
        const slice: Slice = { kind: 'range', from, to }
        const cut: Cut = { kind: 'range', width }
        const digests = await digest(one, slice, cut)
        expect(digests.map(({ bucket }) => bucket).toSorted()).toEqual(
          [...new Set(all.map((id) => Number((id - from) / width)))].toSorted(),
        )
        const last = (to - from) / width
        for (const first of [0n, 1n, last]) {
          const only = [{ first, last: first }, ...(first + 2n <= last ? [{ first: first + 2n, last }] : [])].filter(
            (run) => run.last <= last,
          )
          const asked = only.flatMap((run) => digests.filter(({ bucket }) => run.first <= bucket && bucket <= run.last))
          const some = await digest(one, slice, { ...cut, only })
          expect(new Set(some), `only ${only.map((run) => `${run.first}..${run.last}`).join(', ')}`).toEqual(
            new Set(asked),
          )
          expect(some).toHaveLength(asked.length)
        }
        for (const { bucket, rows, sum } of digests) {
          const listed = await list(one, slice, cut, [bucket])
          expect(listed.map(({ key }) => BigInt(key[0]!)).toSorted()).toEqual(
            all.filter((id) => Number((id - from) / width) === bucket).toSorted(),
          )
          expect([rows, sum]).toEqual([
            listed.length,
            String(listed.reduce((total, { hash }) => total + BigInt(hash), 0n)),
          ])
        }
      },
    )

    it('puts each row of any key into one part and one bucket', async () => {
      for (const one of [
        await plan('words'),
        await plan('t', { key: ['code'], where: { source: 'code is not null' } }),
      ]) {
        const seen: string[] = []
        for (const part of [0, 1]) {
          const slice: Slice = { kind: 'hash', part, parts: 2 }
          const cut: Cut = { kind: 'hash', buckets: 4 }
          const digests = await digest(one, slice, cut)
          for (const { bucket, rows, sum } of digests) {
            const listed = await list(one, slice, cut, [bucket])
            const total = listed.reduce((added, { hash }) => added + BigInt(hash), 0n)
            expect([rows, sum]).toEqual([listed.length, String(total)])
            seen.push(...listed.map(({ key }) => JSON.stringify(key)))
          }
          const together = await list(
            one,
            slice,
            cut,
            digests.map(({ bucket }) => bucket),
          )
          expect(together).toHaveLength(digests.reduce((added, { rows }) => added + rows, 0))
        }
        expect(seen).toHaveLength(await engine.side.count(one))
        expect(new Set(seen).size).toBe(seen.length)
      }
    })

    it('answers nothing for a slice that has no rows', async () => {
      expect(
        await digest(await plan('t'), { kind: 'range', from: 50n, to: 60n }, { kind: 'range', width: 3n }),
      ).toEqual([])
    })
  })

  describe('fetching by key', () => {
    it('finds exactly the rows of these keys, as they are printed', async () => {
      const one = await plan('t')
      const rows = await engine.side.fetch(one, [['-1'], ['9223372036854775807'], ['77']])
      expect(new Map(rows.map(({ values }) => [values['id'], values]))).toEqual(
        new Map([
          ['-1', { id: '-1', code: 'a', amount: '-0.50', note: null, parent: '1' }],
          ['9223372036854775807', { id: '9223372036854775807', code: 'max', amount: '2.00', note: '', parent: '1' }],
        ]),
      )
      expect(rows[0]!.hashes).toHaveLength(4)
    })

    it('tells texts apart that a collation takes for one', async () => {
      const one = await plan('t', { key: ['code'], where: { source: 'code is not null' } })
      const found = await engine.side.hashes(one, [['A'], ['A '], ['a'], ['B']])
      expect(found.map(({ key }) => key[0]).toSorted()).toEqual(['A ', 'a'])
    })

    it('finds rows by all parts of a key, whatever stands in them', async () => {
      const keys = [
        ['a', '2'],
        ['é', '1'],
        [`'`, '7'],
        ['%_', '0'],
        ['b', '2'],
      ]
      const found = await engine.side.fetch(await plan('words'), keys)
      expect(found.map(({ key }) => key.join()).toSorted()).toEqual([`%_,0`, `',7`, 'a,2', 'é,1'].toSorted())
    })

    it('hashes a row alike however it is read', async () => {
      const one = await plan('t')
      const slice: Slice = { kind: 'range', from: -1n, to: 2n }
      const listed = await list(one, slice, { kind: 'range', width: 10n }, [0])
      const sorted = (rows: readonly KeyHash[]) => new Map(rows.map(({ key, hash }) => [key[0], hash]))
      const keys = listed.map(({ key }) => key)
      expect(sorted(await engine.side.hashes(one, keys))).toEqual(sorted(listed))
      expect(sorted(await engine.side.fetch(one, keys))).toEqual(sorted(listed))
    })
  })

  describe('writing', () => {
    const apply = async (of: string, ...changes: readonly Change[]) =>
      engine.side.apply(await plan(of, of === 'pile' ? { key: ['a', 'b'] } : {}), changes)
    const row = (id: number, more: Readonly<Record<string, string | null>> = {}) => ({
      id: String(id),
      code: `w${id}`,
      amount: `${id}.50`,
      note: 'now',
      parent: null,
      ...more,
    })
    const inserted = (id: number, more?: Readonly<Record<string, string | null>>): Change => ({
      action: 'insert',
      key: [String(id)],
      values: row(id, more),
    })

    it('writes what it was told, and only that', async () => {
      const quotes = `it's \\ 'é' \n 😀`
      expect(await apply('t', inserted(100, { note: quotes }))).toEqual([{ state: 'applied' }])
      const update: Change = {
        action: 'update',
        key: ['100'],
        judged: row(100, { note: quotes }),
        values: { amount: '3' },
      }
      expect(await apply('t', update)).toEqual([{ state: 'applied' }])
      const [read] = await engine.side.fetch(await plan('t'), [['100']])
      expect(read!.values).toEqual(row(100, { note: quotes, amount: '3.00' }))
      const gone: Change = { action: 'delete', key: ['100'], judged: row(100, { note: quotes, amount: '3.00' }) }
      expect(await apply('t', gone)).toEqual([{ state: 'applied' }])
      expect(await engine.side.fetch(await plan('t'), [['100']])).toEqual([])
    })

    it('leaves a row alone that is no longer as it was judged, were it by the case of a letter', async () => {
      await apply('t', inserted(101, { note: 'Now' }))
      const judged = row(101, { note: 'now' })
      expect(await apply('t', { action: 'update', key: ['101'], judged, values: { note: 'x' } })).toEqual([
        { state: 'stale' },
      ])
      expect(await apply('t', { action: 'delete', key: ['101'], judged: row(101, { note: 'Now ' }) })).toEqual([
        { state: 'stale' },
      ])
      expect(await apply('t', { action: 'delete', key: ['101'], judged: row(101, { note: null }) })).toEqual([
        { state: 'stale' },
      ])
      expect(await apply('t', { action: 'update', key: ['999'], judged: row(999), values: { note: 'x' } })).toEqual([
        { state: 'stale' },
      ])
      expect(await apply('t', inserted(101))).toEqual([{ state: 'stale' }])
      const [read] = await engine.side.fetch(await plan('t'), [['101']])
      expect(read!.values['note']).toBe('Now')
    })

    it('counts a write that changes nothing as written', async () => {
      await apply('t', inserted(102))
      const same: Change = { action: 'update', key: ['102'], judged: row(102), values: { note: 'now' } }
      expect(await apply('t', same)).toEqual([{ state: 'applied' }])
    })

    it('says that another row may have to come first', async () => {
      const [orphan, twin] = await apply('t', inserted(103, { parent: '5' }), inserted(104, { amount: '7' }))
      expect(orphan).toMatchObject({
        state: 'failed',
        early: true,
        message: expect.stringMatching(/foreign key/i) as string,
      })
      expect(twin).toMatchObject({
        state: 'failed',
        early: true,
        message: expect.stringMatching(/duplicate/i) as string,
      })
    })

    it('fails a value that does not fit, and writes nothing', async () => {
      const long = { code: 'much too long a code' }
      const [outcome] = await apply('t', inserted(105, long))
      expect(outcome).toMatchObject({ state: 'failed' })
      expect(outcome).not.toHaveProperty('unsure')
      expect(outcome).not.toHaveProperty('early')
      expect(await engine.side.fetch(await plan('t'), [['105']])).toEqual([])
    })

    it('deletes one of two rows that are the same', async () => {
      const copy: Change = { action: 'delete', key: ['1', 'x'], judged: { a: '1', b: 'x' }, copy: true }
      expect(await apply('pile', copy)).toEqual([{ state: 'applied' }])
      expect(await engine.sql('select count(*) as n from pile where a = 1')).toMatchObject([
        { n: expect.toSatisfy((n) => Number(n) === 1) as number },
      ])
      expect(await apply('pile', copy, copy)).toEqual([{ state: 'applied' }, { state: 'stale' }])
    })

    it('touches neither of two rows that were one when it was judged', async () => {
      await engine.sql(`insert into pile values (9, 'z'), (9, 'z')`)
      const gone: Change = { action: 'delete', key: ['9', 'z'], judged: { a: '9', b: 'z' } }
      expect(await apply('pile', gone)).toEqual([{ state: 'stale' }])
      const again: Change = { action: 'insert', key: ['9', 'z'], values: { a: '9', b: 'z' } }
      expect(await apply('pile', again)).toEqual([{ state: 'stale' }])
    })

    it('tells a person the statement it would send', async () => {
      const one = await plan('t')
      const text = engine.side.script(one, inserted(106, { note: `it's \\ 'é' \n 😀;` }))
      await engine.sql(text)
      const [read] = await engine.side.fetch(one, [['106']])
      expect(read!.values).toEqual(row(106, { note: `it's \\ 'é' \n 😀;` }))
      await engine.sql(engine.side.script(one, { action: 'delete', key: ['106'], judged: read!.values }))
      expect(await engine.side.fetch(one, [['106']])).toEqual([])
    })

    it.runIf(sessions)('does not know what became of a row whose connection was lost', async () => {
      await apply('t', inserted(107))
      const change: Change = { action: 'update', key: ['107'], judged: row(107), values: { note: 'lost107' } }
      const [outcome] = await engine.whileLocked(`update t set note = 'held' where id = 107`, async () => {
        const applying = apply('t', change)
        await eventually('the write to wait for its lock', async () => (await engine.kill('update ')) || undefined)
        return applying
      })
      expect(outcome).toMatchObject({ state: 'failed', unsure: true })
      expect(await apply('t', inserted(108))).toEqual([{ state: 'applied' }])
    })
  })

  describe.runIf(sessions)('a statement under way', () => {
    it('is stopped on the server when nobody waits for it any more', async () => {
      const stop = new AbortController()
      const asked = engine.side.number(sleepMarker[name]!, stop.signal)
      setTimeout(() => stop.abort(new Error('enough')), 300)
      await expect(asked).rejects.toThrow('enough')
      expect(await engine.kill('4242')).toBe(0)
      expect(await engine.side.number('select 1')).toBe(1)
    })

    it('is a fault when its connection is lost, and the next question is answered', async () => {
      const asked = engine.side.number(sleepMarker[name]!).catch((thrown: unknown) => thrown)
      await eventually('the statement', async () => (await engine.kill('4242')) || undefined)
      expect(await asked).toMatchObject({ name: 'Fault', code: 'system_unreachable' })
      expect(await engine.side.number('select 1')).toBe(1)
    })
  })
})
