import { canonical, columnHash, printed, quoted, rowHash } from './postgres-hash.ts'
import { keyAndHash, rowsOf } from './postgres-slice.ts'
import type { ComparedColumn, FetchedRow, Key, KeyHash, SidePlan } from './side.ts'

/** A Postgres array of texts, to be cast on the other side: every parameter we send is a text. */
const arrayText = (values: readonly string[]): string =>
  `{${values.map((value) => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`).join(',')}}`

const int8Min = -(2n ** 63n)
const int8Max = 2n ** 63n - 1n
const integers = new Set(['smallint', 'integer', 'bigint'])

/** The classes whose canonical text a type of that class reads back, so that its own index can find the row. */
const castOf: Readonly<Partial<Record<ComparedColumn['class'], (cast: string) => string | undefined>>> = {
  boolean: () => 'boolean',
  integer: (cast) => (cast === 'boolean' ? 'boolean' : 'int8'),
  numeric: (cast) => (cast === 'numeric' ? 'numeric' : undefined),
  uuid: (cast) => (cast === 'uuid' ? 'uuid' : undefined),
  time: (cast) => (cast === 'time without time zone' ? 'time' : undefined),
  date: () => 'date',
  text: (cast) =>
    cast === 'text' || cast === 'character varying'
      ? 'text'
      : ['bpchar', 'citext', 'name'].includes(cast)
        ? cast
        : undefined,
}

/** Compares a key column with canonical text, through the column's own type wherever an index could answer that. */
export function matches(column: ComparedColumn, row: string, text: string): string {
  const value = `${row}.${quoted(column.name)}`
  if (column.class === 'numeric' && integers.has(column.cast)) {
    const fits = `${text} ~ '^-?[0-9]{1,19}$' and ${text}::numeric between ${int8Min} and ${int8Max}`
    return `${value} = case when ${fits} then ${text}::int8 end`
  }
  if (column.class === 'timestamp') {
    const zoned = column.cast === 'timestamp with time zone' ? ` at time zone interval '0'` : ''
    return `${value} = ${text}::timestamp${zoned}`
  }
  // A collation may hold two keys for equal that are not, so that finding by index is not enough.
  const exact = `${canonical(column, row)} collate "C" = ${text}`
  const cast = castOf[column.class]?.(column.cast)
  return cast ? `${value} = ${text}::${cast} and ${exact}` : exact
}

/** Rows without a key are told apart by their hash. */
const keyNames = ({ key, multiset }: SidePlan) => (multiset ? ['k0'] : key.map((_, place) => `k${place}`))

const wanted = (plan: SidePlan) =>
  `unnest(${keyNames(plan)
    .map((_, place) => `$${place + 1}::text::text[]`)
    .join(', ')}) as w(${keyNames(plan).join(', ')})`

const joined = (plan: SidePlan) =>
  plan.multiset
    ? `${rowHash(plan, 't')} = w.k0::int8`
    : plan.key.map((column, place) => matches(column, 't', `w.k${place}`)).join(' and ')

/** One parameter for each key column: the texts of that column, as an array. */
export const keyParameters = (plan: SidePlan, keys: readonly Key[]): string[] =>
  keyNames(plan).map((_, place) => arrayText(keys.map((key) => key[place]!)))

export const hashesSql = (plan: SidePlan): string =>
  `select d.* from ${wanted(plan)} join lateral (select ${keyAndHash(plan)} from ${rowsOf(plan)} where ${joined(plan)}) as d on true`

export function fetchSql(plan: SidePlan): string {
  const values = [...plan.key, ...plan.columns].map((column, place) => `${printed(column, 't')} as v${place}`)
  const hashes = plan.columns.map((column, place) => `(${columnHash(column, plan.method, 't')})::text as h${place}`)
  return `select d.* from ${wanted(plan)} join lateral (
    select ${[keyAndHash(plan), ...values, ...hashes].join(', ')} from ${rowsOf(plan)} where ${joined(plan)}) as d on true`
}

type Answer = Readonly<Record<string, string | null>>

export const keyHashOf = (plan: SidePlan, row: Answer): KeyHash => ({
  key: keyNames(plan).map((name) => row[name]!),
  hash: row.hash!,
})

export function fetchedRowOf(plan: SidePlan, row: Answer): FetchedRow {
  const names = [...plan.key, ...plan.columns].map(({ name }) => name)
  return {
    ...keyHashOf(plan, row),
    values: Object.fromEntries(names.map((name, place) => [name, row[`v${place}`] ?? null])),
    hashes: plan.columns.map((_, place) => row[`h${place}`] ?? null),
  }
}
