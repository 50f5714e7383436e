import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bucketsMax, endsOf, narrow, slicedFrom, sliceHash, sliceRange, cutText } from '../server/reconcile/slices.ts'

const int8 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const range = fc
  .tuple(int8, int8)
  .map(([one, other]) => (one < other ? [one, other] : [other, one]) as [bigint, bigint])
const near = fc.tuple(int8, fc.bigInt({ min: 0n, max: 1_000n })).map(([from, more]): [bigint, bigint] => {
  const to = from + more
  return [from, to < 2n ** 63n ? to : 2n ** 63n - 1n]
})
const rows = fc.oneof(fc.nat(), fc.constantFrom(0, 1, 128, 1_000_000, 1e12))

describe('a range of keys', () => {
  it('is cut into slices that meet, whatever the estimate', () => {
    fc.assert(
      fc.property(fc.oneof(range, near), rows, ([from, to], estimate) => {
        const { slices, cut } = sliceRange(from, to, Math.min(estimate, 1e10))
        expect(cut.kind === 'range' && cut.width >= 1n && cut.width < 2n ** 63n).toBe(true)
        let next = from
        for (const slice of slices) {
          if (slice.kind !== 'range' || cut.kind !== 'range') return expect.unreachable()
          expect(slice.from).toBe(next)
          expect((slice.to - slice.from) / cut.width).toBeLessThan(bucketsMax)
          next = slice.to + 1n
        }
        expect(next).toBe(to + 1n)
      }),
    )
  })

  it('is cut finer where it is crowded, to the last key of the bucket', () => {
    fc.assert(
      fc.property(fc.oneof(range, near), fc.nat(), fc.integer({ min: 4_097, max: 1e9 }), ([from, to], at, crowd) => {
        const { slices, cut } = sliceRange(from, to, 10)
        const slice = slices[0]!
        if (slice.kind !== 'range' || cut.kind !== 'range') return expect.unreachable()
        const bucket = BigInt(at) % ((slice.to - slice.from) / cut.width + 1n)
        const finer = narrow(slice, cut, bucket, crowd)
        if (cut.width === 1n) return expect(finer).toBe(undefined)
        if (finer?.slice.kind !== 'range' || finer.cut.kind !== 'range') return expect.unreachable()
        const end = slice.from + (bucket + 1n) * cut.width - 1n
        expect(finer.slice.from).toBe(slice.from + bucket * cut.width)
        expect(finer.slice.to).toBe(end < slice.to ? end : slice.to)
        expect(finer.cut.width).toBeLessThan(cut.width)
        expect((finer.slice.to - finer.slice.from) / finer.cut.width).toBeLessThan(bucketsMax)
      }),
    )
  })

  it('is read back from the journal as it was written down', () => {
    for (const sliced of [sliceRange(-5n, 2n ** 62n, 3_000_000), sliceHash(30_000_000)]) {
      const strategy = sliced.cut.kind
      const ends = JSON.parse(JSON.stringify(sliced.slices.map(endsOf))) as { from: string; to: string }[]
      expect(slicedFrom(strategy, ends, cutText(sliced.cut))).toEqual(sliced)
    }
  })
})
