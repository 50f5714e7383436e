import type { Cut, Slice } from '../sides/side.ts'

/** Rows a slice aims at: what is read again after a failure, and told as progress. */
const sliceRows = 1_000_000
/** Rows a bucket aims at: fewer make more buckets to carry, more make more rows to list for one difference. */
const bucketRows = 128
/** Buckets one statement may answer, some 50 bytes each. */
export const bucketsMax = 65_536
/** Where a slice costs a scan of the whole table it is larger. */
const scannedSliceRows = 8_000_000
const widthMax = 2n ** 62n
const partsMax = 2 ** 20

export interface Sliced {
  readonly slices: readonly Slice[]
  readonly cut: Cut
}

const atLeastOne = (value: number) => Math.max(1, Math.ceil(value))
const ceilDivide = (value: bigint, by: bigint) => (value + by - 1n) / by
const larger = (one: bigint, other: bigint) => (one > other ? one : other)
const smaller = (one: bigint, other: bigint) => (one < other ? one : other)
const powerOfTwo = (value: number) => 2 ** Math.ceil(Math.log2(atLeastOne(value)))

/**
 * Cuts a key range, both ends included, into slices of about `sliceRows` by the estimated rows. A wrong estimate makes
 * buckets larger or smaller, never a row fall out.
 *
 * @param walked both sides read a slice by an index; otherwise each slice is a scan, and there are fewer of them.
 */
export function sliceRange(from: bigint, to: bigint, rowsEstimate: number, walked = true): Sliced {
  const span = to - from + 1n
  const rows = Math.min(atLeastOne(rowsEstimate), Number(span))
  const width = smaller(widthMax, larger(1n, ceilDivide(span * BigInt(bucketRows), BigInt(rows))))
  const buckets = ceilDivide(span, width)
  const wanted = Math.max(1, Math.round(rows / (walked ? sliceRows : scannedSliceRows)))
  const count = larger(BigInt(wanted), ceilDivide(buckets, BigInt(bucketsMax)))
  const step = ceilDivide(buckets, count) * width
  const slices: Slice[] = []
  for (let start = from; start <= to; start += step) {
    slices.push({ kind: 'range', from: start, to: smaller(to, start + step - 1n) })
  }
  return { slices, cut: { kind: 'range', width } }
}

export function sliceHash(rowsEstimate: number): Sliced {
  const rows = atLeastOne(rowsEstimate)
  const parts = Math.min(partsMax, powerOfTwo(rows / scannedSliceRows))
  const buckets = Math.min(bucketsMax, powerOfTwo(rows / parts / bucketRows))
  return {
    slices: Array.from({ length: parts }, (_, part): Slice => ({ kind: 'hash', part, parts })),
    cut: { kind: 'hash', buckets },
  }
}

/** A crowded bucket of a range as a slice of its own, cut finer by what is known to be in it. */
export function narrow(slice: Slice, cut: Cut, bucket: bigint, rows: number): { slice: Slice; cut: Cut } | undefined {
  if (slice.kind !== 'range' || cut.kind !== 'range' || cut.width === 1n) return undefined
  const from = slice.from + bucket * cut.width
  const to = smaller(slice.to, from + cut.width - 1n)
  const finest = ceilDivide(to - from + 1n, BigInt(bucketsMax))
  const fitting = ceilDivide(cut.width * BigInt(bucketRows), BigInt(rows))
  const width = larger(finest, smaller(fitting, ceilDivide(cut.width, 2n)))
  return { slice: { kind: 'range', from, to }, cut: { kind: 'range', width } }
}

/** A slice as the journal and the pages show it. */
export const endsOf = (slice: Slice): { from: string; to: string } =>
  slice.kind === 'range'
    ? { from: String(slice.from), to: String(slice.to) }
    : { from: String(slice.part), to: String(slice.parts) }

export const cutText = (cut: Cut): string => String(cut.kind === 'range' ? cut.width : cut.buckets)

/** What `endsOf` and `cutText` wrote down. */
export function slicedFrom(
  strategy: 'range' | 'hash',
  ends: readonly { readonly from: string; readonly to: string }[],
  cut: string,
): Sliced {
  return strategy === 'range'
    ? {
        slices: ends.map(({ from, to }) => ({ kind: 'range', from: BigInt(from), to: BigInt(to) })),
        cut: { kind: 'range', width: BigInt(cut) },
      }
    : {
        slices: ends.map(({ from, to }) => ({ kind: 'hash', part: Number(from), parts: Number(to) })),
        cut: { kind: 'hash', buckets: Number(cut) },
      }
}
