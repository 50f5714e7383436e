import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { LagPoint } from '../server/evaluate/hop-state.ts'
import { advancePoints, estimateLag, lagPointsMax, type LagEstimate } from '../server/evaluate/lag.ts'

const second = 1_000
const hour = 3_600 * second
const everyMs = 15 * second

/** Records born at known times, and a consumer that is at a known position at any time. */
interface Stream {
  /** Birth times of records 1, 2, 3 …, ascending, in milliseconds. */
  readonly born: readonly number[]
  /** How many records the consumer has taken by then; it never takes one that is not there. */
  consumed(at: number): number
  readonly watchedFrom?: number
}

const produced = ({ born }: Stream, at: number) => {
  let low = 0
  let high = born.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (born[middle]! <= at) low = middle + 1
    else high = middle
  }
  return low
}

/** The age of the oldest record the consumer has not taken, in seconds. */
const truth = (stream: Stream, at: number) => {
  const taken = stream.consumed(at)
  return taken >= produced(stream, at) ? 0 : (at - stream.born[taken]!) / second
}

/** What an estimate may err by: a sampling interval, or the space around a record where records are rarer than looks. */
const allowed = ({ born, consumed }: Stream, at: number) => {
  const taken = consumed(at)
  const space = (born[taken + 1] ?? at) - (born[taken - 1] ?? born[taken] ?? at)
  return Math.max(everyMs, space) / second
}

/** Watches a stream for 12 hours and tells each estimate beside the truth. */
function watch(
  stream: Stream,
): { estimate: LagEstimate; truth: number; allowed: number; at: number; points: number }[] {
  const seen = []
  let points: readonly LagPoint[] = []
  for (let at = stream.watchedFrom ?? 0; at <= 12 * hour; at += everyMs) {
    const target = BigInt(stream.consumed(at))
    const source = BigInt(produced(stream, at))
    points = advancePoints(points, { source, target, at })
    seen.push({
      estimate: estimateLag(points, target, at),
      truth: truth(stream, at),
      allowed: allowed(stream, at),
      at,
      points: points.length,
    })
  }
  return seen
}

/** Births at a rate (records a second) that may change with time, from `from` until 12 hours. */
function births(rate: (at: number) => number, from = 0): number[] {
  const born: number[] = []
  let owed = 0
  for (let at = from; at < 12 * hour; at += second) {
    owed += rate(at)
    for (; owed >= 1; owed -= 1) born.push(at + (born.length % 10) * 97)
  }
  return born.sort((one, other) => one - other)
}

/** A consumer that follows at once, but stands still in between. */
const stalling = (born: readonly number[], from: number, to: number): Stream => {
  const stream: Stream = { born, consumed: (at) => produced(stream, at >= from && at < to ? from : at) }
  return stream
}

/** What varies: how much (0 to 1), and when the trouble begins. */
const size = fc.integer({ min: 0, max: 1_000 }).map((permille) => permille / 1_000)
const start = fc.integer({ min: 600, max: 3 * 3_600 }).map((seconds) => seconds * second)
const rateOf = (size: number) => 1 + 8 * size

const streams: Record<string, (size: number, from: number) => Stream> = {
  'a steady producer and a consumer stalled for 8 hours': (size, from) =>
    stalling(
      births(() => rateOf(size)),
      from,
      from + 8 * hour,
    ),

  'bursts every half hour and a stall of 8 hours': (size, from) =>
    stalling(
      births((at) => (at % (hour / 2) === 7 * second ? 50 + Math.round(size * 2_000) : 0)),
      from,
      from + 8 * hour,
    ),

  'a rate that changes between day and night and a stall of 6 hours': (size, from) =>
    stalling(
      births((at) => (Math.floor(at / (3 * hour)) % 2 ? rateOf(size) / 50 : rateOf(size))),
      from,
      from + 6 * hour,
    ),

  'a producer that declines and a consumer that catches up later'(size, from) {
    const each = rateOf(size)
    const born = births((at) => each * Math.exp(-at / (2 * hour)))
    const stream: Stream = {
      born,
      consumed(at) {
        const stuck = produced(stream, Math.min(at, from))
        if (at < from) return stuck
        return Math.min(produced(stream, at), stuck + Math.floor(((at - from) / second) * each * 0.2))
      },
    }
    return stream
  },

  'a monitor that starts with a backlog'(size, from) {
    const each = rateOf(size)
    const born = births(() => each)
    const stream: Stream = {
      born,
      watchedFrom: from,
      consumed: (at) => Math.min(produced(stream, at), Math.floor(((at - from) / second) * each * 1.6)),
    }
    return stream
  },

  'very low traffic that is taken at once'(size) {
    const born = births(() => 1 / (600 + 6_000 * size))
    const stream: Stream = { born, consumed: (at) => produced(stream, at) }
    return stream
  },
}

describe.each(Object.entries(streams))('lag of %s', (_, stream) => {
  it('lies within its bounds, errs by at most a sampling interval, and is never guessed', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(size, start, (size, from) => {
        for (const { estimate, truth, allowed, at, points } of watch(stream(size, from))) {
          expect(points, `${at}`).toBeLessThanOrEqual(lagPointsMax)
          expect(estimate.lowerSeconds, `floor at ${at}`).toBeLessThanOrEqual(truth + 1e-6)
          if (estimate.upperSeconds === undefined) {
            expect(estimate.seconds).toBeUndefined()
            continue
          }
          expect(estimate.upperSeconds, `ceiling at ${at}`).toBeGreaterThanOrEqual(truth - 1e-6)
          expect(Math.abs(estimate.seconds! - truth), `error at ${at}`).toBeLessThanOrEqual(allowed)
          expect(estimate.watermark!).toBeLessThanOrEqual(at - truth * second + 1e-3)
        }
      }),
      { numRuns: 5 },
    )
  })
})

describe('a lag', () => {
  const seen = (...ends: readonly (readonly [target: bigint, source: bigint, at: number])[]) => {
    let points: readonly LagPoint[] = []
    return ends.map(([target, source, at]) => {
      points = advancePoints(points, { source, target, at })
      return estimateLag(points, target, at)
    })
  }

  it('is nothing when the target has what the source has, or is ahead of it', () => {
    expect(seen([7n, 7n, 0])[0]).toMatchObject({ seconds: 0, lowerSeconds: 0, upperSeconds: 0, watermark: 0 })
    expect(seen([9n, 7n, 0])[0]).toMatchObject({ seconds: 0 })
  })

  it('is only "at least" while the target is older than all we have seen', () => {
    const last = seen([10n, 90n, 0], [20n, 100n, 60_000]).at(-1)!
    expect(last).toMatchObject({ lowerSeconds: 60 })
    expect(last.seconds).toBeUndefined()
    expect(last.upperSeconds).toBeUndefined()
    expect(last.watermark).toBeUndefined()
  })

  it('is interpolated between two ends we have seen', () => {
    const last = seen([0n, 0n, 0], [0n, 100n, 100_000], [50n, 100n, 110_000]).at(-1)!
    expect(last).toMatchObject({ lowerSeconds: 10, seconds: 59.5, upperSeconds: 110 })
  })

  it('counts from the end of a lull, not from its beginning', () => {
    const last = seen([5n, 5n, 0], [5n, 5n, 600_000], [5n, 9n, 615_000], [5n, 9n, 630_000]).at(-1)!
    expect(last).toMatchObject({ lowerSeconds: 15, upperSeconds: 30 })
  })

  it('forgets what it knew when the source starts over', () => {
    const last = seen([900n, 1_000n, 0], [900n, 1_100n, 15_000], [0n, 40n, 30_000]).at(-1)!
    expect(last).toMatchObject({ lowerSeconds: 0 })
    expect(last.seconds).toBeUndefined()
  })

  it('is never negative, however the reads interleave', () => {
    const end = fc.tuple(fc.bigInt(0n, 40n), fc.bigInt(0n, 40n), fc.nat(30))
    fc.assert(
      fc.property(fc.array(end, { maxLength: 60 }), (ends) => {
        let at = 0
        const timed = ends.map(([target, source, step]) => [target, source, (at += step * second)] as const)
        for (const { seconds = 0, lowerSeconds, upperSeconds = Infinity } of seen(...timed)) {
          expect(lowerSeconds).toBeGreaterThanOrEqual(0)
          expect(seconds).toBeGreaterThanOrEqual(0)
          expect(upperSeconds).toBeGreaterThanOrEqual(lowerSeconds)
          expect([seconds, lowerSeconds].every(Number.isFinite)).toBe(true)
        }
      }),
    )
  })
})
