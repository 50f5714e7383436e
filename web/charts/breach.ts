import type { Point } from './line-path.ts'

/** Where a rule fires, and on which side of it is trouble. */
export interface Limit {
  readonly at: number
  readonly better: 'lower' | 'higher'
}

const breaches = (value: number, { at, better }: Limit): boolean => (better === 'lower' ? value > at : value < at)

/**
 * Parts one line into the stretches within the limit and those beyond it, so that each is drawn in its own weight.
 *
 * Between a point within and a point beyond, both parts meet exactly on the limit. Silence stays silence in both.
 */
export function partAtLimit(points: readonly Point[], limit: Limit): { within: Point[]; beyond: Point[] } {
  const within: Point[] = []
  const beyond: Point[] = []
  let before: { at: number; value: number } | undefined

  for (const { at, value } of points) {
    if (value === null) {
      within.push({ at, value })
      beyond.push({ at, value })
      before = undefined
      continue
    }
    const loud = breaches(value, limit)
    if (before && breaches(before.value, limit) !== loud) {
      const share = (limit.at - before.value) / (value - before.value)
      const crossing = { at: before.at + (at - before.at) * share, value: limit.at }
      within.push(crossing)
      beyond.push(crossing)
    }
    const [drawn, blank] = loud ? [beyond, within] : [within, beyond]
    drawn.push({ at, value })
    // Ends the other part's stretch here: without it the next stretch would be joined across this one.
    blank.push({ at, value: null })
    before = { at, value }
  }
  return { within: withoutStrays(within), beyond: withoutStrays(beyond) }
}

/** Drops repeated silence, so that thousands of quiet points cost nothing. */
const withoutStrays = (points: Point[]): Point[] =>
  points.filter((point, index) => point.value !== null || (index > 0 && points[index - 1]!.value !== null))
