import type { LagPoint } from './hop-state.ts'

/** The source ends kept of one hop. 256 cover 8 hours of stall within a sampling interval. */
export const lagPointsMax = 256

/** How old the oldest record is that the target lacks, in seconds. It lies within the bounds, always. */
export interface LagEstimate {
  /** Absent when the table is too young: then the lag is at least `lowerSeconds`, and nothing is extrapolated. */
  readonly seconds?: number
  readonly lowerSeconds: number
  readonly upperSeconds?: number
  /** The target holds everything the source had by then; epoch milliseconds. Absent when only a floor is known. */
  readonly watermark?: number
  /** The points the target lies between. */
  readonly left?: LagPoint
  readonly right?: LagPoint
}

/**
 * Adds what was just seen of both ends to the points of a hop.
 *
 * A source that stood still extends its last point. Points the target has wholly passed are dropped, but for the last
 * one. Beyond `lagPointsMax` the inner point goes whose absence costs the least error in time, which is not the oldest.
 * Cost: linear in the points kept.
 */
export function advancePoints(
  points: readonly LagPoint[],
  seen: { readonly source: bigint; readonly target: bigint; readonly at: number },
): readonly LagPoint[] {
  return thinned(passed(extended(points, seen.source, seen.at), seen.target))
}

/** Where the target stands in the points, at `at` (epoch milliseconds). `points` includes what was seen at `at`. */
export function estimateLag(points: readonly LagPoint[], target: bigint, at: number): LagEstimate {
  const after = points.findIndex(({ position }) => position > target)
  if (after === -1) return { seconds: 0, lowerSeconds: 0, upperSeconds: 0, watermark: at }

  const right = points[after]!
  const lowerSeconds = secondsBetween(right.firstSeen, at)
  const left = points[after - 1]
  if (!left) return { lowerSeconds, right }

  return {
    seconds: secondsBetween(appearedAt(target, left, right), at),
    lowerSeconds,
    upperSeconds: secondsBetween(left.lastSeen, at),
    watermark: left.lastSeen,
    left,
    right,
  }
}

const secondsBetween = (from: number, to: number) => Math.max(0, to - from) / 1_000

function extended(points: readonly LagPoint[], position: bigint, at: number): readonly LagPoint[] {
  const last = points.at(-1)
  if (!last || position < last.position) return [{ position, firstSeen: at, lastSeen: at }]
  if (position === last.position) return [...points.slice(0, -1), { ...last, lastSeen: at }]
  return [...points, { position, firstSeen: at, lastSeen: at }]
}

function passed(points: readonly LagPoint[], target: bigint): readonly LagPoint[] {
  const after = points.findIndex(({ position }) => position > target)
  if (after === -1) return points.slice(-1)
  return points.slice(Math.max(0, after - 1))
}

function thinned(points: readonly LagPoint[]): readonly LagPoint[] {
  if (points.length <= lagPointsMax) return points
  let cheapest = 1
  let least = Infinity
  // The ends stay: the first is the floor of "at least", the last is what comes next.
  for (let index = 1; index < points.length - 1; index++) {
    const cost = costOfRemoving(points[index - 1]!, points[index]!, points[index + 1]!)
    if (cost >= least) continue
    least = cost
    cheapest = index
  }
  return points.toSpliced(cheapest, 1)
}

/** The error in time, in milliseconds, at a point that interpolation between its neighbours would have to guess. */
function costOfRemoving(before: LagPoint, { position, firstSeen, lastSeen }: LagPoint, after: LagPoint): number {
  const early = Math.abs(appearedAt(position - 1n, before, after) - firstSeen)
  const late = Math.abs(appearedAt(position, before, after) - lastSeen)
  return Math.max(early, late)
}

/**
 * When the record after a position appeared, as if the source end had moved evenly between two points. Half a step
 * on, because it came somewhere between the two: taking either end errs by a whole sampling interval where records
 * are rarer than looks.
 */
function appearedAt(position: bigint, left: LagPoint, right: LagPoint): number {
  const share = (Number(position - left.position) + 0.5) / Number(right.position - left.position)
  return left.lastSeen + share * (right.firstSeen - left.lastSeen)
}
