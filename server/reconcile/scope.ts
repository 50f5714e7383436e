import type { Key } from '../sides/side.ts'
import { total } from './classify.ts'
import type { Mode } from './mode.ts'
import type { Counts } from './records.ts'

/** A column by which a side tells what was written lately, by the name each side has for it. */
export interface WatermarkColumns {
  readonly source: string
  readonly target: string
}

/** How far the writes of each side had got when a run began, before it read anything; null where there was no row. */
export interface Watermark extends WatermarkColumns {
  readonly newest: { readonly source: string | null; readonly target: string | null }
}

/** The last verified run of a pair: what an incremental run goes on from. */
export interface Base {
  readonly run: string
  readonly fingerprint: string
  readonly watermark?: Watermark
  /** Keys on either side, as a full run counted them. */
  readonly keys: number
  /** Differences it found, and how many of them were kept. */
  readonly found: number
  readonly kept: number
  /** The keys of the differences it kept. */
  open(): Promise<readonly Key[]>
}

/** What an ended run leaves for the next to go on from. `open` tells the keys of the differences it kept. */
export function baseOf(
  { fingerprint, aim }: { readonly fingerprint: string; readonly aim?: Aim },
  { run, differences, coverage, kept, rows }: Ended,
  open: Base['open'],
): Base {
  const watermark = aim?.mode === 'full' || aim?.mode === 'incremental' ? aim.watermark : undefined
  const found = total(differences)
  const keys = coverage?.keys ?? rows.source + differences.extra
  return { run, fingerprint, keys, found, kept, open, ...(watermark ? { watermark } : {}) }
}

interface Ended {
  readonly run: string
  readonly rows: { readonly source: number }
  readonly differences: Counts
  readonly kept: number
  /** Runs of older versions have none: they compared everything. */
  readonly coverage?: Coverage
}

/** A part of the key space, both ends included: keys, or numbers of hash parts. */
export interface Interval {
  readonly from: bigint
  readonly to: bigint
}

/** A part of the key space that was compared, and what was found in it. */
export interface Verified extends Interval {
  readonly run: string
  /** When the run that read it began. */
  readonly at: Date
  readonly rows: { readonly source: number; readonly target: number }
  readonly counts: Counts
}

/** What a run is asked to compare, with what is remembered of earlier runs. */
export type Scope =
  | { readonly mode: 'full' }
  | { readonly mode: 'incremental'; readonly base?: Base | undefined }
  | { readonly mode: 'sample'; readonly seed: string }
  | {
      readonly mode: 'scrub'
      /** When each part was last compared by a plan of this fingerprint. */
      readonly verified: (fingerprint: string) => Promise<readonly Verified[]>
    }

/** What a run compares in fact, as it is written down with its plan: JSON all through. */
export type Aim =
  | { readonly mode: 'full'; readonly watermark?: Watermark }
  | {
      readonly mode: 'incremental'
      readonly watermark: Watermark
      readonly since: Watermark['newest']
      readonly base: string
      /** Keys of the whole pair, as last counted. */
      readonly of: number
      /** Keys to look at, and how many of them only because they differed before. */
      readonly keys: number
      readonly open: number
      /** The keys are dealt out over so many parts, a power of two. */
      readonly parts: number
    }
  | { readonly mode: 'sample'; readonly seed: string; readonly share: number }
  | { readonly mode: 'scrub' }

/** How much a verdict speaks for: shown wherever a verdict is. */
export interface Coverage {
  /** What was done in fact: `full` also where an incremental run could not go on from an earlier one. */
  readonly mode: Mode
  /** Share of the key space that was compared, 0 to 1; of an incremental run, of the keys. */
  readonly share: number
  /** Keys on either side of the whole pair, as far as they were ever counted; the match ratio is of these. */
  readonly keys: number
  /** The match ratio stands for more than was compared. */
  readonly estimated: boolean
  /** In a sentence, for people. */
  readonly says: string
}

/** Why an incremental run cannot go on from this base; undefined when it can. Pure. */
export function fullBecause(
  base: Base | undefined,
  now: { readonly fingerprint: string; readonly columns: WatermarkColumns },
): string | undefined {
  if (!base) return 'no earlier run of this pair told how both copies stand'
  if (base.fingerprint !== now.fingerprint) return 'the tables, or what is compared of them, changed since the last run'
  const { watermark } = base
  if (!watermark) return 'the last verified run noted no watermark'
  if (watermark.source !== now.columns.source || watermark.target !== now.columns.target) {
    return `the last verified run went by ${watermark.source} and ${watermark.target}`
  }
  if (base.kept < base.found) return `the last verified run kept ${base.kept} of ${base.found} differences`
  return undefined
}

const stamp = /^(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6})$/

/**
 * A watermark moved back: by milliseconds for a time, by a count for a number. Null, which is before everything, for null
 * and for what has no place in our calendar.
 */
export function before(newest: string | null, back: { readonly ms: number } | { readonly count: number }) {
  if (newest === null) return null
  if ('count' in back) return String(BigInt(newest) - BigInt(back.count))
  const parts = stamp.exec(newest)
  if (!parts) return null
  const [year, month, day, hour, minute, second, micros] = parts.slice(1).map(Number) as [number, ...number[]]
  const at = new Date(0)
  at.setUTCFullYear(year, month! - 1, day)
  at.setUTCHours(hour!, minute!, second!)
  const moved = BigInt(at.getTime()) * 1_000n + BigInt(micros!) - BigInt(Math.round(back.ms * 1_000))
  const seconds = moved >= 0n ? moved / 1_000_000n : -((-moved + 999_999n) / 1_000_000n)
  const text = new Date(Number(seconds) * 1_000).toISOString()
  // Five digits and more, or a sign: beyond what the other patterns take.
  if (text.length !== 24 || text.startsWith('0000')) return null
  return `${text.slice(0, 10)} ${text.slice(11, 19)}.${String(moved - seconds * 1_000_000n).padStart(6, '0')}`
}

export const nameOf = (key: Key): string => (key.length === 1 ? key[0]! : JSON.stringify(key))

/** Which of `parts` (a power of two) a key is in: the same in every process, however the keys were found. */
export function partOf(name: string, parts: number): number {
  let hash = 0x811c9dc5
  for (let place = 0; place < name.length; place++) {
    hash = Math.imul(hash ^ name.charCodeAt(place), 0x01000193)
  }
  hash ^= hash >>> 15
  return (Math.imul(hash, 0x2c1b3c6d) >>> 8) & (parts - 1)
}
