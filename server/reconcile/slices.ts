import type { Cut, Slice } from '../sides/side.ts'
import { bucketsMax, powerOfTwo } from './sizing.ts'

/** Rows a bucket aims at that is known to differ. */
const bucketRows = 128

const ceilDivide = (value: bigint, by: bigint) => (value + by - 1n) / by
const larger = (one: bigint, other: bigint) => (one > other ? one : other)
const smaller = (one: bigint, other: bigint) => (one < other ? one : other)

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
