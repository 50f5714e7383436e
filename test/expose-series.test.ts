import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { narrowed } from '../server/expose/narrow.ts'
import { bucketFor, drawingsOf, pointsMax, pointsOf, seriesOf } from '../server/expose/series.ts'
import { seriesView } from '../server/expose/views.ts'
import { ago, alertRow, now, ruleOf, runOf, snapshotOf } from './expose-world.ts'

const minute = 60_000
const sample = (ms: number, min: number, max = min, last = max) => ({
  check: 'c',
  metric: 'm',
  at: new Date(ms),
  min,
  max,
  last,
})

describe('the line through samples', () => {
  const drawn = (...samples: ReturnType<typeof sample>[]) =>
    pointsOf(samples, { gapMs: 2.5 * minute, bucketMs: minute })

  it('passes through every sample that stands alone in its part', () => {
    expect(drawn(sample(0, 1), sample(minute, 2))).toEqual([[0, 1], [minute, 2]]) // prettier-ignore
  })

  it('keeps the peak and the dip of a part, in the order that leads to its last value', () => {
    expect(drawn(sample(30_000, 1, 9, 8)).map(([, value]) => value)).toEqual([1, 9])
    expect(drawn(sample(30_000, 1, 9, 2)).map(([, value]) => value)).toEqual([9, 1])
  })

  it('is lifted where a check was silent for long, and not for one missed turn', () => {
    expect(drawn(sample(0, 1), sample(2 * minute, 2)).map(([, value]) => value)).toEqual([1, 2])
    expect(drawn(sample(0, 1), sample(3 * minute, 2)).map(([, value]) => value)).toEqual([1, null, 2])
  })

  it('joins two samples in neighbouring parts, so that gaps never take it past its limit', () => {
    const late = Array.from({ length: 300 }, (_, part) => sample(part * 86_400_000 + (part % 2) * 86_000_000, 1, 2))
    expect(pointsOf(late, { gapMs: minute, bucketMs: 86_400_000 })).toHaveLength(pointsMax)
  })

  it('never has more points than may be sent, nor one out of order, nor loses an extreme', () => {
    fc.assert(
      fc.property(
        fc.record({ seconds: fc.integer({ min: 1, max: 400 * 86_400 }), every: fc.integer({ min: 1, max: 86_400 }) }),
        fc.array(fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.integer({ min: -5, max: 5 }), fc.integer({ min: -5, max: 5 })), { minLength: 1, maxLength: 900 }),
        ({ seconds, every }, rows) => {
          const [from, to] = [ago(seconds), now]
          const bucketMs = bucketFor(from, to)
          const buckets = new Map<number, ReturnType<typeof sample>>()
          for (const [part, one, other] of rows.toSorted(([a], [b]) => a - b)) {
            const ms = Math.floor(from.getTime() + part * seconds * 1_000)
            const held = buckets.get(Math.floor(ms / bucketMs))
            const [min, max] = [Math.min(one, other, held?.min ?? one), Math.max(one, other, held?.max ?? one)]
            buckets.set(Math.floor(ms / bucketMs), sample(ms, min, max, other))
          }
          const points = pointsOf([...buckets.values()], { gapMs: every * 2_500, bucketMs })
          expect(points.length).toBeLessThanOrEqual(pointsMax)
          const times = points.map(([at]) => at)
          expect(times.every((at, index) => index === 0 || at > times[index - 1]!)).toBe(true)
          const values = points.flatMap(([, value]) => value ?? [])
          expect(Math.max(...values)).toBe(Math.max(...rows.map(([, one, other]) => Math.max(one, other))))
          expect(Math.min(...values)).toBe(Math.min(...rows.map(([, one, other]) => Math.min(one, other))))
        },
      ),
      { numRuns: 60 },
    )
  }) // prettier-ignore
})

describe('the charts of a pipeline', () => {
  const snapshot = narrowed(snapshotOf({ rules: [ruleOf()] }))('customers')
  const pipeline = snapshot.catalog.pipelines[0]!
  const drawings = drawingsOf(snapshot, pipeline, now)
  const span = { from: ago(3_600), to: now }
  const view = seriesView.parse(
    seriesOf(
      snapshot,
      pipeline,
      drawings,
      {
        samples: [{ ...sample(ago(60).getTime(), 400), check: 'customers.lag', metric: 'lag_seconds' }],
        silences: [{ check: 'customers.lag', from: ago(1_800), to: ago(1_500), message: 'no connection' }],
        alerts: [alertRow()],
        runs: [runOf()],
      },
      span,
    ),
  )

  it('draw in and out as source and target beside the lag, with where the rule fires and recovers', () => {
    const [lag, flow] = view.tracks
    expect(lag).toMatchObject({ id: 'lag', fire: 1_800, recover: 1_440, target: 900, better: 'lower', unit: 'seconds' })
    expect(lag?.lines).toEqual([{ name: 'lag', role: 'ink', points: [[ago(60).getTime(), 400]] }])
    expect(flow?.lines.map(({ name, role }) => `${name} ${role}`)).toEqual(['in source', 'out target'])
  })

  it('name each silence, and mark what happened inside the span', () => {
    expect(view.gaps).toEqual([
      { from: ago(1_800).toISOString(), to: ago(1_500).toISOString(), label: 'lag: no connection' },
    ])
    expect(view.events.map(({ label }) => label)).toEqual(['Lag: alert', 'customers: 1\u202f577 rows differ'])
  })

  it('ask for no part finer than a second, and none coarser than the span needs', () => {
    expect(bucketFor(ago(10), now)).toBe(1_000)
    expect(bucketFor(ago(3_600), now)).toBe(13_000)
    expect((14 * 86_400_000) / bucketFor(ago(14 * 86_400), now)).toBeGreaterThan(250)
  })
})
