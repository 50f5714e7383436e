import { describe, expect, it } from 'vitest'
import { seededRandom } from '../server/demo/random.ts'
import { drawn } from '../server/reconcile/sample.ts'
import type { Verified } from '../server/reconcile/scope.ts'
import { intervalOf, oldestFirst, walked, type Read } from '../server/reconcile/walk.ts'
import type { Slice } from '../server/sides/side.ts'

const range = (from: number | bigint, to: number | bigint): Slice => ({
  kind: 'range',
  from: BigInt(from),
  to: BigInt(to),
})
const part = (one: number, parts: number): Slice => ({ kind: 'hash', part: one, parts })
const partsOf = (parts: number) => Array.from({ length: parts }, (_, one) => part(one, parts))
const at = (minute: number) => ({ run: `run ${minute}`, at: new Date(Date.UTC(2027, 0, 1, 0, minute)) })
const read = (slice: Slice, changed = 0): Read => ({
  slice,
  rows: { source: 10, target: 10 },
  counts: { missing: 0, extra: 0, changed },
})
const words = (slice: Slice) =>
  slice.kind === 'range' ? `${slice.from}..${slice.to}` : `${slice.part} of ${slice.parts}`
const known = ({ from, to, at: time, counts }: Verified) =>
  `${from}..${to} ${time.getUTCMinutes()}'${counts.changed > 0 ? ` ${counts.changed} differ` : ''}`

describe('a walk over ranges of keys', () => {
  it('begins with what was never compared, then goes on with what was longest ago', () => {
    const before = walked([], [range(0, 99)], [read(range(20, 39))], at(1))
    const after = walked(before, [range(0, 99)], [read(range(60, 79))], at(2))
    expect(oldestFirst([range(0, 99)], []).map(words)).toEqual(['0..99'])
    expect(oldestFirst([range(0, 99)], after).map(words)).toEqual(['0..19', '40..59', '80..99', '20..39', '60..79'])
  })

  it('notices keys beyond the ends of what it knew, and forgets those that are gone', () => {
    const before = walked([], [range(0, 99)], [read(range(0, 99))], at(1))
    expect(oldestFirst([range(-5, 120)], before).map(words)).toEqual(['-5..-1', '100..120', '0..99'])
    expect(walked(before, [range(10, 50)], [read(range(10, 19))], at(2)).map(known)).toEqual(["10..19 2'", "20..50 1'"])
  })

  it('keeps few pieces: neighbours of one run without differences are one', () => {
    const slices = [range(0, 9), range(10, 19), range(20, 29), range(30, 39), range(50, 59)]
    const pieces = walked(
      [],
      [range(0, 99)],
      slices.map((slice, place) => read(slice, place === 2 ? 3 : 0)),
      at(1),
    )
    expect(pieces.map(known)).toEqual(["0..19 1'", "20..29 1' 3 differ", "30..39 1'", "50..59 1'"])
    expect(pieces[0]!.rows).toEqual({ source: 20, target: 20 })
  })

  it('does not forget what differed before it was looked at again', () => {
    const before = walked([], [range(0, 99)], [read(range(0, 99), 5)], at(1))
    const first = walked(before, [range(0, 99)], [read(range(0, 49), 2)], at(2))
    expect(first.map(known)).toEqual(["0..49 2' 2 differ", "50..99 1' 3 differ"])
    const middle = walked(before, [range(0, 99)], [read(range(20, 49))], at(2))
    expect(middle.map(known)).toEqual(["0..19 1' 5 differ", "20..49 2'", "50..99 1'"])
    expect(walked(first, [range(0, 99)], [read(range(50, 99))], at(3)).map(known)).toEqual([
      "0..49 2' 2 differ",
      "50..99 3'",
    ])
  })

  it('covers everything in turn and never loses sight of a key, whatever each run gets done', () => {
    const { whole } = seededRandom(7)
    let pieces: readonly Verified[] = []
    let end = 500
    const ages = new Map<number, number>()
    const born = new Map<number, number>()
    for (let run = 0; run < 200; run++) {
      for (const grown = end + whole(20); end < grown;) born.set(++end, run)
      const space = [range(0, end)]
      const order = oldestFirst(space, pieces)
      // In all of them together each key is there once.
      expect(order.reduce((sum, slice) => sum + (slice.kind === 'range' ? slice.to - slice.from + 1n : 0n), 0n)).toBe(
        BigInt(end + 1),
      )
      const done: Read[] = []
      let budget = 1 + whole(120)
      for (const slice of order) {
        if (slice.kind !== 'range' || budget <= 0) break
        const to = slice.to < slice.from + BigInt(budget) ? slice.to : slice.from + BigInt(budget) - 1n
        budget -= Number(to - slice.from) + 1
        done.push(read(range(slice.from, to), whole(10) === 0 ? 1 : 0))
      }
      pieces = walked(pieces, space, done, { run: String(run), at: new Date(run * 60_000) })
      for (const { slice } of done) {
        if (slice.kind === 'range') for (let key = slice.from; key <= slice.to; key++) ages.set(Number(key), run)
      }
      const told = pieces.flatMap(({ from, to, at: time }) =>
        Array.from({ length: Number(to - from) + 1 }, (_, n) => [Number(from) + n, time.getTime() / 60_000] as const),
      )
      expect(new Map(told)).toEqual(ages)
      const longest = Math.max(
        ...Array.from({ length: end + 1 }, (_, key) => run - (ages.get(key) ?? born.get(key) ?? 0)),
      )
      // One walk takes so many runs of 60 keys, give or take.
      if (run > 20) expect(longest).toBeLessThan(2 * Math.ceil(end / 60))
      expect(pieces.length).toBeLessThan(end / 4)
    }
  })
})

describe('a walk over parts of hashes', () => {
  it('lays parts out so that the halves of one lie together', () => {
    const [one, halves] = [intervalOf(part(1, 2)), [part(1, 4), part(3, 4)].map(intervalOf)]
    expect(halves).toEqual([
      { from: one.from, to: one.from + (one.to - one.from) / 2n },
      { from: one.from + (one.to - one.from) / 2n + 1n, to: one.to },
    ])
    const all = partsOf(8)
      .map(intervalOf)
      .toSorted((left, right) => Number(left.from - right.from))
    expect([all[0]!.from, all.at(-1)!.to]).toEqual([0n, 2n ** 20n - 1n])
    for (const [place, { from }] of all.entries()) if (place > 0) expect(from).toBe(all[place - 1]!.to + 1n)
  })

  it('goes by age though the number of parts changed', () => {
    const first = walked([], partsOf(2), [read(part(0, 2))], at(1))
    const second = walked(first, partsOf(4), [read(part(3, 4))], at(2))
    expect(oldestFirst(partsOf(4), second).map(words)).toEqual(['1 of 4', '0 of 4', '2 of 4', '3 of 4'])
    // One half of it was never compared.
    expect(oldestFirst(partsOf(2), second).map(words)).toEqual(['1 of 2', '0 of 2'])
  })
})

describe('a sample', () => {
  const large = { rowsEstimate: 10_000_000, walked: true }
  const span = (slices: readonly Slice[]) =>
    slices.reduce((sum, slice) => sum + (slice.kind === 'range' ? Number(slice.to - slice.from) + 1 : 0), 0)

  it('is the same for the same seed, another for another, and as large as asked', () => {
    const space = [range(-1_000_000, 9_000_000)]
    const one = drawn(space, 0.01, 'a', large)
    expect(drawn(space, 0.01, 'a', large)).toEqual(one)
    expect(drawn(space, 0.01, 'b', large).intervals).not.toEqual(one.intervals)
    expect(one.share).toBeCloseTo(0.01, 4)
    expect(span(one.intervals) / 10_000_001).toBeCloseTo(0.01, 4)
    expect(one.intervals.length).toBeGreaterThanOrEqual(50)
    expect(drawn(space, 1, 'a', large)).toMatchObject({ share: 1 })
  })

  it('never takes a key twice, nor one beyond the ends', () => {
    for (let seed = 0; seed < 200; seed++) {
      const { intervals } = drawn([range(0, 96)], 0.3, String(seed), { rowsEstimate: 50_000, walked: true })
      const keys = intervals.flatMap((slice) =>
        slice.kind === 'range'
          ? Array.from({ length: Number(slice.to - slice.from) + 1 }, (_, n) => Number(slice.from) + n)
          : [],
      )
      expect(new Set(keys).size).toBe(keys.length)
      expect(Math.min(...keys)).toBeGreaterThanOrEqual(0)
      expect(Math.max(...keys)).toBeLessThanOrEqual(96)
    }
  })

  it('is as likely to take any key', () => {
    const taken = Array.from({ length: 100 }, () => 0)
    for (let seed = 0; seed < 4_000; seed++) {
      const { intervals } = drawn([range(0, 99)], 0.1, String(seed), { rowsEstimate: 100, walked: true })
      for (const slice of intervals) {
        if (slice.kind === 'range') for (let key = slice.from; key <= slice.to; key++) taken[Number(key)]! += 1
      }
    }
    // 400 each, and a standard deviation of 19.
    expect(Math.min(...taken)).toBeGreaterThan(310)
    expect(Math.max(...taken)).toBeLessThan(490)
  })

  it('reads one place where every place costs a scan, and as few parts of hashes as make the share', () => {
    expect(drawn([range(0, 9_999_999)], 0.01, 'b', { ...large, walked: false }).intervals.length).toBeLessThanOrEqual(2)
    expect(drawn(partsOf(1), 0.01, 'a', large)).toMatchObject({ share: 1 / 128, intervals: [{ parts: 128 }] })
    expect(drawn(partsOf(16), 0.5, 'a', large)).toMatchObject({ share: 0.5 })
    const eight = drawn(partsOf(16), 0.5, 'a', large).intervals
    expect(new Set(eight.map(words)).size).toBe(8)
    expect(drawn(partsOf(4), 1, 'a', large).intervals.length).toBe(4)
  })
})
