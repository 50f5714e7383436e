import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Kind } from '../server/reconcile/records.ts'
import { hashBuckets, rangeBuckets, rangeEdges, type Found, type SpacePart } from '../server/store/key-space.ts'

const none = { missing: 0, extra: 0, changed: 0 }
const states = ['verified', 'differing', 'unknown', 'pending'] as const

/** Slices of random sizes with random gaps, and rows that differ in those that say so: some kept, some not. */
const spaces = fc
  .array(
    fc.record({
      gap: fc.oneof(fc.constant(0n), fc.bigInt(1n, 40n)),
      keys: fc.oneof(fc.bigInt(1n, 30n), fc.bigInt(1n, 2n ** 66n)),
      state: fc.constantFrom(...states),
      differing: fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), fc.boolean())),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .chain((parts) => fc.tuple(fc.constant(parts), fc.bigInt(-(2n ** 65n), 2n ** 65n)))
  .map(([parts, start]) => {
    let next = start
    return parts.map(({ gap, keys, state, differing }, ordinal) => {
      const from = next + gap
      const to = from + keys - 1n
      next = to + 1n
      const rows = state === 'differing' ? [[0, true] as const, ...differing] : []
      const at = rows.map(([share, kept]) => ({
        key: from + (BigInt(Math.floor(share * 1e6)) % keys),
        kept,
      }))
      const counts = { ...none, changed: rows.length }
      const slice: SpacePart = { ordinal, from: String(from), to: String(to), state, counts }
      return { slice, from, to, at }
    })
  })

describe('the key space of a run', () => {
  it('is told as by hand, however it was cut into slices', () => {
    fc.assert(
      fc.property(spaces, (parts) => {
        const slices = parts.map(({ slice }) => slice)
        const edges = rangeEdges(slices)
        const bucketOf = (key: bigint) => Number(((key - edges.from) * BigInt(edges.parts)) / edges.span)
        const found = parts.flatMap(({ slice, at }): Found[] =>
          at
            .filter(({ kept }) => kept)
            .map(({ key }) => ({ slice: slice.ordinal, bucket: bucketOf(key), kind: 'changed' as Kind, rows: 1 })),
        )
        const buckets = rangeBuckets(slices, edges, found)

        // They meet, from the first key to the last.
        expect(buckets.length).toBeLessThanOrEqual(120)
        expect([buckets[0]!.from, buckets.at(-1)!.to]).toEqual([slices[0]!.from, slices.at(-1)!.to])
        for (const [index, { from }] of buckets.entries()) {
          if (index > 0) expect(BigInt(from)).toBe(BigInt(buckets[index - 1]!.to) + 1n)
        }
        for (const bucket of buckets) {
          const [low, high] = [BigInt(bucket.from), BigInt(bucket.to)]
          const inside = parts.filter(({ from, to }) => from <= high && to >= low)
          const rows = inside.flatMap(({ at }) => at.filter(({ key }) => key >= low && key <= high))
          expect(bucket.counts.changed).toBe(rows.filter(({ kept }) => kept).length)
          const has = (state: SpacePart['state']) => inside.some(({ slice }) => slice.state === state)
          if (bucket.state === 'skipped') expect(inside).toEqual([])
          // Equal is only what was read whole and holds no row that differs, kept or not.
          else if (bucket.state === 'verified')
            expect([has('unknown'), has('pending'), rows]).toEqual([false, false, []])
          else if (bucket.state === 'differing') expect(bucket.more || rows.length > 0).toBe(true)
          else expect(has(bucket.state)).toBe(true)
          if (inside.length === 0) expect(bucket).toMatchObject({ state: 'skipped', covered: 0 })
          expect(bucket.covered).toBeLessThanOrEqual(1)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('is told by part where the key is hashed, in the order of the parts', () => {
    const slice = (ordinal: number, part: number, more: Partial<SpacePart> = {}): SpacePart => {
      return { ordinal, from: String(part), to: '4', state: 'verified', counts: none, ...more }
    }
    const differing = { state: 'differing', counts: { ...none, extra: 2 } } as const
    const slices = [slice(0, 3), slice(1, 0, differing), slice(2, 1, differing)]
    const found = [
      { slice: 1, bucket: 0, kind: 'extra', rows: 2 },
      { slice: 2, bucket: 0, kind: 'extra', rows: 1 },
    ] as const
    expect(hashBuckets(slices, found).map(({ from, to, state, more }) => [from, to, state, more])).toEqual([
      ['0', '0', 'differing', false],
      ['1', '1', 'differing', true],
      ['3', '3', 'verified', false],
    ])
  })
})
