import type { Unit } from '../format.ts'

export interface Scale {
  readonly min: number
  readonly max: number
  /** Grid lines above `min`, lowest first; at most four. */
  readonly ticks: readonly number[]
}

/** What a chart must show besides its values. */
export interface Marks {
  readonly fire: number | null
  readonly recover: number | null
  readonly target: number | null
  readonly better: 'lower' | 'higher'
}

/** Limits this many times above the data are named in words, not drawn: they would flatten the line. */
const farTimes = 8
/** Air above the highest value, as a share of it. */
const headroom = 1.06
/** Grid lines at most: as many as tell the height of a line, and no more. */
const ticksMax = 4

const timeSteps = [1, 2, 5, 10, 15, 30, 60, 120, 240, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400]

/**
 * The value axis of one chart. It starts at 0, except for shares that should be high: those hang from 100 %, because
 * on an axis from 0 the difference between 99.5 % and 99.1 % would be less than a pixel.
 */
export function scaleOf(values: readonly number[], marks: Marks, unit: Unit): Scale {
  if (marks.better === 'higher' && unit === 'ratio') return hangingScale(values, marks)

  const top = values.length > 0 ? values.reduce((high, value) => Math.max(high, value), 0) : 0
  const limits = drawnMarks(top, marks)
  const span = Math.max(top * headroom, ...limits.map((limit) => limit * 1.25))
  if (span <= 0) return { min: 0, max: leastSpan(unit), ticks: [leastSpan(unit)] }

  const step = stepOf(span / ticksMax, unit)
  const max = Math.ceil(span / step - 1e-9) * step
  return { min: 0, max, ticks: ticksUpTo(0, max, step) }
}

/** The limits near enough to the data to be drawn. */
export function drawnMarks(top: number, { fire, recover, target }: Marks): number[] {
  const given = [fire, recover, target].filter((mark): mark is number => mark !== null)
  return top <= 0 ? given : given.filter((mark) => mark <= top * farTimes)
}

function hangingScale(values: readonly number[], { fire, target }: Marks): Scale {
  const low = [...values, fire ?? 1, target ?? 1].reduce((least, value) => Math.min(least, value), 1)
  const span = Math.max((1 - low) * 1.2, 0.001)
  const step = stepOf(span / ticksMax, 'ratio')
  const min = Math.max(0, 1 - Math.ceil(span / step - 1e-9) * step)
  return { min, max: 1, ticks: ticksUpTo(min, 1, step) }
}

function stepOf(least: number, unit: Unit): number {
  if (unit === 'seconds' && least > 0.5)
    return timeSteps.find((step) => step >= least) ?? decimalStep(least / 86_400) * 86_400
  return unit === 'records' ? Math.max(1, decimalStep(least)) : decimalStep(least)
}

/** The smallest of 1, 2, 5 times a power of ten that is not below `least`. */
function decimalStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least))
  const factor = [1, 2, 5, 10].find((each) => each * power >= least * (1 - 1e-9)) ?? 10
  return factor * power
}

const ticksUpTo = (min: number, max: number, step: number): number[] =>
  Array.from({ length: Math.round((max - min) / step) }, (_, index) => rounded(min + (index + 1) * step))

/** Takes the dust of binary fractions off a tick, so that 0.30000000000000004 is 0.3. */
const rounded = (value: number): number => Number(value.toPrecision(10))

const leastSpan = (unit: Unit): number => (unit === 'ratio' ? 0.01 : 1)
