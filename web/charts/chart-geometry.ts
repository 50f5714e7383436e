import type { Track } from '../api.ts'
import type { Unit } from '../format.ts'
import { partAtLimit } from './breach.ts'
import { linePath, y, type Frame, type Point } from './line-path.ts'
import { drawnMarks, scaleOf, type Scale } from './scale.ts'
import { pointsOf } from './series-point.ts'

export const chartWidth = 1000

interface DrawnLine {
  readonly name: string
  readonly role: 'ink' | 'source' | 'target'
  readonly points: readonly Point[]
  /** The stretches within the limit, and those beyond it. */
  readonly calm: string
  readonly loud: string
}

/** Everything of one chart that depends on numbers: its scale, its lines, and where its limits lie in pixels. */
export interface Drawing {
  readonly scale: Scale
  readonly frame: Frame
  readonly lines: readonly DrawnLine[]
  /** Labels of the value axis, lowest first; a tick too close to the limit gives way to it. */
  readonly labels: readonly { readonly value: number; readonly y: number }[]
  /** Undefined where there is no such limit, or it lies far off the scale. */
  readonly fireY: number | undefined
  readonly recoverY: number | undefined
  readonly targetY: number | undefined
}

/** Labels closer than this many pixels would touch. */
const labelPitch = 14

export function draw(track: Track, window: { from: number; to: number; height: number }): Drawing {
  const unit: Unit = track.unit
  const lines = track.lines.map((line) => ({ ...line, points: pointsOf(line.points) }))
  const values = lines.flatMap(({ points }) => points.flatMap(({ value }) => (value === null ? [] : [value])))
  const scale = scaleOf(values, track, unit)
  const frame: Frame = { width: chartWidth, min: scale.min, max: scale.max, ...window }
  const top = values.reduce((high, value) => Math.max(high, value), 0)
  const near = track.better === 'higher' ? null : drawnMarks(top, track)
  const placed = (mark: number | null) => (mark === null || (near && !near.includes(mark)) ? undefined : y(mark, frame))

  const fireY = placed(track.fire)
  const ticks = scale.ticks.map((value) => ({ value, y: y(value, frame) }))
  const labels =
    fireY === undefined || track.fire === null
      ? ticks
      : [...ticks.filter((tick) => Math.abs(tick.y - fireY) >= labelPitch), { value: track.fire, y: fireY }]

  return {
    scale,
    frame,
    labels,
    fireY,
    recoverY: placed(track.recover),
    targetY: placed(track.target),
    lines: lines.map(({ name, role, points }) => {
      if (track.fire === null) return { name, role, points, calm: linePath(points, frame), loud: '' }
      const { within, beyond } = partAtLimit(points, { at: track.fire, better: track.better })
      return { name, role, points, calm: linePath(within, frame), loud: linePath(beyond, frame) }
    }),
  }
}
