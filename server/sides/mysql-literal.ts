import type { ComparedColumn } from './side.ts'

const plain = /^[\x20-\x5b\x5d-\x7e]*$/
const readable = /^[^\p{Cc}\\]*$/u

/**
 * A text as SQL that means the same in every session: whether a backslash escapes is a setting, and so is the encoding a
 * statement is read in.
 */
export function literal(text: string): string {
  if (plain.test(text)) return `'${text.replaceAll("'", "''")}'`
  if (readable.test(text)) return `_utf8mb4'${text.replaceAll("'", "''")}'`
  return `_utf8mb4 x'${Buffer.from(text, 'utf8').toString('hex')}'`
}

/** Bytes compare as they are: no collation takes one text for another, nor one with blanks at its end for one without. */
export const bytesOf = (text: string): string => `cast(${literal(text)} as binary)`

const whole = /^-?(?:0|[1-9]\d*)$/
const number = /^-?\d+(?:\.\d+)?$/
const moment = /^(\d{4}-\d\d-\d\d)(?: (?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?)?$/
const clock = /^-?\d{2,3}:[0-5]\d:[0-5]\d(?:\.\d{1,6})?$/
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** The first word of a type: `bigint` of `bigint unsigned`. */
export const baseOf = ({ cast }: Pick<ComparedColumn, 'cast'>): string => cast.split(' ')[0]!

/**
 * A canonical text as SQL by which an index of the column finds every row that has it, and perhaps more: a collation takes
 * several for one. `none` when no row can have it; undefined when only looking at every row tells.
 */
export function sought(column: ComparedColumn, text: string): string | 'none' | undefined {
  if (column.fold || column.precision !== undefined) return undefined
  const when = (form: RegExp, sql: (found: string) => string) => (form.test(text) ? sql(text) : 'none')
  const base = baseOf(column)
  switch (base) {
    case 'tinyint':
    case 'smallint':
    case 'mediumint':
    case 'int':
    case 'bigint':
      if (!['boolean', 'integer', 'numeric'].includes(column.class)) return undefined
      return when(whole, (found) => found)
    case 'decimal':
      return column.class === 'numeric' ? when(number, (found) => found) : undefined
    case 'char':
    case 'varchar':
      if (column.class === 'text') return literal(text)
      // A collation that knows no case finds an identifier however it is written.
      return column.class === 'uuid' && column.cast.includes(' ci') ? literal(text) : undefined
    case 'binary':
    case 'varbinary':
      if (column.class === 'uuid') return when(uuid, (found) => `x'${found.replaceAll('-', '')}'`)
      return column.class === 'bytes' ? when(/^(?:[0-9a-f]{2})*$/, (found) => `x'${found}'`) : undefined
    case 'uuid':
      return column.class === 'uuid' ? when(uuid, literal) : undefined
    case 'date':
      return ['date', 'timestamp'].includes(column.class) && isReal(text) ? literal(text) : undefined
    case 'datetime':
    case 'timestamp':
      return column.class === 'timestamp' && isReal(text) ? literal(text) : undefined
    case 'time':
      return column.class === 'time' && clock.test(text) ? literal(text) : undefined
    default:
      return undefined
  }
}

const exact = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal', 'binary', 'varbinary', 'uuid'])
const times = new Set(['date', 'datetime', 'timestamp', 'time'])

/** Types whose values are equal only when they are the same: no collation stands between. */
export const isExact = (column: ComparedColumn): boolean => exact.has(baseOf(column)) || times.has(baseOf(column))

/**
 * Whether a column still shows this text, as plainly as its type allows for. What a collation may take for something else is
 * compared byte by byte, and so is what is in no calendar.
 */
export function reads(column: ComparedColumn, value: string, shown: string, text: string): string {
  const base = baseOf(column)
  if (base === 'binary' || base === 'varbinary') return `${value} <=> x'${text.slice(2)}'`
  if (base === 'float' || base === 'double') return `${value} <=> ${/e/i.test(text) ? text : `${text}e0`}`
  if (base === 'uuid' || base === 'time' || (times.has(base) && isReal(text))) return `${value} <=> ${literal(text)}`
  if (exact.has(base) && !times.has(base) && !column.cast.includes('zerofill')) return `${value} <=> ${text}`
  return `cast(${shown} as binary) <=> ${bytesOf(text)}`
}

/** A day that is in the calendar: the engine refuses to look for any other, and may yet hold one. */
function isReal(text: string): boolean {
  const [, day] = moment.exec(text) ?? []
  if (day === undefined || day < '0001') return false
  const at = new Date(`${day}T00:00:00Z`)
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(day)
}
