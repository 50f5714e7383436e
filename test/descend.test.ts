import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { agrees, classify, look } from '../server/reconcile/classify.ts'
import { bucketRowsFor, closerLook, compareDigests, deeperLook, type Compared } from '../server/reconcile/descend.ts'
import { bucketsMax } from '../server/reconcile/sizing.ts'
import { deepen, refine } from '../server/reconcile/slices.ts'
import type { KeyHash } from '../server/sides/side.ts'

/** What a digest of so many rows and buckets found, when this many buckets differ. */
const found = (rows: number, buckets: number, differing: number): Compared => ({
  rows: { source: rows, target: rows },
  buckets,
  differing: Array.from({ length: differing }, (_, bucket) => ({ bucket, rows: rows / buckets })),
})

describe('differing buckets', () => {
  it('are listed where few differ, and cut finer where many do', () => {
    expect(closerLook(found(1_000_000, 4_000, 0), 4_000)).toBe(undefined)
    expect(closerLook(found(1_000_000, 4_000, 100), 4_000)).toBe(undefined)
    // One row in a hundred differs: nine buckets in ten have one.
    expect(closerLook(found(1_000_000, 4_000, 3_680), 4_000)).toBeCloseTo(25, 0)
  })

  it('are listed where nothing would be gained by looking closer', () => {
    expect(closerLook(found(1_000_000, 125_000, 125_000), 125_000)).toBe(undefined)
    const oneSided = { ...found(1_000_000, 4_000, 4_000), rows: { source: 1_000_000, target: 0 } }
    expect(closerLook(oneSided, 4_000)).toBe(undefined)
    // Three buckets hold all rows, and two million none.
    expect(closerLook(found(20_000, 3, 3), 2_000_000)).toBe(undefined)
  })

  it('are looked at again by themselves where an index reads them and that spares listing them', () => {
    // A hundred rows of a million differ, each in a bucket of its own.
    expect(deeperLook(found(1_000_000, 2_000, 100))).toBeCloseTo(23, 0)
    expect(deeperLook(found(1_000_000, 2_000, 0))).toBe(undefined)
    // Two buckets are listed in less time than another statement takes.
    expect(deeperLook(found(1_000_000, 2_000, 2))).toBe(undefined)
    // Ten of a bucket's eleven rows differ: nothing is spared.
    expect(deeperLook(found(110_000, 10_000, 10_000))).toBe(undefined)
    expect(deeperLook({ ...found(1_000_000, 2_000, 100), rows: { source: 1_000_000, target: 0 } })).toBe(undefined)
  })

  it('hold fewer rows the more of them differ', () => {
    expect([1e-5, 1e-4, 1e-3, 1e-2, 1].map(bucketRowsFor)).toEqual([316, 100, 32, 10, 8])
  })

  it('are those whose count or sum is not the same, or that one side does not have', () => {
    const digest = fc.record({
      bucket: fc.nat(30),
      rows: fc.integer({ min: 1, max: 3 }),
      sum: fc.constantFrom('1', '2'),
    })
    const digests = fc.uniqueArray(digest, { selector: ({ bucket }) => bucket })
    fc.assert(
      fc.property(digests, digests, (source, target) => {
        const { differing, buckets } = compareDigests(source, target)
        const at = (side: typeof source, bucket: number) => side.find((one) => one.bucket === bucket)
        const all = [...new Set([...source, ...target].map(({ bucket }) => bucket))]
        const naive = all.filter((bucket) => {
          const [one, other] = [at(source, bucket), at(target, bucket)]
          return one?.rows !== other?.rows || one?.sum !== other?.sum
        })
        expect(differing.map(({ bucket }) => bucket).toSorted()).toEqual(naive.toSorted())
        expect(buckets).toBe(all.length)
      }),
    )
  })
})

describe('a slice that is cut finer', () => {
  it('is covered by parts that meet, each within the limit of buckets', () => {
    const range = fc.tuple(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.bigInt({ min: 0n, max: 2n ** 40n }),
    )
    fc.assert(
      fc.property(
        range,
        fc.bigInt({ min: 1n, max: 2n ** 30n }),
        fc.integer({ min: 2, max: 64 }),
        ([from, more], width, times) => {
          const to = from + more
          fc.pre(more / (width / BigInt(times) + 1n) < BigInt(bucketsMax * 100))
          let next = from
          for (const part of refine({ kind: 'range', from, to }, { kind: 'range', width }, times)) {
            if (part.slice.kind !== 'range' || part.cut.kind !== 'range') return expect.unreachable()
            expect(part.slice.from).toBe(next)
            expect(part.cut.width < width && part.cut.width >= 1n).toBe(true)
            expect((part.slice.to - part.slice.from) / part.cut.width).toBeLessThan(bucketsMax)
            next = part.slice.to + 1n
          }
          if (width > 1n) expect(next).toBe(to + 1n)
          else expect(next).toBe(from)
        },
      ),
    )
  })

  it('is not cut at all where a bucket is one key or the limit is reached', () => {
    expect(refine({ kind: 'range', from: 0n, to: 99n }, { kind: 'range', width: 1n }, 8)).toEqual([])
    const hashed = { kind: 'hash', part: 0, parts: 1 } as const
    expect(refine(hashed, { kind: 'hash', buckets: bucketsMax }, 8)).toEqual([])
    expect(refine(hashed, { kind: 'hash', buckets: 1_024 }, 8)).toEqual([
      { slice: hashed, cut: { kind: 'hash', buckets: 8_192 } },
    ])
  })
})

describe('buckets that are cut finer by themselves', () => {
  const width = fc.bigInt({ min: 1n, max: 2n ** 30n })
  it('are covered once, key by key, with no more than their neighbours share with them', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 62n }),
        fc.bigInt({ min: 0n, max: 2n ** 40n }),
        width,
        fc.integer({ min: 2, max: 64 }),
        fc.uniqueArray(fc.nat(2_000), { minLength: 1, maxLength: 40 }),
        (from, more, coarse, times, some) => {
          const to = from + more
          const buckets = some.filter((bucket) => BigInt(bucket) * coarse <= more)
          const cuts = deepen({ kind: 'range', from, to }, { kind: 'range', width: coarse }, buckets, times)
          if (coarse === 1n) {
            expect(cuts).toEqual([])
            return
          }
          const runs = cuts.flatMap((cut) => {
            if (cut.kind !== 'range' || !cut.only) return expect.unreachable()
            const cells = cut.only.reduce((sum, { first, last }) => sum + last - first + 1n, 0n)
            expect(cells).toBeLessThanOrEqual(bucketsMax)
            expect(cut.width < coarse && cut.width >= 1n).toBe(true)
            return cut.only.map(({ first, last }) => ({
              first: from + first * cut.width,
              last: from + (last + 1n) * cut.width - 1n,
              width: cut.width,
            }))
          })
          let before: bigint | undefined
          for (const { first, last } of runs) {
            expect(last >= first && first <= to && (before === undefined || first > before)).toBe(true)
            before = last
          }
          for (const bucket of buckets.map(BigInt)) {
            const low = from + bucket * coarse
            const high = low + coarse - 1n < to ? low + coarse - 1n : to
            // Walks from run to run: none of its keys is left out.
            let next = low
            while (next <= high) {
              const run = runs.find(({ first, last }) => first <= next && next <= last)
              if (!run) return expect.unreachable(`key ${next} of bucket ${bucket} is in no run`)
              next = run.last + 1n
            }
          }
          const asked = runs.reduce((sum, { first, last }) => sum + last - first + 1n, 0n)
          const spill = 2n * (runs[0]?.width ?? 0n) * BigInt(buckets.length)
          expect(asked <= coarse * BigInt(buckets.length) + spill).toBe(true)
        },
      ),
    )
  })

  it('are left as they are where their numbers could not be counted', () => {
    const slice = { kind: 'range', from: -(2n ** 63n), to: 2n ** 63n - 1n } as const
    expect(deepen(slice, { kind: 'range', width: 2n ** 12n }, [7], 16)).toEqual([])
    expect(deepen(slice, { kind: 'range', width: 2n ** 48n }, [7], 16)).toHaveLength(1)
  })
})

describe('listed rows', () => {
  it('are brought together as if every key were looked at, keys that stand several times too', () => {
    const row = fc.record({ key: fc.constantFrom(['1'], ['2'], ['3'], ['4']), hash: fc.constantFrom('a', 'b') })
    const rows = fc.array<KeyHash>(row, { maxLength: 12 })
    fc.assert(
      fc.property(rows, rows, (source, target) => {
        const inOrder = (looks: ReturnType<typeof look>) =>
          looks.toSorted((one, other) => (one.key[0]! < other.key[0]! ? -1 : 1))
        expect(inOrder(classify(source, target))).toEqual(inOrder(look(source, target).filter((one) => !agrees(one))))
      }),
    )
  })
})
