import type { Slice } from '../sides/side.ts'

/** A slice as the journal and the pages show it. */
export interface Ends {
  readonly from: string
  readonly to: string
}

type Range = Extract<Slice, { kind: 'range' }>
const isRange = (slice: Slice): slice is Range => slice.kind === 'range'

/** Decimal text: for ranges the first key and the last, for hashes the part and the number of parts. */
export const endsOf = (slice: Slice): Ends =>
  slice.kind === 'range'
    ? { from: String(slice.from), to: String(slice.to) }
    : { from: String(slice.part), to: String(slice.parts) }

/** What `endsOf` wrote down. */
export const sliceFrom = (strategy: Slice['kind'], { from, to }: Ends): Slice =>
  strategy === 'range'
    ? { kind: 'range', from: BigInt(from), to: BigInt(to) }
    : { kind: 'hash', part: Number(from), parts: Number(to) }

/** Key values of a slice; a part of hashes counts as one. */
export const keysOf = (slice: Slice): bigint => (slice.kind === 'range' ? slice.to - slice.from + 1n : 1n)

const inOrder = (slices: readonly Slice[]): Slice[] =>
  slices.toSorted((one, other) => (startOf(one) < startOf(other) ? -1 : 1))

const startOf = (slice: Slice) => (slice.kind === 'range' ? slice.from : BigInt(slice.part))

/** What of `space` is not in `done`, in the order of `space`. However either is cut, nothing is left out or told twice. */
export function remaining(space: readonly Slice[], done: readonly Slice[]): Slice[] {
  const parts = new Set(done.flatMap((slice) => (slice.kind === 'hash' ? [slice.part] : [])))
  const ranges = inOrder(done).filter(isRange)
  return space.flatMap((slice) => {
    if (slice.kind === 'hash') return parts.has(slice.part) ? [] : [slice]
    const left: Slice[] = []
    let from = slice.from
    for (const one of ranges) {
      if (one.to < from || one.from > slice.to) continue
      if (one.from > from) left.push({ kind: 'range', from, to: one.from - 1n })
      from = one.to + 1n
    }
    if (from <= slice.to) left.push({ kind: 'range', from, to: slice.to })
    return left
  })
}

/** Share of the key values of `space` that lie in `parts`, 0 to 1: 1 only when all do. */
export function shareOf(parts: readonly Slice[], space: readonly Slice[]): number {
  const sum = (slices: readonly Slice[]) => slices.reduce((keys, slice) => keys + keysOf(slice), 0n)
  const whole = sum(space)
  return whole === 0n ? 1 : Number((sum(parts) * 1_000_000n) / whole) / 1_000_000
}

export const larger = (one: bigint, other: bigint): bigint => (one > other ? one : other)
export const smaller = (one: bigint, other: bigint): bigint => (one < other ? one : other)
export const ceilDivide = (value: bigint, by: bigint): bigint => (value + by - 1n) / by
