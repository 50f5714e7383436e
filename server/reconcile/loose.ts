import type { ColumnPair } from './plan.ts'

type Text = string | null

/**
 * Whether two values that do not hash alike are equal all the same: within a tolerance, in any case of letters, as a
 * document. For columns whose meaning no two databases tell alike; `pair.loose` says which they are. Pure.
 */
export function alike({ class: kind, options = {} }: ColumnPair, source: Text, target: Text): boolean {
  const [one, other] = [source, target].map((text) => folded(text, options))
  if (one == null || other == null) return one === other
  if (one === other) return true
  const { tolerance = 0, precision } = options
  switch (kind) {
    case 'json':
      return meaning(one) === meaning(other)
    case 'boolean':
    case 'integer':
    case 'numeric':
    case 'float': {
      const [left, right] = [one, other].map((text) => round(decimalOf(text), precision))
      return left !== undefined && right !== undefined && within(left, right, tolerance as number)
    }
    case 'date':
    case 'time':
    case 'timestamp': {
      const unit = 10n ** BigInt(microDigits - Math.min(precision ?? microDigits, microDigits))
      const [left, right] = [one, other].map((text) => microsOf(text))
      if (left === undefined || right === undefined) return false
      const apart = left - (left % unit) - (right - (right % unit))
      const allowed = BigInt((tolerance as { ms: number }).ms ?? 0) * 1000n
      return apart <= allowed && -apart <= allowed
    }
    default:
      return false
  }
}

function folded(text: Text, { case: fold, trim, emptyAsNull }: NonNullable<ColumnPair['options']>): Text {
  if (text === null) return null
  const cased = fold ? text.toLowerCase() : text
  // Blanks only, as both engines trim.
  const short = trim ? cased.replace(/^ +| +$/g, '') : cased
  return emptyAsNull && short === '' ? null : short
}

/** `digits` times ten to the minus `scale`. */
interface Decimal {
  readonly digits: bigint
  readonly scale: number
}

function decimalOf(text: string): Decimal | undefined {
  const [, sign, whole, fraction = '', exponent = '0'] =
    /^([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? []
  if (whole === undefined) return undefined
  const digits = BigInt(`${whole}${fraction}`) * (sign === '-' ? -1n : 1n)
  const scale = fraction.length - Number(exponent)
  return scale >= 0 ? { digits, scale } : { digits: digits * 10n ** BigInt(-scale), scale: 0 }
}

/** Half away from zero. */
function round(value: Decimal | undefined, precision: number | undefined): Decimal | undefined {
  if (!value || precision === undefined || value.scale <= precision) return value
  const unit = 10n ** BigInt(value.scale - precision)
  const half = value.digits < 0n ? -unit / 2n : unit / 2n
  return { digits: (value.digits + half) / unit, scale: precision }
}

function within(one: Decimal, other: Decimal, tolerance: number): boolean {
  const allowed = decimalOf(String(tolerance))!
  const scale = Math.max(one.scale, other.scale, allowed.scale)
  const at = (value: Decimal) => value.digits * 10n ** BigInt(scale - value.scale)
  const apart = at(one) - at(other)
  return (apart < 0n ? -apart : apart) <= at(allowed)
}

const microDigits = 6
const dayMicros = 86_400_000_000n

/** Microseconds since 1970, or of the day; undefined for what is no moment, such as infinity. */
function microsOf(text: string): bigint | undefined {
  const [, day, sign, hours = '0', minutes = '0', seconds = '0', fraction = ''] =
    /^(\d{4}-\d\d-\d\d)?[ T]?(-?)(?:(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?(?:\+00)?$/.exec(text) ?? []
  if (day === undefined && fraction === undefined) return undefined
  const date = day === undefined ? 0n : dayOf(day)
  if (date === undefined || sign === undefined) return undefined
  const ofDay = BigInt(hours) * 3600n + BigInt(minutes) * 60n + BigInt(seconds)
  const micros = ofDay * 1_000_000n + BigInt(fraction.padEnd(microDigits, '0'))
  return date + (sign === '-' ? -micros : micros)
}

function dayOf(text: string): bigint | undefined {
  const ms = Date.parse(`${text}T00:00:00Z`)
  // What no calendar has, as 2024-02-30 or 0000-00-00, is not moved to a day that it has.
  if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 10) !== text) return undefined
  return (BigInt(ms) / 86_400_000n) * dayMicros
}

/**
 * A document in a form that equal documents share: keys sorted, numbers by value and never cut to a double. What is no
 * document stands for itself.
 */
function meaning(text: string): string {
  try {
    // Numbers become texts before anything parses them, marked so that they are none of the document's own.
    const marked = text.replaceAll(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
      token.startsWith('"') ? `"s${token.slice(1)}` : JSON.stringify(`n${plainNumber(token)}`),
    )
    return JSON.stringify(sorted(JSON.parse(marked)))
  } catch {
    return `x${text}`
  }
}

/** Exponents beyond this are left as they are written: as digits they would fill the memory. */
const exponentMax = 1_000

function plainNumber(token: string): string {
  if (Math.abs(Number(/e([+-]?\d+)$/i.exec(token)?.[1] ?? 0)) > exponentMax) return token
  let { digits, scale } = decimalOf(token)!
  while (scale > 0 && digits % 10n === 0n) {
    digits /= 10n
    scale -= 1
  }
  return `${digits}/${scale}`
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).map(([name, part]) => [name, sorted(part)] as const)
  return { of: entries.sort(([one], [other]) => (one < other ? -1 : 1)) }
}
