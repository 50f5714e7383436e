import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { naively, sheetOf, type Sheet } from './lossy-sync.ts'
import { compare, inWords, twoCopies, withoutNativeHash, type TwoCopies } from './two-copies.ts'

const runs = 200

let copies: TwoCopies
beforeAll(async () => {
  copies = await twoCopies()
})
afterAll(() => copies.drop())

/** Values that have fooled somebody, few enough that rows often share them. */
const values: Readonly<Record<string, readonly string[]>> = {
  int: ['0', '1', '-1', '2147483647', '-2147483648'],
  bigint: ['0', '1', '4294967296', '-4294967296', '9007199254740993', '9223372036854775807', '-9223372036854775808'],
  numeric: ['0', '1', '-1', '10000', '1.5', '1.50', '0.1', 'NaN', 'Infinity', '-Infinity', '100000000000000000000.01'],
  'numeric(9,2)': ['0', '0.01', '-0.01', '5', '-5', '1234567.89'],
  float8: ['0', '-0', '0.1', '0.30000000000000004', 'NaN', 'Infinity', '1e300'],
  text: ['', 'a', 'A', 'a ', 'NULL', '-', '1:a', 'a|b', 'é', `it''s`, '\\', '{}', '2:ab'],
  'varchar(8)': ['', 'ab', 'b', 'ab|', 'null'],
  boolean: ['true', 'false'],
  uuid: ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'],
  date: ['2000-01-01', '1970-01-01', '9999-12-31', 'infinity'],
  timestamp: ['2000-01-01', '2000-01-01 01:11:34.967296', '9999-12-31 23:59:59.999999', '-infinity'],
  timestamptz: ['2000-01-01+00', '2024-10-27 02:30:00+02', '2024-10-27 02:30:00+01'],
  bytea: ['', '\\x00', '\\x0000', '\\xff'],
  jsonb: ['{}', '[]', '[[1],2]', '[[1,2]]', '{"a": 5}', '{"a": -5}', 'null', '"a"'],
}

const keys: Readonly<Record<string, readonly string[]>> = {
  int: ['0', '-1', '1', '127', '128', '129', '2147483647', '-2147483648', ...upTo(40)],
  bigint: ['0', '-9223372036854775808', '9223372036854775807', '9007199254740993', '9007199254740992', ...upTo(40)],
  text: ['', 'a', 'A', 'b', 'é', '1', '1 ', ...upTo(40)],
  uuid: upTo(40).map((n) => `00000000-0000-4000-8000-0000000000${n.padStart(2, '0')}`),
  'numeric(10,2)': ['0', '1.5', '-1.5', ...upTo(40)],
}

function upTo(count: number) {
  return Array.from({ length: count }, (_, n) => String(n))
}

const cell = (type: string) => fc.option(fc.constantFrom(...values[type]!), { freq: 4, nil: null })

const world = fc
  .record({
    key: fc.uniqueArray(fc.constantFrom(...Object.keys(keys)), { minLength: 1, maxLength: 2 }),
    columns: fc.array(fc.constantFrom(...Object.keys(values)), { maxLength: 5 }),
    unique: fc.boolean(),
    native: fc.boolean(),
    filler: fc.constantFrom(0, 0, 1000),
  })
  .chain((shape) => {
    const row = fc.record({
      key: fc.tuple(...shape.key.map((type) => fc.constantFrom(...keys[type]!))),
      cells: fc.tuple(...shape.columns.map(cell)),
    })
    const change = fc.record({
      at: fc.nat(),
      column: fc.nat(),
      row,
      kind: fc.constantFrom('drop', 'twice', 'change', 'add'),
    })
    const changes = fc.array(change, { maxLength: 6 })
    return fc.record({ shape: fc.constant(shape), rows: fc.array(row, { maxLength: 60 }), changes })
  })

type World = typeof world extends fc.Arbitrary<infer T> ? T : never
type Row = World['rows'][number]

/** The target's rows: the source's, broken. */
function broken({ rows, changes }: World): Row[] {
  const left = [...rows]
  for (const { at, column, row, kind } of changes) {
    const place = left.length === 0 ? -1 : at % left.length
    const old = left[place]
    if (kind === 'add' || !old) left.push(row)
    else if (kind === 'drop') left.splice(place, 1)
    else if (kind === 'twice') left.push(old)
    else {
      const one = column % Math.max(1, old.cells.length)
      left[place] = {
        key: old.key,
        cells: old.cells.map((value, index) => (index === one ? row.cells[index]! : value)),
      }
    }
  }
  return left
}

function script({ shape }: World, rows: readonly Row[]): string {
  const kept = new Map(rows.map((row) => [shape.unique ? row.key.join('|') : row, row]))
  const keyColumns = shape.key.map((type, n) => `k${n} ${type} not null`)
  const columns = shape.columns.map((type, n) => `c${n} ${type}`)
  const primary = shape.unique ? [`primary key (${shape.key.map((_, n) => `k${n}`).join(', ')})`] : []
  const literal = (value: string | null) => (value === null ? 'null' : `'${value}'`)
  const lines = [...kept.values()].map(({ key, cells }) => `(${[...key, ...cells].map(literal).join(', ')})`)
  const filled = shape.filler > 0 && shape.key.join() === 'int'
  return [
    `drop table if exists t`,
    `create table t (${[...keyColumns, ...columns, ...primary].join(', ')})`,
    ...(lines.length > 0 ? [`insert into t values ${lines.join(', ')}`] : []),
    ...(filled ? [`insert into t (k0) select 1000 + i from generate_series(1, ${shape.filler}) i`] : []),
  ].join('; ')
}

/** Texts that mean the same value become the same text. */
function plainly(sheet: Sheet): Sheet {
  const plain = (type: string, value: string | null | undefined) => {
    if (value == null) return null
    if (type === 'numeric' && value.includes('.')) return value.replace(/\.?0+$/, '')
    return type === 'double precision' && value === '-0' ? '0' : value
  }
  const rows = sheet.rows.map((row) =>
    Object.fromEntries(sheet.columns.map(({ name, type }) => [name, plain(type, row[name])])),
  )
  return { ...sheet, rows }
}

describe('any two tables', () => {
  it('are told apart exactly as by comparing every value of every row', { timeout: 240_000 }, async () => {
    let differed = 0
    const property = fc.asyncProperty(world, async (one) => {
      const { source, target } = copies
      await Promise.all([source.sql.unsafe(script(one, one.rows)), target.sql.unsafe(script(one, broken(one)))])
      const key = one.shape.key.map((_, n) => `k${n}`)
      const sheets = await Promise.all([source, target].map(({ sql }) => sheetOf(sql, 't', key)))
      const expected = naively(plainly(sheets[0]!), plainly(sheets[1]!))

      const side = one.shape.native ? source.side : withoutNativeHash(source.side)
      const { items, verdict, faults } = await compare({ source: side, target: target.side }, 't', { key })
      const words = items.map((item) => inWords({ ...item, fields: item.duplicated ? [] : item.fields }))
      expect(faults).toEqual([])
      expect(words.toSorted()).toEqual(expected)
      expect(verdict).toBe(expected.length === 0 ? 'match' : 'drift')
      differed += expected.length
    })
    await fc.assert(property, { numRuns: runs })
    expect(differed).toBeGreaterThan(runs)
  })
})
