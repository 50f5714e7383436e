import { total } from './classify.ts'
import type { Slice } from '../sides/side.ts'
import { shareOf, sliceFrom } from './intervals.ts'
import type { SliceResult } from './records.ts'
import type { Aim, Coverage } from './scope.ts'
import type { summary } from './summary.ts'

type Summary = ReturnType<typeof summary>

const percent = (share: number) => `${Number((share * 100).toPrecision(3))} %`
const count = (value: number) => value.toLocaleString('en-GB')

/**
 * What the slices of a run add up to, and how much that speaks for. Pure.
 * @param read share of what it was to compare that it could read, 0 to 1.
 */
export function covered(aim: Aim, sum: Summary, read: number): Summary & { coverage: Coverage } {
  const coverage = coverageOf(aim, sum, read)
  const differing = total(sum.differences) + sum.unsettled
  const equal = Math.max(0, coverage.keys - differing)
  // Of all keys: what an incremental run looks at is mostly what differs.
  const matchRatio =
    sum.matchRatio === null || aim.mode !== 'incremental'
      ? sum.matchRatio
      : coverage.keys === 0
        ? 1
        : equal / coverage.keys
  return { ...sum, matchRatio, coverage }
}

function coverageOf(aim: Aim, sum: Summary, share: number): Coverage {
  const read = sum.rows.source + sum.differences.extra
  switch (aim.mode) {
    case 'full':
      return {
        mode: 'full',
        share,
        keys: read,
        estimated: false,
        says: share === 1 ? 'all rows' : `${percent(share)} of the keys; the rest was not read`,
      }
    case 'incremental': {
      const keys = Math.max(aim.of, read)
      const since = aim.since.source === null ? 'at any time' : `since ${aim.watermark.source} ${aim.since.source}`
      return {
        mode: 'incremental',
        share: share * (keys === 0 ? 1 : Math.min(1, read / keys)),
        keys,
        estimated: true,
        says: [
          `${count(aim.keys - aim.open)} keys written ${since} on either side, and ${count(aim.open)} that differed before`,
          `rows deleted on one side, and writes that leave ${aim.watermark.source} alone, are seen by full runs only`,
        ].join('; '),
      }
    }
    case 'sample': {
      const says = `a random ${percent(aim.share * share)} of the key space (seed ${aim.seed}); the match ratio is an estimate`
      return { mode: 'sample', share: aim.share * share, keys: read, estimated: true, says }
    }
    case 'scrub': {
      const says =
        share === 1
          ? 'all rows'
          : `${percent(share)} of the key space, of what had not been compared for the longest time`
      return { mode: 'scrub', share, keys: read, estimated: share < 1, says }
    }
  }
}

/** Share of what a run was to compare that could be read, 0 to 1. Pure. */
export function readShare(intervals: readonly Slice[], slices: readonly SliceResult[]): number {
  const [first] = intervals
  if (!first) return 1
  const read = slices.filter(({ state }) => state !== 'unknown').map((ends) => sliceFrom(first.kind, ends))
  return shareOf(read, intervals)
}
