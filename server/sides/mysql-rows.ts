import { canonical, columnHash, quoted, rowHash } from './mysql-hash.ts'
import { baseOf, bytesOf, isExact, sought } from './mysql-literal.ts'
import { keyAndHash, printed, rowsOf } from './mysql-slice.ts'
import type { ComparedColumn, FetchedRow, Key, KeyHash, SidePlan } from './side.ts'

const texts = new Set(['char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext', 'enum', 'set'])
const bytes = new Set(['binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob', 'vector'])
const shapes = /^(?:geometry|geomcollection|geometrycollection|(?:multi)?(?:point|linestring|polygon))$/

const isText = (column: ComparedColumn): boolean => texts.has(baseOf(column))
export const isBytes = (column: ComparedColumn): boolean => bytes.has(baseOf(column)) || shapes.test(baseOf(column))

/**
 * A value as we show it and read it back, free of any setting: bytes as `\x` and hex, bits as digits, the rest as the engine
 * prints it; a FLOAT with all its digits, so that two of them never look alike.
 */
export function shown(column: ComparedColumn, row: string): string {
  const value = `${row}.${quoted(column.name)}`
  const base = baseOf(column)
  if (isBytes(column)) return `concat(char(92 using utf8mb4), 'x', lower(hex(${value})))`
  if (base === 'bit') return `lpad(bin(${value} + 0), ${column.digits ?? 1}, '0')`
  if (base === 'float' || base === 'double') return printed(`${value} + 0e0`)
  if (isText(column) && column.encoding) return `convert(${value} using utf8mb4)`
  return isText(column) ? value : printed(value)
}

/** Whether a row has exactly this key; through its own index wherever one could answer that. */
export function names(plan: SidePlan, key: Key, row: string): string {
  const conditions = plan.key.flatMap((column, place) => {
    const literal = sought(column, key[place]!)
    const exact = `cast(${canonical(column, row)} as binary) = ${bytesOf(key[place]!)}`
    if (literal === 'none') return ['false']
    if (literal === undefined) return [exact]
    const found = `${row}.${quoted(column.name)} = ${literal}`
    return isExact(column) ? [found] : [found, exact]
  })
  return conditions.join(' and ')
}

/**
 * A condition that holds for every row of these keys, and perhaps for others that a collation takes for them: whoever asks
 * picks by canonical text.
 */
function among(plan: SidePlan, keys: readonly Key[]): string {
  if (plan.multiset) return `${rowHash(plan, 't')} in (${keys.map(([hash]) => BigInt(hash!)).join(', ')})`
  const found = keys.map((key) => plan.key.map((column, place) => sought(column, key[place]!)))
  const possible = found.flatMap((literals, place) =>
    literals.includes('none') ? [] : [{ literals, key: keys[place]! }],
  )
  if (possible.length === 0) return 'false'

  // A column that one key cannot be looked up by is left to those that are, and to the canonical text when none is.
  const usable = plan.key.flatMap((column, place) =>
    possible.every(({ literals }) => literals[place] !== undefined) ? [{ column, place }] : [],
  )
  const [only, ...more] = usable
  if (!only) {
    const exact = plan.key.map((column) => `cast(${canonical(column, 't')} as binary)`)
    return exact
      .map((text, place) => `${text} in (${[...new Set(possible.map(({ key }) => bytesOf(key[place]!)))].join(', ')})`)
      .join(' and ')
  }
  const named = ({ column }: (typeof usable)[number]) => `t.${quoted(column.name)}`
  if (more.length === 0) {
    return `${named(only)} in (${[...new Set(possible.map(({ literals }) => literals[only.place]!))].join(', ')})`
  }
  // Neither engine looks up a list of rows by an index as it does alternatives.
  return possible
    .map(({ literals }) => `(${usable.map((one) => `${named(one)} = ${literals[one.place]!}`).join(' and ')})`)
    .join(' or ')
}

export const hashesSql = (plan: SidePlan, keys: readonly Key[]): string =>
  `select ${keyAndHash(plan)} from ${rowsOf(plan)} where ${among(plan, keys)}`

export function fetchSql(plan: SidePlan, keys: readonly Key[]): string {
  const values = [...plan.key, ...plan.columns].map((column, place) => `${shown(column, 't')} as v${place}`)
  const hashes = plan.columns.map((column, place) => `${printed(columnHash(column, plan.method, 't'))} as h${place}`)
  return `select ${[keyAndHash(plan), ...values, ...hashes].join(', ')} from ${rowsOf(plan)} where ${among(plan, keys)}`
}

export type Answer = Readonly<Record<string, string | null>>

export const keyHashOf = (plan: SidePlan, row: Answer): KeyHash => ({
  key: plan.multiset ? [row.k0!] : plan.key.map((_, place) => row[`k${place}`]!),
  hash: row.hash!,
})

export function fetchedRowOf(plan: SidePlan, row: Answer): FetchedRow {
  const all = [...plan.key, ...plan.columns].map(({ name }) => name)
  return {
    ...keyHashOf(plan, row),
    values: Object.fromEntries(all.map((name, place) => [name, row[`v${place}`] ?? null])),
    hashes: plan.columns.map((_, place) => row[`h${place}`] ?? null),
  }
}
