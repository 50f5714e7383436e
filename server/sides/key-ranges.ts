import type { Slice } from './side.ts'

type Range = Extract<Slice, { kind: 'range' }>

/** Values of a single integer key, both ends included. */
export interface KeyRange {
  readonly from: bigint
  readonly to: bigint
}

/** The keys of neighbouring buckets, both included. The last bucket of a slice may be shorter than the others. */
export function keysOfBuckets({ from, to }: Range, width: bigint, first: bigint, last: bigint): KeyRange {
  const end = from + (last + 1n) * width - 1n
  return { from: from + first * width, to: end < to ? end : to }
}

/**
 * The keys of these buckets, neighbours as one.
 * @param joinedMax buckets that are joined at most, where what is read of a range comes at once.
 */
export function rangesOf(slice: Range, width: bigint, buckets: readonly number[], joinedMax?: bigint): KeyRange[] {
  const ranges: { from: bigint; to: bigint }[] = []
  for (const bucket of buckets.toSorted((one, other) => one - other).map(BigInt)) {
    const { from, to } = keysOfBuckets(slice, width, bucket, bucket)
    const before = ranges.at(-1)
    const joins = joinedMax === undefined || (before && to - before.from < width * joinedMax)
    if (before && before.to + 1n === from && joins) before.to = to
    else if (from <= to) ranges.push({ from, to })
  }
  return ranges
}
