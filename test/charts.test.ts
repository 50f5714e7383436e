import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { partAtLimit } from '../web/charts/breach.ts'
import { draw } from '../web/charts/chart-geometry.ts'
import { laneOf } from '../web/charts/event-lane.ts'
import { bottleneckOf, chainsOf } from '../web/charts/hop-chain.ts'
import {
  bucketWords,
  joined,
  keyBars,
  keySpaceSummary,
  reached,
  spanOf,
  spanText,
  spanWords,
  type KeyBucket,
} from '../web/charts/key-space.ts'
import { linePath, type Point } from '../web/charts/line-path.ts'
import { scaleOf, type Marks } from '../web/charts/scale.ts'
import { nearest, timeTicks } from '../web/charts/series-point.ts'
import { sparkPath } from '../web/charts/spark-path.ts'
import { stretchAt, stripPaths, stripSummary } from '../web/charts/strip.ts'

const line = (...values: (number | null)[]): Point[] => values.map((value, at) => ({ at, value }))
const frame = { width: 100, height: 50, from: 0, to: 10, min: 0, max: 10 }
const pens = (d: string) => d.split('M').length - 1

describe('a line', () => {
  it('runs from left to right and grows upwards', () => {
    expect(
      linePath(
        [
          { at: 0, value: 0 },
          { at: 10, value: 10 },
        ],
        frame,
      ),
    ).toBe('M0.0 50.0L100.0 0.0')
  })

  it('is lifted over silence, never joined across it', () => {
    const d = linePath(line(1, 2, null, null, 3, 4), frame)
    expect(pens(d)).toBe(2)
  })

  it('draws a point between two silences as a dot', () => {
    expect(linePath(line(null, 5, null), frame)).toBe('M10.0 25.0h.01')
  })

  it('stays inside its frame', () => {
    expect(
      linePath(
        [
          { at: 0, value: 99 },
          { at: 10, value: -5 },
        ],
        frame,
      ),
    ).toBe('M0.0 0.0L100.0 50.0')
  })
})

describe('a line with a limit', () => {
  const limit = { at: 5, better: 'lower' } as const

  it('meets the limit exactly where it crosses it', () => {
    const { within, beyond } = partAtLimit(line(4, 8), limit)
    expect(within.map(({ value }) => value)).toEqual([4, 5, null])
    expect(beyond.filter(({ value }) => value !== null)).toEqual([
      { at: 0.25, value: 5 },
      { at: 1, value: 8 },
    ])
  })

  it('is loud below the limit when higher is better', () => {
    const { beyond } = partAtLimit(line(0.99, 0.996), { at: 0.995, better: 'higher' })
    expect(beyond[0]).toEqual({ at: 0, value: 0.99 })
  })

  it('gives every point to exactly one part, and never joins across the other or across silence', () => {
    const value = fc.option(fc.integer({ min: 0, max: 10 }), { nil: null })
    fc.assert(
      fc.property(fc.array(value, { maxLength: 40 }), (values) => {
        const points = line(...values)
        const { within, beyond } = partAtLimit(points, limit)
        const known = (part: Point[]) => part.filter((point) => points.includes(point) || Number.isInteger(point.at))
        const places = [...known(within), ...known(beyond)].filter((point) => point.value !== null).map(({ at }) => at)
        expect(new Set(places).size).toBe(points.filter((point) => point.value !== null).length)
        for (const part of [within, beyond]) {
          for (let index = 1; index < part.length; index++) {
            const [before, after] = [part[index - 1]!, part[index]!]
            if (before.value !== null && after.value !== null) expect(after.at - before.at).toBeLessThanOrEqual(1)
          }
        }
      }),
    )
  })
})

describe('a scale', () => {
  const none: Marks = { fire: null, recover: null, target: null, better: 'lower' }

  it('starts at 0 and has at most four lines', () => {
    expect(scaleOf([20, 412], { ...none, fire: 300 }, 'seconds')).toEqual({
      min: 0,
      max: 480,
      ticks: [120, 240, 360, 480],
    })
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.001, max: 1e9, noNaN: true }), { minLength: 1 }), (values) => {
        const { min, max, ticks } = scaleOf(values, none, 'records')
        expect(min).toBe(0)
        expect(max).toBeGreaterThanOrEqual(Math.max(...values))
        expect(ticks.length).toBeGreaterThan(0)
        expect(ticks.length).toBeLessThanOrEqual(4)
      }),
    )
  })

  it('is not flattened by a limit far above the data', () => {
    expect(scaleOf([0.8], { ...none, fire: 900 }, 'seconds').max).toBeLessThan(2)
    expect(scaleOf([200], { ...none, fire: 900 }, 'seconds').max).toBeGreaterThan(900)
  })

  it('shows the limit while nothing is measured', () => {
    expect(scaleOf([], { ...none, fire: 10 }, 'records').max).toBeGreaterThan(10)
    expect(scaleOf([0, 0], none, 'records')).toEqual({ min: 0, max: 1, ticks: [1] })
  })

  it('hangs from 100 % for a share that should be high', () => {
    const { min, max, ticks } = scaleOf([0.9914, 1], { ...none, fire: 0.995, better: 'higher' }, 'ratio')
    expect(max).toBe(1)
    expect(min).toBeGreaterThan(0.98)
    expect(min).toBeLessThan(0.9914)
    expect(ticks.at(-1)).toBe(1)
  })
})

describe('a chart', () => {
  const track = {
    id: 'lag',
    title: 'Lag',
    caption: 'seconds',
    unit: 'seconds' as const,
    fire: 300,
    recover: 240,
    target: null,
    better: 'lower' as const,
    lines: [
      {
        name: 'lag',
        role: 'ink' as const,
        points: line(20, 400, null, 20).map(({ at, value }) => [at, value] as [number, number | null]),
      },
    ],
  }

  it('names its limit on the axis and gives way to it with its ticks', () => {
    const { labels, fireY } = draw(track, { from: 0, to: 3, height: 60 })
    expect(labels.map(({ value }) => value)).toContain(300)
    for (const { value, y } of labels) if (value !== 300) expect(Math.abs(y - fireY!)).toBeGreaterThanOrEqual(14)
  })

  it('draws breach and calm as two paths', () => {
    const [drawn] = draw(track, { from: 0, to: 3, height: 60 }).lines
    expect(drawn!.loud).not.toBe('')
    expect(pens(drawn!.calm)).toBe(2)
  })

  it('leaves out a limit that is off its scale', () => {
    const { fireY } = draw({ ...track, fire: 90_000, recover: 90_000 }, { from: 0, to: 3, height: 60 })
    expect(fireY).toBeUndefined()
  })
})

describe('the cursor', () => {
  it('reads the nearest point, also when that is silence', () => {
    const points = line(1, null, 3)
    expect(nearest(points, 0.4)).toBe(0)
    expect(nearest(points, 1.2)).toBe(1)
    expect(nearest(points, 99)).toBe(2)
    expect(nearest([], 0)).toBeUndefined()
  })

  it('has ticks from edge to edge', () => expect(timeTicks(0, 100, 4)).toEqual([0, 25, 50, 75, 100]))
})

describe('a sparkline', () => {
  it('keeps its gaps, and is nothing when nothing is known', () => {
    expect(pens(sparkPath([1, 2, null, 3, 4]))).toBe(2)
    expect(sparkPath([null, null])).toBe('')
    expect(sparkPath([])).toBe('')
  })

  it('of zeros lies at the bottom', () => expect(sparkPath([0, 0])).toBe('M0.0 22.0L100.0 22.0'))
})

describe('a strip', () => {
  const strip = { from: '2026-11-21T00:00:00.000Z', bucketMs: 240_000, states: 'ooowwc-np' }

  it('has one path a state, higher for worse, and a bare baseline for what is not yet', () => {
    const paths = new Map(stripPaths(strip.states).map(({ state, d }) => [state, d]))
    expect([...paths.keys()]).toEqual(['ok', 'warn', 'crit', 'none', 'nodata', 'paused'])
    expect(paths.get('ok')).toBe('M0 15h2v6h-2zM3 15h2v6h-2zM6 15h2v6h-2z')
    expect(paths.get('crit')).toBe('M15 1h2v20h-2z')
    expect(paths.get('none')).toBe('M18 20h2v1h-2z')
  })

  it('says how long each state lasted, worst first', () => {
    expect(stripSummary(strip).replaceAll('\u202f', ' ')).toBe(
      'last 36 m: crit 4 m, warn 8 m, no data 4 m, paused 4 m, ok 12 m',
    )
    expect(stripSummary({ ...strip, states: '---' })).toContain('nothing measured yet')
  })

  it('names the whole stretch a bucket belongs to', () => {
    expect(stretchAt(strip, 4, 'UTC').replaceAll('\u202f', ' ')).toBe('warn 00:12 to 00:20, 8 m')
    expect(stretchAt(strip, 6, 'UTC')).toMatch(/^not yet measured/)
  })
})

describe('the key space', () => {
  const bucket = (at: number, of: Partial<KeyBucket> = {}): KeyBucket => {
    return {
      from: `${at}0`,
      to: `${at}9`,
      missing: 0,
      extra: 0,
      changed: 0,
      state: 'verified',
      more: false,
      covered: 1,
      ...of,
    }
  }
  const kinds = (of: Partial<KeyBucket>) => keyBars([bucket(1, of)]).map(({ kind }) => kind)

  it('draws the side on which rows are absent as a hole', () => {
    expect(kinds({ missing: 3, state: 'differing' })).toEqual(['base', 'base', 'source', 'hole'])
    expect(kinds({ extra: 3, state: 'differing' })).toEqual(['base', 'base', 'hole', 'target'])
    expect(kinds({ changed: 3, state: 'differing' })).toEqual(['base', 'base', 'source', 'target'])
  })

  it('draws what was not compared as neither equal nor different', () => {
    expect(kinds({ state: 'unknown' })).toEqual(['unknown', 'unknown'])
    expect(kinds({ state: 'pending' })).toEqual(['pending', 'pending'])
    expect(kinds({ state: 'skipped' })).toEqual(['skipped', 'skipped'])
    expect(bucketWords(bucket(1, { state: 'unknown' }))).toBe('could not be compared')
    expect(bucketWords(bucket(1, { state: 'skipped' }))).toBe('left out by this run')
    expect(bucketWords(bucket(1, { state: 'pending', extra: 2 }))).toBe('2 rows extra, a part is not compared yet')
  })

  it('hides no differences where a part is unread, or where they were not kept', () => {
    expect(kinds({ state: 'unknown', changed: 3 })).toEqual(['unknown', 'unknown', 'source', 'target'])
    expect(kinds({ state: 'differing', more: true })).toEqual(['base', 'base', 'more', 'more'])
    expect(bucketWords(bucket(1, { state: 'differing', more: true }))).toBe(
      'rows differ here or near by that were not kept',
    )
    expect(bucketWords(bucket(1, { covered: 0.25 })).replaceAll('\u202f', ' ')).toBe(
      'equal on both sides; 25 % of it is compared by this run',
    )
  })

  it('is named in the address by its ends, and found again in buckets of any width', () => {
    expect(spanOf('-5..99999999999999999999')).toEqual({ from: '-5', to: '99999999999999999999' })
    for (const odd of [null, '', '5', '5..', '5..x', '1...2', '0x1..2']) expect(spanOf(odd)).toBeUndefined()
    expect(spanText({ from: '-5', to: '7' })).toBe('-5..7')
    const buckets = [bucket(1), bucket(2), bucket(3), bucket(4)]
    expect(reached(buckets, { from: '20', to: '39' })).toEqual({ first: 1, last: 2 })
    expect(reached(buckets, { from: '25', to: '25' })).toEqual({ first: 1, last: 1 })
    expect(reached(buckets, { from: '50', to: '60' })).toBeUndefined()
    expect(reached(joined(buckets, 2), { from: '20', to: '29' })).toEqual({ first: 0, last: 0 })
    expect(spanWords({ from: '3', to: '3' }, 'hash')).toBe('part 3')
  })

  it('grows with the logarithm of the rows, never out of its lane', () => {
    const bars = keyBars([bucket(1, { changed: 1 }), bucket(2, { changed: 10 }), bucket(3, { changed: 100_000 })])
    const heights = bars.filter(({ kind }) => kind === 'source').map(({ height }) => height)
    expect(heights).toEqual(heights.toSorted((a, b) => a - b))
    for (const { y, height } of bars) expect([y >= 0, y + height <= 44]).toEqual([true, true])
  })

  it('joined for a narrow screen loses no row and hides no unread part', () => {
    const all = Array.from({ length: 119 }, (_, at) =>
      bucket(at, { missing: at, state: at === 7 ? 'unknown' : 'verified' }),
    )
    const narrow = joined(all, 60)
    expect(narrow).toHaveLength(60)
    expect(narrow.reduce((sum, { missing }) => sum + missing, 0)).toBe((118 * 119) / 2)
    expect(narrow[3]!.state).toBe('unknown')
    expect([narrow[0]!.from, narrow.at(-1)!.to]).toEqual(['00', '1189'])
  })

  it('is told in one sentence', () => {
    const said = keySpaceSummary([
      bucket(1),
      bucket(2, { missing: 4, state: 'differing' }),
      bucket(3, { state: 'unknown' }),
    ])
    expect(keySpaceSummary([bucket(1, { state: 'differing', more: true }), bucket(2)])).toContain(
      '2 buckets of keys, 0 differ; 1 may hold rows that were not kept',
    )
    expect(said).toBe('3 buckets of keys, 1 differs; 1 could not be compared; most rows differ in 20 to 29')
  })
})

describe('the lane of events', () => {
  const at = (share: number, label = 'deploy') => ({ at: share * 1000, label })

  it('keeps every shape in the window and drops words that would collide', () => {
    const lane = laneOf([at(0.5), at(0.505), at(2)], 0, 1000, 800)
    expect(lane).toHaveLength(2)
    expect(lane.map(({ worded }) => worded)).not.toEqual([true, true])
  })

  it('turns words at the right edge to the left', () => {
    expect(laneOf([at(0.99)], 0, 1000, 800)[0]).toMatchObject({ worded: true, left: true })
    expect(laneOf([at(0.1)], 0, 1000, 800)[0]).toMatchObject({ worded: true, left: false })
  })
})

describe('the hops', () => {
  const hop = (
    name: string,
    source: string,
    target: string,
    state: 'ok' | 'warn' | 'crit' | 'nodata',
    lagSeconds: number | null,
  ) => ({
    name,
    state,
    lagSeconds,
    source: { name: source, position: null },
    target: { name: target, position: null },
    lowerSeconds: null,
    upperSeconds: null,
    records: null,
    inPerSecond: null,
    outPerSecond: null,
    etaSeconds: null,
    motion: 'ok',
    explained: [],
  })

  it('that meet are one chain, others stand alone', () => {
    const hops = [hop('a', 'crm', 'bus', 'ok', 1), hop('b', 'bus', 'billing', 'ok', 1), hop('c', 'x', 'y', 'ok', 1)]
    expect(chainsOf(hops).map((chain) => chain.map(({ name }) => name))).toEqual([['a', 'b'], ['c']])
  })

  it('have one bottleneck, the worst and then the slowest, and none when all is well or unknown', () => {
    const hops = [hop('a', '1', '2', 'warn', 900), hop('b', '2', '3', 'crit', 10), hop('c', '3', '4', 'crit', 400)]
    expect(bottleneckOf(hops)?.name).toBe('c')
    expect(bottleneckOf([hop('a', '1', '2', 'ok', 9), hop('b', '2', '3', 'nodata', null)])).toBeUndefined()
  })
})
