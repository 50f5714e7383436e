import fc from 'fast-check'
import { expect } from 'vitest'
import type { Matching } from '../server/reconcile/plan.ts'
import type { Side } from '../server/sides/side.ts'
import { kinds, literalOf, same, type Engine, type Kind, type Options, type Physical } from './kinds.ts'
import { compare, inWords, withoutNativeHash } from './two-copies.ts'

/** A database that a world is built in. */
export interface Place {
  readonly engine: Engine
  readonly side: Side
  run(statements: readonly string[]): Promise<unknown>
}

/** A kind as two types hold it, with the values that both do. */
export interface Shape {
  readonly name: string
  readonly kind: Kind
  readonly source: Physical
  readonly target: Physical
  readonly values: readonly string[]
}

export function shapesOf(name: string, kind: Kind, source: Engine, target: Engine): Shape[] {
  const of = (engine: Engine) => kind.types.filter((type) => type.engine === engine)
  return of(source).flatMap((one) =>
    of(target).flatMap((other) => {
      const values = kind.values.filter((value) => [one, other].every(({ holds }) => holds?.(value) ?? true))
      const usable = values.length > 1 && !kind.apart?.(one, other)
      const words = `${name}: ${one.type} ~ ${other.type}`
      return usable ? [{ name, kind, source: one, target: other, values, [fc.toStringMethod]: () => words }] : []
    }),
  )
}

const upTo = (count: number) => Array.from({ length: count }, (_, n) => String(n))
/** Texts that no collation takes for another are needed where a key is unique. */
const exactTypes = /^(text|varchar\(9\)|char\(9\))$|_bin$/
const wordy = ['', 'a', 'A', 'b', 'é', '1', ',', 'a,b', '~', '\\', '😀', ...upTo(30)]

function keyShapes(source: Engine, target: Engine): readonly (readonly Shape[])[] {
  const more = (name: string, some: readonly string[], fit: (type: Physical) => boolean = () => true) =>
    shapesOf(name, { ...kinds[name]!, values: [...kinds[name]!.values, ...some] }, source, target).filter(
      (shape) => fit(shape.source) && fit(shape.target),
    )
  const hex = upTo(60).map((n) => `00000000-0000-4000-8000-0000000000${n.padStart(2, '0')}`)
  const text = { ...kinds.text!, values: wordy }
  return [
    more('integer', upTo(60)),
    more('integer', upTo(60), ({ type }) => !/numeric|decimal/.test(type)),
    more('numeric', upTo(40), ({ type }) => /\(/.test(type)).filter(({ values }) => !values.includes('NaN')),
    more('uuid', hex),
    more('date', ['2024-01-01', '2024-01-02', '2024-01-03'], ({ type }) => type === 'date'),
    more('timestamp', ['2024-01-01 00:00:01', '2024-01-01 00:00:02', '2024-01-01 00:00:03']),
    shapesOf('text', text, source, target).filter((shape) =>
      [shape.source, shape.target].every(({ type }) => exactTypes.test(type)),
    ),
  ].filter((shapes) => shapes.length > 0)
}

interface Column {
  readonly shape: Shape
  readonly options: Options
  readonly nullable: boolean
  /** How the target calls it. */
  readonly style: 'same' | 'case' | 'camel' | 'mapped'
}

interface Row {
  readonly key: readonly string[]
  readonly cells: readonly (string | null)[]
}

interface Change {
  readonly kind: 'drop' | 'twice' | 'change' | 'add'
  readonly at: number
  readonly column: number
  readonly row: Row
}

export interface World {
  readonly key: readonly Column[]
  readonly columns: readonly Column[]
  readonly identity: 'unique' | 'plain' | 'none'
  readonly native: boolean
  /** The target's columns and key come in another order. */
  readonly turned: boolean
  readonly sets: readonly { readonly rows: readonly Row[]; readonly changes: readonly Change[] }[]
}

/** Sets of rows that one schema is filled with, one after the other. */
export const setsOfWorld = 10

/** Schemas, data and differences for one pair of engines: few schemas, each with several sets of rows. */
export function worlds(source: Engine, target: Engine): fc.Arbitrary<World> {
  const byKind = Object.entries(kinds)
    .map(([name, kind]) => shapesOf(name, kind, source, target))
    .filter((shapes) => shapes.length > 0)
  const styled = { style: fc.constantFrom('same', 'case', 'camel', 'mapped') } as const
  const column: fc.Arbitrary<Column> = fc
    .constantFrom(...byKind)
    .chain((shapes) => fc.constantFrom(...shapes))
    .chain((shape) =>
      fc.record({
        ...styled,
        shape: fc.constant(shape),
        options: fc.oneof(
          { weight: 2, arbitrary: fc.constant({}) },
          { weight: 1, arbitrary: fc.constantFrom({}, ...(shape.kind.options ?? [])) },
        ),
        nullable: fc.boolean(),
      }),
    )
  const keyColumn: fc.Arbitrary<Column> = fc
    .constantFrom(...keyShapes(source, target))
    .chain((shapes) => fc.constantFrom(...shapes))
    .chain((shape) => fc.record({ ...styled, shape: fc.constant(shape) }))
    .map((one) => ({ ...one, options: {}, nullable: false }))
  return fc
    .record({
      key: fc.array(keyColumn, { minLength: 1, maxLength: 2 }),
      columns: fc.array(column, { maxLength: 5 }),
      identity: fc.constantFrom('unique', 'unique', 'unique', 'plain', 'none'),
      native: fc.boolean(),
      turned: fc.boolean(),
    })
    .chain((shape) => {
      const row: fc.Arbitrary<Row> = fc.record({
        key: fc.tuple(...shape.key.map((one) => fc.constantFrom(...one.shape.values))),
        cells: fc.tuple(
          ...shape.columns.map(({ shape: { values }, nullable }) =>
            nullable ? fc.option(fc.constantFrom(...values), { freq: 4, nil: null }) : fc.constantFrom(...values),
          ),
        ),
      })
      const change: fc.Arbitrary<Change> = fc.record({
        kind: fc.constantFrom('drop', 'twice', 'change', 'change', 'change', 'add'),
        at: fc.nat(),
        column: fc.nat(),
        row,
      })
      const set = fc.record({
        rows: fc.array(row, { maxLength: 40 }),
        changes: fc.array(change, { maxLength: 6 }),
      })
      return fc.record({
        ...constants(shape),
        sets: fc.array(set, { minLength: setsOfWorld, maxLength: setsOfWorld, size: 'max' }),
      })
    }) as fc.Arbitrary<World>
}

const constants = <T extends object>(values: T) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, fc.constant(value)])) as {
    [K in keyof T]: fc.Arbitrary<T[K]>
  }

/** The target's rows: the source's, broken. */
function broken({ rows, changes }: World['sets'][number]): Row[] {
  const left = [...rows]
  for (const { at, column, row, kind } of changes) {
    const place = left.length === 0 ? -1 : at % left.length
    const old = left[place]
    if (kind === 'add' || !old) left.push(row)
    else if (kind === 'drop') left.splice(place, 1)
    else if (kind === 'twice') left.push(old)
    else {
      const one = column % Math.max(1, old.cells.length)
      left[place] = { ...old, cells: old.cells.map((value, index) => (index === one ? row.cells[index]! : value)) }
    }
  }
  return left
}

const keyName = ({ key }: World, row: Row) => row.key.map((value, n) => key[n]!.shape.kind.meaning(value)).join('|')

/** What a unique key lets in: the last row of each key. */
const admitted = (world: World, rows: readonly Row[]): readonly Row[] =>
  world.identity === 'unique' ? [...new Map(rows.map((row) => [keyName(world, row), row])).values()] : rows

const ends = ['one', 'two', 'three', 'four', 'five']
const nameOf = (prefix: string, place: number) => `${prefix}_${ends[place]}`

function targetName(column: Column, name: string): string {
  switch (column.style) {
    case 'same':
      return name
    case 'case':
      return name.toUpperCase()
    case 'camel':
      return name.replace(/_(.)/, (_, letter: string) => letter.toUpperCase())
    case 'mapped':
      return `of ${name}`
  }
}

const quoted = (engine: Engine, name: string) => (engine === 'mysql' ? `\`${name}\`` : `"${name}"`)

/** Rows without a key cannot be compared but by their hash. */
const optionsOf = ({ identity }: World, { options, shape }: Column): Options => {
  if (identity === 'none') return {}
  if (identity === 'plain' && options.tolerance !== undefined) return {}
  return shape.kind.loose ? {} : options
}

const columnsOf = (world: World) => [
  ...world.key.map((column, n) => ({ column, name: nameOf('key', n), isKey: true })),
  ...world.columns
    .map((column, n) => ({ column, name: nameOf('col', n), isKey: false }))
    .filter(({ column }) => !(world.identity === 'none' && column.shape.kind.loose)),
]

const tables = { source: 'world', target: 'world' } as const

function schemaOf(world: World, side: 'source' | 'target', engine: Engine): string[] {
  const named = columnsOf(world).map((one) => ({
    ...one,
    name: quoted(engine, side === 'source' ? one.name : targetName(one.column, one.name)),
  }))
  const turn = <T>(list: readonly T[]) => (world.turned && side === 'target' ? list.toReversed() : list)
  const nullness = ({ nullable }: Column) => (nullable ? 'null' : 'not null')
  const columns = turn(named).map(({ column, name }) => `${name} ${column.shape[side].type} ${nullness(column)}`)
  const key = turn(named.filter(({ isKey }) => isKey)).map(({ name }) => name)
  const primary = world.identity === 'unique' ? [`primary key (${key.join(', ')})`] : []
  return [
    `drop table if exists ${tables[side]}`,
    `create table ${tables[side]} (${[...columns, ...primary].join(', ')})`,
  ]
}

function dataOf(world: World, side: 'source' | 'target', engine: Engine, rows: readonly Row[]): string[] {
  const all = columnsOf(world)
  const names = all.map(({ column, name }) => quoted(engine, side === 'source' ? name : targetName(column, name)))
  const lines = admitted(world, rows).map((row) => {
    const values = all.map(({ column, isKey }) =>
      literalOf(
        column.shape[side],
        isKey ? row.key[world.key.indexOf(column)]! : row.cells[world.columns.indexOf(column)]!,
      ),
    )
    return `(${values.join(', ')})`
  })
  const filled =
    lines.length > 0 ? [`insert into ${tables[side]} (${names.join(', ')}) values ${lines.join(', ')}`] : []
  return [`delete from ${tables[side]}`, ...filled]
}

/** What comparing every value of every row finds, in words. */
function naively(world: World, source: readonly Row[], target: readonly Row[]): string[] {
  const columns = columnsOf(world).filter(({ isKey }) => !isKey)
  const differing = (one: Row, other: Row) =>
    columns
      .filter(({ column }) => {
        const place = world.columns.indexOf(column)
        return !same(column.shape.kind, optionsOf(world, column), one.cells[place]!, other.cells[place]!)
      })
      .map(({ name }) => name)
  const groups = new Map<string, { ours: Row[]; theirs: Row[] }>()
  const group = (name: string) => groups.get(name) ?? groups.set(name, { ours: [], theirs: [] }).get(name)!
  for (const row of admitted(world, source)) group(keyName(world, row)).ours.push(row)
  for (const row of admitted(world, target)) group(keyName(world, row)).theirs.push(row)
  return [...groups].flatMap(([name, { ours, theirs }]) => {
    const several = ours.length > 1 || theirs.length > 1
    const alone = ours.filter((row) => {
      const at = theirs.findIndex((other) => differing(row, other).length === 0)
      if (at !== -1) theirs.splice(at, 1)
      return at === -1
    })
    const paired = world.identity === 'none' ? 0 : Math.min(alone.length, theirs.length)
    const told = world.identity === 'none' ? '' : ` ${name}`
    const fields = (n: number) => (several ? '' : ` ${differing(alone[n]!, theirs[n]!).join(',')}`)
    return [
      ...alone.slice(0, paired).map((_, n) => `changed${told}${fields(n)}`),
      ...alone.slice(paired).map(() => `missing${told}`),
      ...theirs.slice(paired).map(() => `extra${told}`),
    ]
  })
}

function matchingOf(world: World): Partial<Matching> {
  const mapped = columnsOf(world).filter(({ column }) => column.style === 'mapped')
  return {
    ...(world.identity === 'none' ? {} : { key: world.key.map((_, n) => nameOf('key', n)) }),
    map: Object.fromEntries(mapped.map(({ column, name }) => [name, targetName(column, name)])),
    compare: Object.fromEntries(
      columnsOf(world)
        .filter(({ column, isKey }) => !isKey && Object.keys(optionsOf(world, column)).length > 0)
        // The options are the config's own, once parsed.
        .map(({ column, name }) => [name, optionsOf(world, column) as never]),
    ),
  }
}

export interface Tally {
  cases: number
  differences: number
}

/** Builds a world in two places, compares it set by set, and holds each result against the naive one. */
export async function live(world: World, source: Place, target: Place, tally: Tally): Promise<void> {
  const places = { source, target }
  await Promise.all(
    (['source', 'target'] as const).map((side) => places[side].run(schemaOf(world, side, places[side].engine))),
  )
  for (const set of world.sets) {
    const rows = { source: set.rows, target: broken(set) }
    await Promise.all(
      (['source', 'target'] as const).map((side) =>
        places[side].run(dataOf(world, side, places[side].engine, rows[side])),
      ),
    )
    const expected = naively(world, rows.source, rows.target)
    const sides = { source: world.native ? source.side : withoutNativeHash(source.side), target: target.side }
    const { items, verdict, faults, rows: counted } = await compare(sides, tables.source, matchingOf(world))
    const words = items.map((item) =>
      world.identity === 'none' ? item.kind : inWords({ ...item, fields: item.duplicated ? [] : item.fields }),
    )
    expect(faults).toEqual([])
    expect(words.toSorted()).toEqual(expected.toSorted())
    expect(verdict).toBe(expected.length === 0 ? 'match' : 'drift')
    expect(counted).toEqual({
      source: admitted(world, rows.source).length,
      target: admitted(world, rows.target).length,
    })
    tally.cases += 1
    tally.differences += expected.length
  }
}
