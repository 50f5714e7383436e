import type { Cut, Slice } from '../sides/side.ts'
import { bucketRowsFor as bestBucketRows } from './descend.ts'
import { ceilDivide, keysOf, larger } from './intervals.ts'

/** Rows a bucket aims at while nothing is known: fewer make more buckets to carry, more make more rows to list for one difference. */
const bucketRowsMax = 512
/** The same where every look at a bucket is one more scan. */
const hashBucketRowsMax = 128
/** From this share of differing rows on nearly every bucket differs, however fine it is. */
const driftEverywhere = 0.1
/** Buckets one statement may answer, some 50 bytes each. */
export const bucketsMax = 65_536
/** Buckets a slice of a range aims at, at most: they are held by each slice that is read. */
const bucketsAim = 20_480
/** Keys that differ a slice aims at, at most: as many as are held at a time. */
const looksAim = 50_000
/** Where a slice costs a scan of the whole table it is this large, however long it takes. */
export const scannedSliceRows = 8_000_000
/** Values a database hashes in a millisecond, at a guess; the first slices tell. */
const valuesPerMs = 10_000
/** How much more a slice may aim at than the one before. */
const growthMax = 4
/** How much wider a row may seem to lie from its neighbour than before: a gap is crossed in few steps. */
const gapMax = 16
/** Where nobody knows how many rows there are, the first slice is this part of all keys. */
const blindShare = 64
const widthMax = 2n ** 62n

/** What is asked of slices. */
export interface Slicing {
  readonly targetMs: number
  readonly rowsMax: number
}

/** What is known of a table while it is read. */
export interface Sizing {
  /** Rows the next slice aims at. */
  readonly rows: number
  /** Rows the one after it aims at, at most; a few times as many where absent. */
  readonly most?: number
  /** How far apart keys lie, about, where the last slice was. */
  readonly keysPerRow: number
  /** Share of rows that differ, 0 to 1; undefined before the first slice. */
  readonly drift?: number
}

/** How one slice went, up to the first look at what differs. */
export interface Took {
  readonly keys: bigint
  readonly rows: number
  readonly ms: number
  readonly buckets: number
  readonly bucketsDiffering: number
  /** Keys that differed at the first look. */
  readonly looks: number
}

const between = (value: number, min: number, max: number) => Math.min(max, Math.max(min, value))

/** A table that is about to be read. */
export interface Sized {
  readonly rowsEstimate: number
  /** Columns that are hashed a row. */
  readonly values: number
  /** Both sides read a slice by an index; otherwise each slice is a scan, and there are as few as can be. */
  readonly walked: boolean
}

export function firstSizing(
  space: readonly Slice[],
  { rowsEstimate, values, walked }: Sized,
  slicing: Slicing,
): Sizing {
  const keys = Number(space.reduce((sum, slice) => sum + keysOf(slice), 0n))
  if (!walked) return { rows: scannedSliceRows, keysPerRow: keys / Math.max(1, rowsEstimate) }
  const guess = between((slicing.targetMs * valuesPerMs) / Math.max(1, values), 1, slicing.rowsMax)
  if (rowsEstimate > 0) return { rows: guess, keysPerRow: keys / rowsEstimate }
  return { rows: guess, keysPerRow: keys / blindShare / guess }
}

/** A first slice that tells how much differs before many rows are read in buckets of the wrong size: few and small. */
const pilotShare = 32
const pilotRowsMax = 32_768
const pilotFromRows = 200_000

/** What the first slice of all goes by; undefined where it may as well be an ordinary one. */
export const pilotOf = (first: Sizing, { rowsEstimate, walked }: Sized): Sizing | undefined =>
  walked && rowsEstimate >= pilotFromRows
    ? { ...first, rows: Math.min(first.rows, pilotRowsMax, rowsEstimate / pilotShare), most: first.rows }
    : undefined

/**
 * What the next slice goes by, once one more was read. Pure. A slice that had about as many rows as it aimed at tells how
 * fast they are read; one that had few only tells how far apart they lie, because most of its time is spent on the way.
 */
export function learn(before: Sizing, slicing: Slicing, took: Took): Sizing {
  const { keys, rows, ms } = took
  const pace = slicing.targetMs / Math.max(1, ms)
  const full = rows >= before.rows / 2
  const most = before.most ?? before.rows * growthMax
  const aim = full || pace < 1 ? Math.max(1, rows) * between(pace, 1 / growthMax, most / before.rows) : before.rows
  const apart = rows > 0 ? Number(keys) / rows : Infinity
  const drift = driftOf(took)
  return {
    rows: between(aim, 1, Math.min(slicing.rowsMax, most)),
    keysPerRow: Math.min(apart, before.keysPerRow * gapMax),
    drift: before.drift === undefined ? drift : (before.drift + drift) / 2,
  }
}

/**
 * Rows that differ, as a share. Neighbours that differ together make few buckets differ, so that what the buckets tell is
 * the better measure; once nearly all of them differ they tell nothing.
 */
function driftOf({ rows, buckets, bucketsDiffering, looks }: Took): number {
  if (rows === 0 || bucketsDiffering === 0) return 0
  const share = bucketsDiffering / Math.max(1, buckets)
  const bySight = Math.min(1, looks / rows)
  return share > 0.9 ? bySight : Math.min(bySight, (-Math.log(1 - share) * buckets) / rows)
}

/** What follows when more of a slice differed than is held at a time. */
export const learnCrowd = (before: Sizing): Sizing => ({ ...before, drift: 1 })
/** What follows when a slice took longer than a statement may. */
export const learnSlow = (before: Sizing): Sizing => ({ ...before, rows: Math.max(1, before.rows / growthMax) })

/** Rows a bucket of the next slice aims at. Pure. */
export function bucketRowsFor(drift: number | undefined): number {
  if (!drift || drift >= driftEverywhere) return bucketRowsMax
  return Math.min(bucketRowsMax, bestBucketRows(drift))
}

const bigOf = (value: number) => BigInt(Math.ceil(Math.min(value, Number(widthMax))))

/** Key values a bucket of a range has, before it is known how large the slice is. */
const widthFor = ({ drift, keysPerRow }: Sizing) => larger(1n, bigOf(bucketRowsFor(drift) * keysPerRow))

/**
 * How many key values the next slice of a range takes, of those that are left. Pure.
 * @param lanes slices that are read at once.
 */
export function keysFor(sizing: Sizing, left: bigint, lanes: number): bigint {
  const rows = sizing.drift ? Math.min(sizing.rows, looksAim / sizing.drift) : sizing.rows
  const aim = larger(1n, bigOf(rows * sizing.keysPerRow))
  const most = widthFor(sizing) * BigInt(bucketsAim)
  const keys = aim < most ? aim : most
  // The end is shared out, so that no lane works alone on a large last slice.
  if (left * 2n <= keys) return left
  const shares = larger((left + keys / 2n) / keys, BigInt(lanes))
  return ceilDivide(left, shares)
}

/** How a slice is cut into buckets by what is known so far. Pure. */
export function cutFor(slice: Slice, sizing: Sizing, rowsEstimate: number): Cut {
  if (slice.kind === 'hash') {
    const rows = rowsEstimate / slice.parts / Math.min(hashBucketRowsMax, bucketRowsFor(sizing.drift))
    return { kind: 'hash', buckets: Math.min(bucketsMax, powerOfTwo(rows)) }
  }
  return { kind: 'range', width: larger(widthFor(sizing), ceilDivide(keysOf(slice), BigInt(bucketsMax))) }
}

export const powerOfTwo = (value: number) => 2 ** Math.ceil(Math.log2(Math.max(1, value)))
