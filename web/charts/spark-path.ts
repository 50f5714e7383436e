import { linePath } from './line-path.ts'

export const sparkSize = { width: 100, height: 22 }

/** A sparkline on a scale of its own from 0; a null is a gap. Empty when nothing is known. */
export function sparkPath(values: readonly (number | null)[]): string {
  const known = values.filter((value): value is number => value !== null)
  if (known.length === 0) return ''
  const max = known.reduce((high, value) => Math.max(high, value), 0)
  const points = values.map((value, at) => ({ at, value }))
  // A hair of room at both edges, so that the stroke of a flat line is not cut in half.
  const frame = { ...sparkSize, from: 0, to: Math.max(1, values.length - 1), min: -max * 0.05, max: max * 1.05 || 1 }
  return linePath(points, frame)
}
