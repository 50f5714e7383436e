import { frameOf, mayBeNull, nullMark, separator } from './frame.ts'
import type { ComparedColumn, SidePlan } from './side.ts'

/** Quotes a name with backticks, whatever is in it. */
export const quoted = (name: string): string => `\`${name.replaceAll('`', '``')}\``

/** The type of this side, in lower case and without length: `bigint unsigned zerofill`, `datetime`, `longtext`. */
const isA = ({ cast }: ComparedColumn, ...types: readonly string[]) => types.includes(cast.split(' ')[0]!)

const plainText = (column: ComparedColumn, value: string) =>
  column.encoding ? `convert(${value} using utf8mb4)` : value

/** Zeros at the end go only where there is a point before them. */
const trimmed = (value: string) => `trim(trailing '.' from trim(trailing '0' from ${value}))`

const integers = ['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'year']
const isText = (column: ComparedColumn) =>
  isA(column, 'char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext', 'enum', 'set')
const isBytes = (column: ComparedColumn) =>
  isA(column, 'binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob')

const shapes = ['point', 'linestring', 'polygon'].flatMap((shape) => [shape, `multi${shape}`])
const isGeometry = (column: ComparedColumn) => isA(column, 'geometry', 'geometrycollection', ...shapes)

// A bit string prints as bytes, a zero-filled integer with its zeros: as numbers they are what they mean.
const number = (column: ComparedColumn, value: string) =>
  isA(column, 'bit') || column.cast.includes('zerofill') ? `(${value} + 0)` : value

function numericText(column: ComparedColumn, value: string): string {
  if (column.precision !== undefined && !isA(column, ...integers)) {
    const rounded = `round(${value}, ${column.precision})`
    return column.precision > 0 ? trimmed(rounded) : rounded
  }
  return isA(column, 'decimal') && column.digits && !column.even ? trimmed(value) : number(column, value)
}

/** The eight bytes of a double: its decimal print is not the same on every engine. Minus zero is zero. */
const doubleBytes = (value: string) => `lower(hex(reverse(substr(st_aswkb(point(${value} + 0e0, 0)), 6, 8))))`

const hex = (value: string) => `lower(hex(${value}))`
const dashed = (value: string) =>
  [21, 17, 13, 9].reduce((text, place) => `insert(${text}, ${place}, 0, '-')`, hex(value))

const digitsMax = 6

/** Fractions of a second without zeros at the end. */
function timeText(column: ComparedColumn, value: string, type: 'time' | 'datetime'): string {
  const { precision = digitsMax, digits = 0 } = column
  if (isA(column, 'date')) return `concat(${value}, ' 00:00:00')`
  if (precision < digits) {
    // Whether a cast rounds or cuts is a setting; the text is cut by itself.
    const text = `cast(${value} as ${type}(${digitsMax}))`
    const cut = trimmed(`left(${text}, char_length(${text}) - ${digitsMax - precision})`)
    // What is left of less than a second before midnight has no sign.
    return type === 'time' ? `if(${cut} = '-00:00:00', '00:00:00', ${cut})` : cut
  }
  return digits === 0 || column.even ? value : trimmed(value)
}

function folded({ fold = {} }: ComparedColumn, text: string): string {
  // Hebrew has no case but that of A to Z, and leaves every other byte alone: the same fold on every engine.
  const cased = fold.case ? `cast(lower(convert(cast(${text} as binary) using hebrew)) as binary)` : text
  const cut = fold.trim ? `trim(${cased})` : cased
  // By its length: most collations hold blanks for nothing.
  return fold.emptyAsNull ? `if(length(${cut}) = 0, null, ${cut})` : cut
}

/**
 * The value as text that two values share exactly when they are equal, on every engine alike and whatever its settings.
 * `other` classes are as the engine prints them.
 */
export const canonical = (column: ComparedColumn, row: string): string => told({ ...column, even: false }, row)

/** The same with all the digits that both sides fix: nobody has to strip zeros. */
function told(column: ComparedColumn, row: string): string {
  const value = `${row}.${quoted(column.name)}`
  switch (column.class) {
    case 'boolean':
    case 'integer':
      return number(column, value)
    case 'numeric':
      return numericText(column, value)
    case 'float':
      return column.precision === undefined ? doubleBytes(value) : doubleBytes(`round(${value}, ${column.precision})`)
    case 'bits':
      return isA(column, 'bit') ? `lpad(bin(${value} + 0), ${column.digits ?? 1}, '0')` : number(column, value)
    case 'uuid':
      if (isBytes(column)) return dashed(value)
      // As a text of its own: beside one that is no identifier the engine would take neither.
      return isA(column, 'uuid') ? asText(column, value) : `lower(${plainText(column, value)})`
    case 'bytes':
      return hex(isText(column) ? plainText(column, value) : value)
    case 'date':
      return value
    case 'timestamp':
      return timeText(column, value, 'datetime')
    case 'time':
      return timeText(column, value, 'time')
    case 'interval': {
      const sign = `if(${value} < 0, -1, 1)`
      const seconds = `abs(truncate(time_to_sec(cast(${value} as time(6))), 0)) * 1000000`
      return isA(column, 'time')
        ? `concat('0 0 ', cast(${sign} * (${seconds} + microsecond(cast(${value} as time(6)))) as signed))`
        : value
    }
    case 'json':
      return isA(column, 'json')
        ? `cast(${value} as char character set utf8mb4)`
        : `coalesce(json_loose(${value}), ${plainText(column, value)})`
    case 'text':
      return folded(column, isText(column) ? plainText(column, value) : asText(column, value))
    case 'other':
      return asText(column, value)
  }
}

/** What is no text, as the engine prints it. */
function asText(column: ComparedColumn, value: string): string {
  if (isA(column, 'bit')) return `cast(${value} + 0 as char character set utf8mb4)`
  if (isGeometry(column)) return hex(value)
  return isText(column) ? plainText(column, value) : `cast(${value} as char character set utf8mb4)`
}

/** Where a letter of ASCII is not one byte: such text mixes with no other. */
const wideEncodings: ReadonlySet<string | undefined> = new Set(['ucs2', 'utf16', 'utf16le', 'utf32'])

/**
 * Text is converted only where its bytes could be taken for another text's: not where both sides store it alike, nor where
 * the other side is an identifier, of which no letter but those of ASCII can be equal. It is a fifth of the cost of a row.
 */
function inFrame(column: ComparedColumn, row: string): string {
  const { class: kind, alike, fold, encoding } = column
  const telling = encoding && (kind === 'uuid' || (kind === 'text' && alike && !fold))
  if (!telling || wideEncodings.has(encoding)) return told(column, row)
  return `cast(${told({ ...column, encoding: undefined }, row)} as binary)`
}

/** All values of a row as one text, by frame.ts. Never NULL. */
function framed(columns: readonly ComparedColumn[], row: string): string {
  const { plain, lengthy, measured } = frameOf(columns)
  const or = (column: ComparedColumn, text: string, mark: string) =>
    mayBeNull(column) ? `ifnull(${text}, '${mark}')` : text
  const parts = [
    ...plain.map((column) => or(column, inFrame(column, row), nullMark)),
    ...lengthy.map((column) => or(column, inFrame(column, row), '')),
    ...measured.map((column) => or(column, `length(${inFrame(column, row)})`, '')),
  ]
  // A binary separator makes all of it bytes: columns of different collations or encodings are joined as they are stored.
  return `concat_ws(_binary '${separator}', ${parts.join(', ')})`
}

/** The first 64 bits of a digest as a signed number. */
const bits = (digest: string) => `cast(conv(left(${digest}, 16), 16, -10) as signed)`

/** SHA-1 is the cheaper one, and other engines have none. */
const hashed = (text: string, method: SidePlan['method']) =>
  bits(method === 'native' ? `sha1(${text})` : `sha2(${text}, 256)`)

/** A 64-bit hash of the whole compared row, key first. `row` is the alias of the table. */
export const rowHash = ({ key, columns, method }: SidePlan, row: string): string =>
  hashed(framed([...key, ...columns], row), method)

/** A 64-bit hash of the key alone, to spread keys over buckets. */
export const keyHash = (plan: SidePlan, row: string): string =>
  plan.multiset ? rowHash(plan, row) : hashed(framed(plan.key, row), plan.method)

/** The hash of one column by itself; NULL for NULL. It differs exactly when the row's hash says that the column does. */
export const columnHash = (column: ComparedColumn, method: SidePlan['method'], row: string): string =>
  `case when ${told(column, row)} is not null then ${hashed(framed([column], row), method)} end`

/** A statement that answers as the other side does when both print and hash alike. */
export const handshakeSql = (): string =>
  `select concat_ws(' ', 'mysql', sha1(concat_ws(_binary ',', 'é', 1.50, 0.1e0, timestamp '2000-01-01 00:00:00.5')),
    json_loose('{"b":[1.50,null]}')) as answer`
