import type { Point } from './line-path.ts'

export type RawPoint = readonly [at: number, value: number | null]

export const pointsOf = (raw: readonly RawPoint[]): Point[] => raw.map(([at, value]) => ({ at, value }))

/**
 * The index of the point nearest to an instant, or undefined when there is none. Oldest first; a null value counts,
 * because under a gap the true answer is "nothing is known".
 *
 * Cost: a binary search.
 */
export function nearest(points: readonly Point[], at: number): number | undefined {
  if (points.length === 0) return undefined
  let low = 0
  let high = points.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (points[middle]!.at < at) low = middle + 1
    else high = middle
  }
  const before = Math.max(0, low - 1)
  return Math.abs(points[before]!.at - at) <= Math.abs(points[low]!.at - at) ? before : low
}

/** `parts + 1` instants from edge to edge, evenly spaced. */
export const timeTicks = (from: number, to: number, parts: number): number[] =>
  Array.from({ length: parts + 1 }, (_, index) => from + ((to - from) * index) / parts)
