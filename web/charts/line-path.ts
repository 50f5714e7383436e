/** One point of a line; a null value is silence. `at` in epoch milliseconds. */
export interface Point {
  readonly at: number
  readonly value: number | null
}

/** The window of a drawing: what of time and value it shows, and its size in pixels of the view box. */
export interface Frame {
  readonly width: number
  readonly height: number
  readonly from: number
  readonly to: number
  readonly min: number
  readonly max: number
}

/** Pixels from the left edge. Points outside the window fall outside the drawing. */
export const x = (at: number, { from, to, width }: Pick<Frame, 'from' | 'to' | 'width'>): number =>
  ((at - from) / (to - from || 1)) * width

/** Pixels from the top edge, kept inside the drawing. */
export function y(value: number, { min, max, height }: Pick<Frame, 'min' | 'max' | 'height'>): number {
  const share = (value - min) / (max - min || 1)
  return height - Math.min(1, Math.max(0, share)) * height
}

/**
 * The `d` of an SVG path through the points, y growing downwards. Oldest first.
 *
 * A null lifts the pen: silence is drawn as a gap, never as a line between its neighbours. A point with silence on
 * both sides becomes a line of hardly any length, which a round cap draws as a dot.
 */
export function linePath(points: readonly Point[], frame: Frame): string {
  const commands: string[] = []
  points.forEach(({ at, value }, index) => {
    if (value === null) return
    const spot = `${x(at, frame).toFixed(1)} ${y(value, frame).toFixed(1)}`
    const starts = index === 0 || points[index - 1]!.value === null
    commands.push(`${starts ? 'M' : 'L'}${spot}`)
    const ends = index === points.length - 1 || points[index + 1]!.value === null
    if (starts && ends) commands.push('h.01')
  })
  return commands.join('')
}
