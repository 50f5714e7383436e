import type { ComparedColumn, SidePlan } from './side.ts'

/** Double-quotes a name, whatever is in it. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`

const utc = "interval '0'"
const isZoned = ({ cast }: ComparedColumn) => cast === 'timestamp with time zone'

/**
 * The value as the class sees it. Zones are removed by adding nothing rather than by naming UTC: the same result, without
 * looking the name up for every row.
 */
function typed(column: ComparedColumn, value: string): string {
  switch (column.class) {
    case 'boolean':
      return `${value}::int4`
    case 'integer':
      return column.wide ? `${value}::int8` : `${value}::int4`
    case 'numeric':
      return `${value}::numeric`
    case 'float':
      return `${value}::float8`
    case 'uuid':
      return `${value}::uuid`
    case 'date':
      return `${value}::timestamp`
    case 'timestamp':
      return isZoned(column) ? `(${value} at time zone ${utc})` : `${value}::timestamp`
    case 'bytes':
      return `encode(${value}, 'hex')`
    case 'json':
      return `${value}::jsonb::text`
    case 'text':
      return `${value}::text`
    case 'other':
      return column.cast === 'interval' ? parts(value) : `${value}::text`
  }
}

/** Months, days and microseconds: an interval prints by a setting that the embedded database does not let us pin. */
const parts = (value: string) =>
  `(extract(year from ${value}) * 12 + extract(month from ${value}) || ' ' || extract(day from ${value}) || ' ' ||
    extract(hour from ${value}) * 3600000000 + extract(minute from ${value}) * 60000000 + extract(microseconds from ${value}))`

const zeros: Readonly<Record<ComparedColumn['class'], string>> = {
  boolean: '0',
  integer: '0',
  numeric: '0',
  float: '0',
  uuid: "'00000000-0000-0000-0000-000000000000'",
  date: "'2000-01-01'",
  timestamp: "'2000-01-01'",
  bytes: "''",
  json: "''",
  text: "''",
  other: "''",
}

// The engine folds 64-bit integers and timestamps to 32 bits before it hashes them, so that 1 and 2^32 are one; the high
// half goes in by itself. This width of a bin is 2^32 microseconds, and the origin is the engine's own zero.
const highHalf = "interval '4294.967296 s'"
const origin = "timestamp '2000-01-01'"

/**
 * One link of the chain: a 64-bit hash of the value that takes the hash before it as its seed.
 *
 * The engine's hash of a numeric leaves out the sign and takes NaN for infinity, so its place among the numbers goes in
 * first. Its hash of jsonb takes {} for [] and [[1],2] for [[1,2]], so jsonb goes in as its canonical text.
 */
function link(column: ComparedColumn, value: string, seed: string): string {
  switch (column.class) {
    case 'boolean':
      return `hashint4extended(${value}, ${seed})`
    case 'integer':
      return column.wide
        ? `hashint8extended(${value}, hashint4extended((${value} >> 32)::int4, ${seed}))`
        : `hashint4extended(${value}, ${seed})`
    case 'numeric': {
      const place = column.wide
        ? `numeric_cmp(${value}, 0) + 4 * numeric_cmp(${value}, 'Infinity')`
        : `numeric_cmp(${value}, 0)`
      return `hash_numeric_extended(${value}, hashint4extended(${place}, ${seed}))`
    }
    case 'float':
      return `hashfloat8extended(${value}, ${seed})`
    case 'uuid':
      return `uuid_hash_extended(${value}, ${seed})`
    case 'date':
    case 'timestamp': {
      const high = `timestamp_hash_extended(date_bin(${highHalf}, ${value}, ${origin}), ${seed})`
      return `timestamp_hash_extended(${value}, ${high})`
    }
    case 'bytes':
    case 'json':
    case 'text':
    case 'other':
      return `hashtextextended(${value} collate "C", ${seed})`
  }
}

/** The hash functions answer NULL for NULL: a stand-in goes in, and the bitmap of NULLs tells it from a real value. */
const present = (column: ComparedColumn, value: string) =>
  column.nullable ? `coalesce(${typed(column, value)}, ${zeros[column.class]})` : typed(column, value)

const bitsPerMap = 31

/** Which columns are NULL, as seeds of 31 bits each. */
function nullMaps(columns: readonly ComparedColumn[], row: string): string[] {
  const bits = columns.filter(({ nullable }) => nullable).map(({ name }) => `(${row}.${quoted(name)} is null)::int4`)
  const maps: string[] = []
  for (let start = 0; start < bits.length; start += bitsPerMap) {
    maps.push(
      bits
        .slice(start, start + bitsPerMap)
        .map((bit, place) => `(${bit} << ${place})`)
        .join(' | '),
    )
  }
  return maps
}

function chain(columns: readonly ComparedColumn[], row: string, seed: number): string {
  let hash = `${seed}`
  for (const map of nullMaps(columns, row)) hash = `hashint4extended(${map}, ${hash})`
  for (const column of columns) hash = link(column, present(column, `${row}.${quoted(column.name)}`), hash)
  // The hash of a numeric ends in arithmetic that a sum can undo: 1 and 10000 swapped between two rows would add up alike.
  const last = columns.at(-1)?.class
  return last === 'numeric' || last === 'float' ? `hashint4extended(1, ${hash})` : hash
}

/**
 * The value as text that two values share exactly when they are equal, and that the column's type reads back. The same on
 * every server, whatever its settings, but for classes `text` and `other` of types that print by a setting.
 */
export function canonical(column: ComparedColumn, row: string): string {
  const value = `${row}.${quoted(column.name)}`
  switch (column.class) {
    case 'boolean':
    case 'integer':
    case 'uuid':
    case 'date':
      return `${value}::text`
    case 'numeric':
      return `trim_scale(${value}::numeric)::text`
    case 'float':
      // Minus zero is zero.
      return `(${value}::float8 + 0)::text`
    case 'timestamp':
      return `${typed(column, value)}::text`
    case 'bytes':
    case 'json':
    case 'text':
    case 'other':
      return typed(column, value)
  }
}

/** Each value framed by its length, so that no value can pass for the end of another; NULL has a frame of its own. */
function framed(columns: readonly ComparedColumn[], row: string): string {
  return columns
    .map((column) => {
      const text = canonical(column, row)
      return `coalesce(length(${text}) || ':' || ${text}, '-')`
    })
    .join(' || ')
}

const md5 = (text: string) => `('x' || left(md5(convert_to(${text}, 'UTF8')), 16))::bit(64)::int8`

/** A 64-bit hash of the whole compared row, key first. `row` is the alias of the table. */
export const rowHash = ({ key, columns, method }: SidePlan, row: string): string =>
  method === 'native' ? chain([...key, ...columns], row, 0) : md5(framed([...key, ...columns], row))

const keySeed = 7

/** A 64-bit hash of the key alone, to spread keys over buckets. */
export const keyHash = ({ key, method }: SidePlan, row: string): string =>
  method === 'native' ? chain(key, row, keySeed) : md5(framed(key, row))

/** The hash of one column by itself; NULL for NULL. It differs exactly when the row's hash says that the column does. */
export function columnHash(column: ComparedColumn, method: SidePlan['method'], row: string): string {
  const value = `${row}.${quoted(column.name)}`
  const sure = { ...column, nullable: false }
  const hash = method === 'native' ? chain([sure], row, 0) : md5(framed([sure], row))
  return `case when ${value} is not null then ${hash} end`
}

const sample: Readonly<Record<ComparedColumn['class'], readonly [cast: string, value: string]>> = {
  boolean: ['boolean', 'true'],
  integer: ['bigint', '-4294967297'],
  numeric: ['numeric', '-12345678901234567890.12345'],
  float: ['double precision', '0.1'],
  text: ['text', 'é'],
  bytes: ['bytea', '\\x00ff'],
  uuid: ['uuid', '0f0e0d0c-0b0a-0908-0706-050403020100'],
  date: ['date', '1969-07-20'],
  timestamp: ['timestamp with time zone', '9999-12-31 23:59:59.999999+00'],
  json: ['json', '{"b": [1.50, null], "a": {}}'],
  other: ['text', ''],
}

/** A statement that answers the hashes of a row with a value of every class: equal text, equal hash functions. */
export function handshakeSql(): string {
  const columns = Object.entries(sample).map(([name, [cast]]): ComparedColumn => ({
    name,
    cast,
    class: name as ComparedColumn['class'],
    nullable: true,
    wide: true,
  }))
  const values = Object.entries(sample).map(([name, [cast, value]]) => `'${value}'::${cast} as ${quoted(name)}`)
  const hashes = columns.map((column) => columnHash(column, 'native', 't'))
  return `select concat_ws(' ', ${[chain(columns, 't', 0), ...hashes].join(', ')}) as answer
    from (select ${values.join(', ')}) as t`
}
