import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Positions } from '../checks/probe.ts'
import { freeze, thaw } from '../server/evaluate/hop-state.ts'
import { measureHop, type MeasuredHop } from '../server/evaluate/hop.ts'
import { stillMsOf } from '../server/evaluate/motion.ts'

const place = { pipeline: 'orders', check: 'orders.lag', stillMs: 60_000 }
const start = Date.UTC(2026, 0, 1)

type Seen = Omit<Positions, 'hop' | 'observedAt' | 'unit'> & { unit?: Positions['unit'] }

/** Looks at a hop every 15 s and tells every standing. What is remembered passes through JSON, as in the store. */
function watch(looks: readonly Seen[], everyMs = 15_000): MeasuredHop['standing'][] {
  let before: MeasuredHop | undefined
  return looks.map((seen, index) => {
    const observedAt = new Date(start + index * everyMs)
    const measured = measureHop(before, { hop: 'end_to_end', observedAt, unit: 'records', ...seen }, place)
    const thawed = thaw(JSON.parse(JSON.stringify(freeze(measured))))!
    expect(thawed.standing).toEqual(measured.standing)
    before = { ...thawed, flow: {} }
    return measured.standing
  })
}

const both = (target: number, source: number): Seen => ({ target: BigInt(target), source: BigInt(source) })
const last = (looks: readonly Seen[]) => watch(looks).at(-1)!
const times = <T>(count: number, look: (index: number) => T) => Array.from({ length: count }, (_, index) => look(index))

describe('the motion of a hop', () => {
  const motions: readonly (readonly [string, readonly Seen[], string])[] = [
    ['that has caught up', [both(5, 5)], 'ok'],
    ['that is behind at the first look', [both(5, 9)], 'unknown'],
    ['that is a little behind a moment after it had caught up', [both(5, 5), both(5, 9)], 'ok'],
    ['that falls behind', times(8, (i) => both(10 * i, 20 * i + 5)), 'lagging'],
    ['that catches up slowly', times(8, (i) => both(12 * i, 10 * i + 50)), 'ok'],
    ['that wavers', times(8, (i) => both(10 * i, 10 * i + (i % 2 ? 3 : 7))), 'ok'],
    ['whose target stands still', [...times(4, (i) => both(i, 40)), ...times(5, () => both(3, 40))], 'stalled'],
    ['whose target stood still for longer than it moved', times(10, (i) => both(0, 40 + i)), 'stopped'],
    ['whose target fell back', [both(30, 40), both(10, 40), both(12, 40)], 'rewound'],
    ['whose target fell back and recovered', [both(30, 40), both(10, 40), both(35, 40)], 'ok'],
    ['whose source has nothing to send', times(40, () => both(5, 5)), 'ok'],
    ['whose target is not known', [both(5, 9), { source: 9n }], 'no_data'],
    ['of a slow source: one record, then the next', [...times(40, () => both(5, 5)), both(5, 6)], 'ok'],
  ]
  it.each(motions)('%s', (_, looks, motion) => {
    expect(last(looks).motion).toBe(motion)
  })

  it('is patient with what works in batches', () => {
    expect(stillMsOf({ pattern: 'event-driven', tier: 'realtime', lagSeconds: 5 }, 5_000)).toBe(60_000)
    expect(stillMsOf({ pattern: 'event-driven', tier: 'operational', lagSeconds: 900 }, 15_000)).toBe(120_000)
    expect(stillMsOf({ pattern: 'batch', tier: 'operational', lagSeconds: 900 }, 15_000)).toBe(900_000)
    expect(stillMsOf({ pattern: 'pub-sub', tier: 'reference', lagSeconds: 7_200 }, 60_000)).toBe(7_200_000)
  })
})

describe('the flow of a hop', () => {
  it('is what passed over 5 minutes, in and out', () => {
    const standing = last(times(41, (i) => both(i < 20 ? 0 : 300 * (i - 20), 600 * i)))
    expect(standing).toMatchObject({ inPerSecond: 40, outPerSecond: 20, sourceTotal: 24_000n, targetTotal: 6_000n })
  })

  it('is not known before there are two looks', () => {
    const standing = last([both(1, 2)])
    expect(standing).not.toHaveProperty('inPerSecond')
    expect(standing).not.toHaveProperty('etaSeconds')
  })

  it('prefers counters where positions are no count of records', () => {
    const look = (i: number): Seen => ({
      ...both(i * 1_000_000, i * 1_000_000 + 5),
      unit: 'microseconds',
      counters: { source: BigInt(150 * i), target: BigInt(75 * i) },
    })
    expect(last(times(5, look))).toMatchObject({ inPerSecond: 10, outPerSecond: 5 })
  })

  it('is not known across a counter that was reset', () => {
    const look = (i: number): Seen => ({
      ...both(i, i + 5),
      unit: 'microseconds',
      counters: { source: BigInt(i < 3 ? 1_000 + i : i) },
    })
    expect(last(times(4, look))).not.toHaveProperty('inPerSecond')
  })

  it('tells when the target will have caught up, while 5 and 30 minutes agree that it will', () => {
    expect(last(times(60, (i) => both(i * 60, 6_000 + i * 30))).etaSeconds).toBeCloseTo((6_000 - 59 * 30) / 2, 6)
    const turning = times(120, (i) => both(i < 100 ? 0 : (i - 100) * 100, 50 * i))
    expect(last(turning)).not.toHaveProperty('etaSeconds')
    expect(last(times(60, (i) => both(i * 30, i * 60 + 9)))).not.toHaveProperty('etaSeconds')
  })

  it('has a rate even where looks are hours apart', () => {
    const hourly = watch(
      times(4, (i) => both(3_600 * i, 3_600 * i + 10)),
      3_600_000,
    ).at(-1)!
    expect(hourly).toMatchObject({ inPerSecond: 1, outPerSecond: 1 })
  })
})

describe('the lag of a hop', () => {
  it('is what the system itself knows, where it does', () => {
    const exact = { seconds: 12.5, method: 'record_timestamp' } as const
    const standing = last([{ ...both(5, 9), unit: 'microseconds', exact, records: 4n }])
    expect(standing.lag).toMatchObject({ seconds: 12.5, lowerSeconds: 12.5, upperSeconds: 12.5, method: exact.method })
    expect(standing.records).toBe(4n)
    expect(standing.watermark).toEqual(new Date(start - 12_500))
  })

  it('is at least that much where the system knows no more', () => {
    const exact = { seconds: 60, method: 'record_timestamp', floor: true } as const
    const { lag } = last([{ source: 9n, unit: 'microseconds', exact }])
    expect(lag).toMatchObject({ lowerSeconds: 60 })
    expect(lag).not.toHaveProperty('seconds')
    expect(lag?.explained[0]).toBe('The lag is at least 1\u202fm.')
  })

  it('counts records only where a position is a record', () => {
    expect(last([both(5, 9)]).records).toBe(4n)
    expect(last([both(9, 5)]).records).toBe(0n)
    expect(last([{ ...both(5, 9), unit: 'bytes' }])).not.toHaveProperty('records')
  })

  it('explains itself with the numbers it was made of', () => {
    expect(last([both(0, 0), both(0, 100), both(50, 100)]).lag?.explained).toEqual([
      'At 00:00:30Z the target had reached 50 and the source 100.',
      'The source stood at 0 until 00:00:00Z and at 100 from 00:00:15Z.',
      'So the oldest record the target lacks is between 15\u202fs and 30\u202fs old.',
      'Interpolated between the two: 22\u202fs.',
    ])
  })

  it('holds the last watermark while only a floor is known, and drops it when the target falls back', () => {
    const standings = watch([both(100, 100), both(100, 200), both(150, 300), both(20, 300)])
    expect(standings.map(({ watermark }) => watermark && watermark.getTime() - start)).toEqual([0, 0, 0, undefined])
  })

  it('begins anew in another epoch', () => {
    const standings = watch([
      { ...both(5, 5), epoch: 'one' },
      { ...both(2, 3), epoch: 'two' },
    ])
    expect(standings[1]!.lag).not.toHaveProperty('seconds')
    expect(standings[1]).not.toHaveProperty('watermark')
    expect(standings[1]!.motion).toBe('unknown')
  })

  it('is never negative, even when our clock is set back', () => {
    const look = fc.tuple(fc.bigInt(0n, 30n), fc.bigInt(0n, 30n), fc.integer({ min: -60, max: 60 }))
    fc.assert(
      fc.property(fc.array(look, { maxLength: 50 }), (looks) => {
        let before: MeasuredHop | undefined
        let at = start
        for (const [target, source, step] of looks) {
          at += step * 1_000
          before = measureHop(before, { hop: 'x', observedAt: new Date(at), unit: 'records', target, source }, place)
          const { lag, records, inPerSecond = 0, outPerSecond = 0, etaSeconds = 0 } = before.standing
          for (const value of [lag!.lowerSeconds, lag!.seconds ?? 0, lag!.upperSeconds ?? 0, Number(records)]) {
            expect(value).toBeGreaterThanOrEqual(0)
          }
          for (const value of [inPerSecond, outPerSecond, etaSeconds]) {
            expect(Number.isFinite(value) && value >= 0).toBe(true)
          }
        }
      }),
    )
  })
})

describe('what is remembered of a hop', () => {
  it('is begun anew when it is of another build', () => {
    expect(thaw({ memory: { points: 'no' } })).toBeUndefined()
    expect(thaw(undefined)).toBeUndefined()
  })

  it('stays small however long it is watched', () => {
    let before: MeasuredHop | undefined
    for (let i = 0; i < 3_000; i++) {
      const seen = { target: 0n, source: BigInt(i * i), unit: 'records' as const }
      before = measureHop(before, { hop: 'x', observedAt: new Date(start + i * 5_000), ...seen }, place)
    }
    expect(JSON.stringify(freeze(before!)).length).toBeLessThan(40_000)
  })
})
