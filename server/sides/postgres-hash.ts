import { frameOf, mayBeNull, nullMark, separator } from './frame.ts'
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
  const { cast, precision } = column
  switch (column.class) {
    case 'boolean':
      return `${value}::int4`
    case 'integer':
      // Shifting an int4 by 32 leaves it as it is, so that a truth has to be as wide as what it is compared with.
      return `${value}${cast === 'boolean' ? '::int4' : ''}::${column.wide ? 'int8' : 'int4'}`
    case 'numeric': {
      const number = cast === 'boolean' ? `${value}::int4::numeric` : `${value}::numeric`
      return precision === undefined ? number : `round(${number}, ${precision})`
    }
    case 'float': {
      const number = cast === 'boolean' ? `${value}::int4::float8` : `${value}::float8`
      return precision === undefined ? number : rounded(number, precision)
    }
    case 'uuid':
      return column.wide ? uuidText(column, value) : `${value}::uuid`
    case 'date':
      return `${value}::timestamp`
    case 'timestamp':
      return cut(column, isZoned(column) ? `(${value} at time zone ${utc})` : `${value}::timestamp`)
    case 'time':
      return `${cut(column, value)}::text`
    case 'bytes':
      return `encode(${cast === 'bytea' ? value : `convert_to(${value}::text, 'UTF8')`}, 'hex')`
    case 'bits':
      return cast === 'boolean' ? `${value}::int4::text` : `${value}::text`
    case 'json':
      return cast === 'json' || cast === 'jsonb' ? `${value}::jsonb::text` : `${value}::text`
    case 'interval':
      return parts(value)
    case 'text':
      return folded(column, asText(column, value))
    case 'other':
      return asText(column, value)
  }
}

/** An address prints without its mask where the mask says nothing. */
const asText = ({ cast }: ComparedColumn, value: string) => (cast === 'inet' ? `abbrev(${value})` : `${value}::text`)

/** Through the shortest text of the number: by itself it would be cut to fifteen digits first. */
const rounded = (value: string, digits: number) =>
  `case when ${value} in ('NaN', 'Infinity', '-Infinity') then ${value} else round(${value}::text::numeric, ${digits})::float8 end`

const uuidText = ({ cast }: ComparedColumn, value: string) =>
  cast === 'bytea'
    ? `regexp_replace(encode(${value}, 'hex'), '^(.{8})(.{4})(.{4})(.{4})', '\\1-\\2-\\3-\\4-')`
    : cast === 'uuid'
      ? `${value}::text`
      : `lower(${value}::text collate "C")`

const secondDigits = 6

/** Without the digits of the second that do not count; what has no seconds, as infinity, as it is. */
function cut({ precision = secondDigits }: ComparedColumn, value: string): string {
  if (precision >= secondDigits) return value
  const rest = `(extract(microseconds from ${value})::int8 % ${10 ** (secondDigits - precision)})`
  return `coalesce(${value} - ${rest} * interval '1 microsecond', ${value})`
}

function folded({ fold = {} }: ComparedColumn, text: string): string {
  const cased = fold.case ? `lower(${text} collate "C")` : text
  const short = fold.trim ? `btrim(${cased})` : cased
  return fold.emptyAsNull ? `nullif(${short}, '')` : short
}

/** Months, days and microseconds: an interval prints by a setting that the embedded database does not let us pin. */
const parts = (value: string) =>
  `(extract(year from ${value}) * 12 + extract(month from ${value}) || ' ' || extract(day from ${value}) || ' ' ||
    (extract(hour from ${value}) * 3600000000 + extract(minute from ${value}) * 60000000 + extract(microseconds from ${value}))::int8)`

const zeros: Readonly<Record<ComparedColumn['class'], string>> = {
  boolean: '0',
  integer: '0',
  numeric: '0',
  float: '0',
  uuid: "'00000000-0000-0000-0000-000000000000'",
  date: "'2000-01-01'",
  timestamp: "'2000-01-01'",
  bytes: "''",
  bits: "''",
  time: "''",
  interval: "''",
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
      return column.wide ? `hashtextextended(${value} collate "C", ${seed})` : `uuid_hash_extended(${value}, ${seed})`
    case 'date':
    case 'timestamp': {
      const high = `timestamp_hash_extended(date_bin(${highHalf}, ${value}, ${origin}), ${seed})`
      return `timestamp_hash_extended(${value}, ${high})`
    }
    case 'bytes':
    case 'bits':
    case 'time':
    case 'interval':
    case 'json':
    case 'text':
    case 'other':
      return `hashtextextended(${value} collate "C", ${seed})`
  }
}

/** The hash functions answer NULL for NULL: a stand-in goes in, and the bitmap of NULLs tells it from a real value. */
const present = (column: ComparedColumn, value: string) =>
  mayBeNull(column) ? `coalesce(${typed(column, value)}, ${zeros[column.class]})` : typed(column, value)

const isNull = (column: ComparedColumn, value: string) =>
  `${column.fold?.emptyAsNull ? typed(column, value) : value} is null`

const bitsPerMap = 31

/** Which columns are NULL, as seeds of 31 bits each. */
function nullMaps(columns: readonly ComparedColumn[], row: string): string[] {
  const bits = columns.filter(mayBeNull).map((column) => `(${isNull(column, `${row}.${quoted(column.name)}`)})::int4`)
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
 * The value as text that two values share exactly when they are equal, on every engine alike. Whatever the server's
 * settings, but for classes `text` and `other` of types that print by a setting.
 */
export const canonical = (column: ComparedColumn, row: string): string => told({ ...column, even: false }, row)

/** The same with all the digits that both sides fix: nobody has to strip zeros. */
function told(column: ComparedColumn, row: string): string {
  const value = shown(column, row)
  return printedAlike.has(column.class) && !value.endsWith('::text') ? `${value}::text` : value
}

/** Classes whose values print as their text, so that joining them needs no cast: a fifth of the cost of a row. */
const printedAlike: ReadonlySet<ComparedColumn['class']> = new Set([
  'boolean',
  'integer',
  'date',
  'uuid',
  'numeric',
  'timestamp',
])

function shown(column: ComparedColumn, row: string): string {
  const value = `${row}.${quoted(column.name)}`
  switch (column.class) {
    case 'boolean':
    case 'integer':
      return column.cast === 'boolean' ? `${value}::int4` : value
    case 'date':
      return value
    case 'uuid':
      return column.wide && column.cast !== 'uuid' ? uuidText(column, value) : value
    case 'numeric':
      return column.even && column.precision === undefined ? value : `trim_scale(${typed(column, value)})`
    case 'float':
      // Its eight bytes: the decimal print is not the same on every engine. Minus zero is zero.
      return `encode(float8send(${typed(column, value)} + 0), 'hex')`
    case 'timestamp':
      return typed(column, value)
    case 'time':
    case 'interval':
    case 'bytes':
    case 'bits':
    case 'json':
    case 'text':
    case 'other':
      return typed(column, value)
  }
}

/** The value as people see it: as the engine prints it, but for what prints by the server's place in the world. */
export function printed(column: ComparedColumn, row: string): string {
  const value = `${row}.${quoted(column.name)}`
  if (column.cast === 'money') return `${value}::numeric::text`
  return asText(column, value)
}

/** A text as a value of the column: as this side prints it or, where that is another engine, as `given` makes of it. */
export function read(column: ComparedColumn, text: string): string {
  const { cast, class: kind, shared } = column
  if (cast === 'money') return `${text}::numeric::money`
  // Without its length a bit is one.
  if (cast === 'bit') return `${text}::bit varying`
  if (kind === 'uuid' && cast === 'bytea') return `decode(${text}, 'hex')`
  if (!shared) return `${text}::${cast}`
  if (kind === 'timestamp' && isZoned(column)) return `(${text}::timestamp at time zone ${utc})`
  if (kind === 'bytes' && cast !== 'bytea') return `convert_from(${text}::bytea, 'UTF8')::${cast}`
  return `${text}::${cast}`
}

const wholes = new Set(['smallint', 'integer', 'bigint'])
const truths: Readonly<Record<string, string>> = { t: '1', true: '1', f: '0', false: '0' }

/** What the other side printed, as a type that is not its own reads it. Never rounded: what does not fit has to fail. Pure. */
export function given({ cast, class: kind }: ComparedColumn, value: string | null): string | null {
  if (value === null) return null
  if (wholes.has(cast)) return truths[value] ?? value.replace(/\.0+$/, '')
  // Whichever side keeps an identifier as bytes shows them as \x and hex.
  if (kind === 'uuid' && cast === 'uuid') return value.replace(/^\\x/, '')
  if (kind === 'uuid' && cast === 'bytea') return value.replaceAll(/^\\x|-/g, '')
  return value
}

/** All values of a row as one text, by frame.ts. Never NULL. */
function framed(columns: readonly ComparedColumn[], row: string): string {
  const { plain, lengthy, measured } = frameOf(columns)
  const text = (column: ComparedColumn) => told(column, row)
  const length = (column: ComparedColumn) =>
    column.class === 'uuid' && column.cast === 'uuid' && !column.nullable
      ? '36'
      : column.encoding
        ? `octet_length(convert_to(${text(column)}, 'UTF8'))`
        : `octet_length(${text(column)})`
  const parts = [
    ...plain.map((column) => (column.nullable ? `coalesce(${text(column)}, '${nullMark}')` : shown(column, row))),
    ...lengthy.map((column) => (mayBeNull(column) ? `coalesce(${text(column)}, '')` : shown(column, row))),
    ...measured.map((column) => (mayBeNull(column) ? `coalesce(${length(column)}::text, '')` : length(column))),
  ]
  return `concat_ws('${separator}', ${parts.join(', ')})`
}

/** The first 64 bits of a digest. Every engine has this one, and the slowest of them is fastest with it. */
const sha256 = (text: string) => `('x' || left(encode(sha256(convert_to(${text}, 'UTF8')), 'hex'), 16))::bit(64)::int8`

/** A 64-bit hash of the whole compared row, key first. `row` is the alias of the table. */
export const rowHash = ({ key, columns, method }: SidePlan, row: string): string =>
  method === 'native' ? chain([...key, ...columns], row, 0) : sha256(framed([...key, ...columns], row))

const keySeed = 7

/** A 64-bit hash of the key alone, to spread keys over buckets. */
export const keyHash = (plan: SidePlan, row: string): string => {
  const { key, method, multiset } = plan
  if (multiset) return rowHash(plan, row)
  return method === 'native' ? chain(key, row, keySeed) : sha256(framed(key, row))
}

/** The hash of one column by itself; NULL for NULL. It differs exactly when the row's hash says that the column does. */
export function columnHash(column: ComparedColumn, method: SidePlan['method'], row: string): string {
  const value = `${row}.${quoted(column.name)}`
  const hash = method === 'native' ? chain([column], row, 0) : sha256(framed([column], row))
  return `case when not (${isNull(column, value)}) then ${hash} end`
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
  bits: ['bit varying', '0101'],
  time: ['time without time zone', '23:59:59.5'],
  interval: ['interval', '1 month -1 day'],
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
