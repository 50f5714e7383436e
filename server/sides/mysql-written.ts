import { clockOf } from './clock.ts'
import { literal, baseOf } from './mysql-literal.ts'
import { isBytes } from './mysql-rows.ts'
import type { ComparedColumn } from './side.ts'

/** A value as SQL, or why the column cannot hold it: what the engine would cut or round without a word is never sent. */
export type Written = { readonly sql: string } | { readonly unfit: string }

const sql = (text: string): Written => ({ sql: text })
const unfit = (why: string): Written => ({ unfit: why })

/** A value as either engine shows it, for one of our columns. */
export function written(column: ComparedColumn, value: string | null): Written {
  if (value === null) return sql('null')
  if (isBytes(column)) return bytes(column, value)
  const base = baseOf(column)
  switch (base) {
    case 'tinyint':
    case 'smallint':
    case 'mediumint':
    case 'int':
    case 'bigint':
      return decimal(truths[value] ?? value, 0)
    case 'decimal':
      return decimal(value, column.digits ?? 0)
    case 'float':
    case 'double':
      return /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(value)
        ? sql(literal(value))
        : unfit(`"${value}" is no number here`)
    case 'year':
      // Two digits would be taken for a year of our own century.
      return /^(?:0|0000)$/.test(value) ? sql('0') : /^\d{4}$/.test(value) ? sql(value) : unfit(`"${value}" is no year`)
    case 'bit':
      return bits(column, value)
    case 'enum':
    case 'set':
      return listed(column, value)
    case 'char':
    case 'varchar':
      return bounded(column, value)
    case 'date':
      return /^\S+ 00:00:00(?:\.0+)?(?:\+00(?::00)?|Z)?$/.test(value)
        ? sql(literal(value.slice(0, value.indexOf(' '))))
        : value.includes(' ')
          ? unfit(`"${value}" is more than a date`)
          : sql(literal(value))
    case 'datetime':
    case 'timestamp':
    case 'time':
      return timed(column, value)
    case 'uuid':
      // Bytes are shown as \x and hex.
      return sql(literal(value.replace(/^\\x/, '')))
    default:
      return sql(literal(value))
  }
}

const truths: Readonly<Record<string, string>> = { t: '1', true: '1', f: '0', false: '0' }

function decimal(value: string, digits: number): Written {
  const [, whole, fraction = ''] = /^(-?\d+)(?:\.(\d+))?$/.exec(value) ?? []
  if (whole === undefined) return unfit(`"${value}" is no number here`)
  const kept = fraction.replace(/0+$/, '')
  if (kept.length > digits) return unfit(`"${value}" has more than ${digits} digits after the point`)
  return sql(kept ? `${whole}.${kept}` : whole)
}

function bytes(column: ComparedColumn, value: string): Written {
  const [, hex] = /^\\x((?:[0-9a-f]{2})*)$/i.exec(value) ?? []
  const plain =
    hex ?? (column.class === 'uuid' ? value.replaceAll('-', '') : Buffer.from(value, 'utf8').toString('hex'))
  if (!/^(?:[0-9a-f]{2})*$/i.test(plain)) return unfit(`"${value}" is no bytes`)
  if (baseOf(column) === 'binary' && plain.length / 2 !== column.digits) {
    return unfit(`${plain.length / 2} bytes would be filled up to ${column.digits}`)
  }
  return sql(`x'${plain}'`)
}

function bits(column: ComparedColumn, value: string): Written {
  const digits = truths[value] ?? value
  if (!/^[01]+$/.test(digits)) return unfit(`"${value}" is no bits`)
  return digits.length === column.digits || column.class !== 'bits'
    ? sql(`b'${digits}'`)
    : unfit(`${digits.length} bits do not fill ${column.digits}`)
}

/** What is on no list may yet be taken for a place in it, and what differs by case alone for the one it is not. */
function listed(column: ComparedColumn, value: string): Written {
  const members = [...column.cast.matchAll(/'((?:[^']|'')*)'/g)].map(([, member]) => member!.replaceAll("''", "'"))
  const wanted = baseOf(column) === 'set' ? value.split(',').filter((one) => one !== '') : [value]
  const strange = wanted.find((one) => !members.includes(one))
  return strange === undefined ? sql(literal(value)) : unfit(`"${strange}" is not on its list`)
}

function bounded(column: ComparedColumn, value: string): Written {
  const letters = [...value].length
  if (letters > (column.digits ?? Infinity)) return unfit(`${letters} letters are more than ${column.digits}`)
  if (baseOf(column) === 'char' && value.endsWith(' ')) return unfit('it ends in a blank, which a CHAR does not keep')
  return sql(literal(value))
}

function timed(column: ComparedColumn, value: string): Written {
  const plain = clockOf(value) ?? value.replace(/ ?(?:\+00(?::00)?|Z)$/, '')
  const [, fraction = ''] = /\.(\d+)$/.exec(plain) ?? []
  const digits = column.digits ?? 0
  if (fraction.replace(/0+$/, '').length > digits) {
    return unfit(`"${value}" has more than ${digits} digits after the second`)
  }
  return sql(literal(plain))
}
