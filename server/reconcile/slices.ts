import type { BucketRun, Cut, Slice } from '../sides/side.ts'
import { ceilDivide, larger, smaller } from './intervals.ts'
import { bucketsMax, powerOfTwo } from './sizing.ts'

/** Rows a bucket aims at that is known to differ. */
const bucketRows = 128

/** A crowded bucket of a range as a slice of its own, cut finer by what is known to be in it. */
export function narrow(slice: Slice, cut: Cut, bucket: number, rows: number): { slice: Slice; cut: Cut } | undefined {
  if (slice.kind !== 'range' || cut.kind !== 'range' || cut.width === 1n) return undefined
  const from = slice.from + BigInt(bucket) * cut.width
  const to = smaller(slice.to, from + cut.width - 1n)
  const finest = ceilDivide(to - from + 1n, BigInt(bucketsMax))
  const fitting = ceilDivide(cut.width * BigInt(bucketRows), BigInt(rows))
  const width = larger(finest, smaller(fitting, ceilDivide(cut.width, 2n)))
  return { slice: { kind: 'range', from, to }, cut: { kind: 'range', width } }
}

/** Buckets of a slice, those without a row too. */
export const cellsOf = (slice: Slice, cut: Cut): number =>
  slice.kind === 'range' && cut.kind === 'range'
    ? Number((slice.to - slice.from) / cut.width) + 1
    : (cut as Extract<Cut, { kind: 'hash' }>).buckets

/** The same slice again with buckets this many times smaller, in as many parts as their number asks for; none when it cannot. */
export function refine(slice: Slice, cut: Cut, times: number): readonly { slice: Slice; cut: Cut }[] {
  if (slice.kind === 'hash' || cut.kind === 'hash') {
    const { buckets } = cut as Extract<Cut, { kind: 'hash' }>
    const finer = Math.min(bucketsMax, powerOfTwo(buckets * times))
    return finer > buckets ? [{ slice, cut: { kind: 'hash', buckets: finer } }] : []
  }
  const width = larger(1n, cut.width / BigInt(Math.round(times)))
  if (width === cut.width) return []
  const step = width * BigInt(bucketsMax)
  const parts: { slice: Slice; cut: Cut }[] = []
  for (let from = slice.from; from <= slice.to; from += step) {
    parts.push({
      slice: { kind: 'range', from, to: smaller(slice.to, from + step - 1n) },
      cut: { kind: 'range', width },
    })
  }
  return parts
}

/** Some buckets of a range alone, cut this many times finer; in as many parts as their number asks for, none when it cannot. */
export function deepen(slice: Slice, cut: Cut, buckets: readonly number[], times: number): readonly Cut[] {
  if (slice.kind === 'hash' || cut.kind === 'hash') return []
  const width = larger(1n, cut.width / BigInt(Math.round(times)))
  const lastOfAll = (slice.to - slice.from) / width
  // Buckets go by their number, which must be one that can be counted.
  if (width === cut.width || lastOfAll > Number.MAX_SAFE_INTEGER) return []
  const parts: BucketRun[][] = []
  let room = 0n
  let next = 0n
  for (const bucket of buckets.toSorted((one, other) => one - other).map(BigInt)) {
    // Where the finer buckets do not end with the coarse ones, two neighbours share one.
    let first = larger(next, (bucket * cut.width) / width)
    const last = smaller(lastOfAll, ((bucket + 1n) * cut.width - 1n) / width)
    next = last + 1n
    while (first <= last) {
      if (room === 0n) {
        parts.push([])
        room = BigInt(bucketsMax)
      }
      const end = smaller(last, first + room - 1n)
      const runs = parts.at(-1)!
      const before = runs.at(-1)
      if (before && before.last + 1n === first) runs[runs.length - 1] = { first: before.first, last: end }
      else runs.push({ first, last: end })
      room -= end - first + 1n
      first = end + 1n
    }
  }
  return parts.map((only) => ({ kind: 'range', width, only }))
}
