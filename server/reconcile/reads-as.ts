import type { Column } from '../sides/side.ts'
import { clockOf } from '../sides/clock.ts'
import { alike } from './loose.ts'
import type { ColumnPair } from './plan.ts'

type Text = string | null

/**
 * Whether a value that was written into a column reads as it was to be written, although two engines, or two types of one,
 * may print it differently. By the meaning the pair is compared by. Pure.
 */
export function readsAs(pair: ColumnPair, written: Column, wanted: Text, found: Text): boolean {
  if (wanted === found) return true
  if (wanted === null || found === null) return alike(pair, wanted, found)
  const [one, other] = [wanted, found].map((text) => plain(pair, written, text)) as [string, string]
  return one === other || alike(pair, one, other)
}

const truths: Readonly<Record<string, string>> = { t: '1', true: '1', f: '0', false: '0' }
const singles = /^(?:real|float)\b/

/** A printed value without what only the printing adds. */
function plain({ class: kind }: ColumnPair, { cast }: Column, text: string): string {
  switch (kind) {
    case 'boolean':
    case 'integer':
    case 'numeric':
    case 'bits':
      return truths[text] ?? text
    case 'float': {
      const number = Number(truths[text] ?? text)
      // A column of half the digits keeps what it can, and one side prints no more than that.
      return String(singles.test(cast) ? Math.fround(number) : number)
    }
    case 'uuid':
      return text.replaceAll(/^\\x|-/g, '').toLowerCase()
    case 'bytes':
      return text.startsWith('\\x') ? text.slice(2).toLowerCase() : Buffer.from(text, 'utf8').toString('hex')
    case 'date':
    case 'timestamp':
      return withoutZeros(text.replace(/\+00(?= BC$|$)/, '')).replace(/ 00:00:00(?= BC$|$)/, '')
    case 'time':
    case 'interval':
      return withoutZeros(clockOf(text) ?? text)
    default:
      return text
  }
}

const withoutZeros = (text: string) => text.replace(/(\.\d*?)0+(?= BC$|$)/, '$1').replace(/\.(?= BC$|$)/, '')
