import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openFrontier } from '../server/reconcile/frontier.ts'
import { endsOf, keysOf, remaining, shareOf, sliceFrom } from '../server/reconcile/intervals.ts'
import { bucketRowsFor, bucketsMax, learn, type Sizing, type Took } from '../server/reconcile/sizing.ts'
import { narrow } from '../server/reconcile/slices.ts'
import type { Slice } from '../server/sides/side.ts'

const int8 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
const range = fc
  .tuple(int8, int8)
  .map(([one, other]) => (one < other ? [one, other] : [other, one]) as [bigint, bigint])
const near = fc.tuple(int8, fc.bigInt({ min: 0n, max: 1_000n })).map(([from, more]): [bigint, bigint] => {
  const to = from + more
  return [from, to < 2n ** 63n ? to : 2n ** 63n - 1n]
})
const rows = fc.oneof(fc.nat(), fc.constantFrom(0, 1, 128, 1_000_000, 1e12))
const slicing = { targetMs: 1_000, rowsMax: 1e8 }
const table = { rowsEstimate: 10_000_000, values: 10, walked: true }
const ranged = (from: bigint, to: bigint): Slice => ({ kind: 'range', from, to })

type Range = Extract<Slice, { kind: 'range' }>
const took = (of: Partial<Took>): Took => ({
  ...{ keys: 1_000_000n, rows: 1_000_000, ms: 1_000, buckets: 977, bucketsDiffering: 0, looks: 0 },
  ...of,
})

describe('a range of keys', () => {
  it('is dealt out in slices that meet, whatever the estimate and however they went', () => {
    const course = fc.array(
      fc.record({ rows: fc.nat(2_000_000), ms: fc.nat(20_000), differing: fc.nat(1_000), looks: fc.nat(1e5) }),
      {
        minLength: 1,
        maxLength: 20,
      },
    )
    fc.assert(
      fc.property(
        fc.oneof(range, near),
        rows,
        course,
        fc.integer({ min: 1, max: 4 }),
        ([from, to], estimate, steps, lanes) => {
          const frontier = openFrontier([ranged(from, to)], { ...table, rowsEstimate: estimate }, slicing, lanes, 0)
          let next = from
          for (let step = 0; step < 60; step++) {
            const dealt = frontier.deal()
            if (!dealt) break
            const slice = dealt.slice as Range
            const width = (dealt.cut as { width: bigint }).width
            expect(dealt.ordinal).toBe(step)
            expect(slice.from).toBe(next)
            expect(width >= 1n && width < 2n ** 63n).toBe(true)
            expect((slice.to - slice.from) / width).toBeLessThan(bucketsMax)
            next = slice.to + 1n
            const { differing, ...one } = steps[step % steps.length]!
            frontier.learn(took({ ...one, keys: keysOf(slice), bucketsDiffering: differing }))
          }
          for (const rest of frontier.takeRest()) {
            expect((rest.slice as Range).from).toBe(next)
            next = (rest.slice as Range).to + 1n
          }
          expect(next).toBe(to + 1n)
          expect(frontier.left()).toBe(0)
        },
      ),
    )
  })

  it('gives back what is cut off a slice that was too large', () => {
    fc.assert(
      fc.property(
        fc.oneof(range, near),
        rows,
        fc.constantFrom('slow' as const, 'crowded' as const),
        ([from, to], estimate, why) => {
          const frontier = openFrontier([ranged(from, to)], { ...table, rowsEstimate: estimate }, slicing, 2, 7)
          const dealt = frontier.deal()!
          const part = frontier.cutBack(dealt, why)
          expect(part === undefined).toBe(keysOf(dealt.slice) === 1n)
          if (!part) return
          expect(part.ordinal).toBe(dealt.ordinal)
          expect(keysOf(part.slice)).toBeLessThan(keysOf(dealt.slice))
          const rest = frontier.takeRest().map(({ slice }) => slice)
          expect(remaining([ranged(from, to)], [part.slice, ...rest])).toEqual([])
          expect(rest.reduce((sum, slice) => sum + keysOf(slice), keysOf(part.slice))).toBe(to - from + 1n)
        },
      ),
    )
  })

  it('is dealt out in few slices when ten million rows are read at two million a second', () => {
    const frontier = openFrontier([ranged(1n, 11_000_000n)], table, { targetMs: 3_000, rowsMax: Infinity }, 2, 0)
    let slices = 0
    for (let dealt = frontier.deal(); dealt; dealt = frontier.deal()) {
      slices += 1
      const keys = keysOf(dealt.slice)
      const some = Math.round(Number(keys) / 1.1)
      frontier.learn(took({ keys, rows: some, ms: some / 2_000 }))
    }
    // The first of them is the pilot.
    expect(slices).toBeLessThanOrEqual(5)
  })

  it('is crossed in few steps where nothing is', () => {
    const frontier = openFrontier([ranged(0n, 2n ** 60n)], { ...table, rowsEstimate: 1_000_000 }, slicing, 2, 0)
    let slices = 0
    for (let dealt = frontier.deal(); dealt; dealt = frontier.deal()) {
      slices += 1
      // All rows lie together at the start.
      const { from, to } = dealt.slice as Range
      const some = from < 1_000_000n ? Number((to < 1_000_000n ? to : 1_000_000n) - from) : 0
      frontier.learn(took({ keys: keysOf(dealt.slice), rows: some, ms: 1 + some / 1_000 }))
    }
    expect(slices).toBeLessThan(30)
  })

  it('is cut finer where it is crowded, to the last key of the bucket', () => {
    fc.assert(
      fc.property(fc.oneof(range, near), fc.nat(), fc.integer({ min: 4_097, max: 1e9 }), ([from, to], at, crowd) => {
        const { slice, cut } = openFrontier([ranged(from, to)], { ...table, rowsEstimate: 10 }, slicing, 1, 0).deal()!
        if (slice.kind !== 'range' || cut.kind !== 'range') return expect.unreachable()
        const bucket = BigInt(at) % ((slice.to - slice.from) / cut.width + 1n)
        const finer = narrow(slice, cut, Number(bucket), crowd)
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
    for (const slice of [ranged(-5n, 2n ** 62n), { kind: 'hash', part: 3, parts: 8 } as const]) {
      const ends = JSON.parse(JSON.stringify(endsOf(slice))) as { from: string; to: string }
      expect(sliceFrom(slice.kind, ends)).toEqual(slice)
    }
  })
})

describe('what remains of a key space', () => {
  it('is every key that was not read, once, however what was read was cut', () => {
    const cuts = fc.uniqueArray(fc.integer({ min: 1, max: 199 }), { maxLength: 12 })
    const chosen = fc.array(fc.boolean(), { minLength: 13, maxLength: 13 })
    fc.assert(
      fc.property(cuts, cuts, chosen, (some, others, taken) => {
        const cut = (at: readonly number[]) =>
          [0, ...at.toSorted((one, other) => one - other), 200]
            .slice(1)
            .map((end, place, ends) => ranged(BigInt(place === 0 ? 0 : ends[place - 1]!), BigInt(end) - 1n))
        const space = cut(some)
        const done = cut(others).filter((_, place) => taken[place])
        const keys = (slices: readonly Slice[]) =>
          (slices as Range[]).flatMap(({ from, to }) =>
            Array.from({ length: Number(to - from) + 1 }, (_, n) => Number(from) + n),
          )
        const read = new Set(keys(done))
        const left = remaining(space, done.toReversed())
        expect(keys(left)).toEqual(Array.from({ length: 200 }, (_, n) => n).filter((key) => !read.has(key)))
        expect(shareOf(done, space)).toBeCloseTo(read.size / 200, 5)
      }),
    )
  })

  it('is the parts of hashes that were not read', () => {
    const part = (of: number): Slice => ({ kind: 'hash', part: of, parts: 4 })
    expect(remaining([0, 1, 2, 3].map(part), [part(2), part(0)])).toEqual([part(1), part(3)])
    expect(shareOf([part(2), part(0)], [0, 1, 2, 3].map(part))).toBe(0.5)
  })

  it('is told as a share that is one only when nothing is left', () => {
    expect(shareOf([ranged(0n, 2n ** 62n - 1n)], [ranged(0n, 2n ** 62n)])).toBeLessThan(1)
    expect(shareOf([ranged(0n, 2n ** 62n)], [ranged(0n, 2n ** 62n)])).toBe(1)
  })
})

describe('the next slice', () => {
  const before: Sizing = { rows: 1_000_000, keysPerRow: 1 }

  it('takes as long as is asked for', () => {
    const sizes = (ms: number) => learn(before, slicing, took({ ms })).rows
    expect(sizes(500)).toBe(2_000_000)
    expect(sizes(2_000)).toBe(500_000)
    expect(sizes(1)).toBe(4_000_000)
    expect(sizes(60_000)).toBe(250_000)
  })

  it('is not larger because there was nothing in the one before', () => {
    expect(learn(before, slicing, took({ rows: 10, ms: 3 }))).toMatchObject({ rows: 1_000_000, keysPerRow: 16 })
    expect(learn(before, slicing, took({ rows: 0, ms: 3 }))).toMatchObject({ rows: 1_000_000, keysPerRow: 16 })
  })

  it('has no more rows than it may', () => {
    expect(learn(before, { ...slicing, rowsMax: 1_200_000 }, took({ ms: 1 })).rows).toBe(1_200_000)
  })

  it('is cut finer the more differed, and coarsely again when all did', () => {
    expect([undefined, 0, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.05, 0.5, 1].map(bucketRowsFor)).toEqual([
      512, 512, 512, 316, 100, 32, 10, 8, 512, 512,
    ])
  })

  it('finds out what share differs, by the buckets while they tell', () => {
    const drifts = (differing: Partial<Took>) => learn(before, slicing, took(differing)).drift!
    expect(drifts({})).toBe(0)
    // A hundred here and there.
    expect(drifts({ bucketsDiffering: 95, looks: 100 })).toBeCloseTo(1e-4, 5)
    // A thousand side by side.
    expect(drifts({ bucketsDiffering: 2, looks: 1_000 })).toBeLessThan(1e-5)
    // One in a hundred: in every bucket.
    expect(drifts({ bucketsDiffering: 977, looks: 10_000 })).toBeCloseTo(0.01, 5)
    expect(drifts({ bucketsDiffering: 977, looks: 1_000_000 })).toBe(1)
  })
})
