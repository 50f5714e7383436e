import type { Cut, Slice } from '../sides/side.ts'
import { keysOf, smaller } from './intervals.ts'
import {
  cutFor,
  firstSizing,
  keysFor,
  learn,
  learnCrowd,
  learnSlow,
  pilotOf,
  type Sized,
  type Sizing,
  type Slicing,
  type Took,
} from './sizing.ts'

export interface Dealt {
  readonly ordinal: number
  readonly slice: Slice
  readonly cut: Cut
}

/** What of a key space has still to be dealt out. */
export interface Frontier {
  /** The next slice, as large as what is known so far allows; undefined while nothing is left. */
  deal(): Dealt | undefined
  /** A smaller part of a slice that turned out too large; the rest is dealt out again. Undefined when it cannot be cut. */
  cutBack(dealt: Dealt, why: 'slow' | 'crowded'): Dealt | undefined
  learn(took: Took): void
  /** Settled once a first slice has told by what size to deal; undefined where none has to. */
  readonly piloted: Promise<void> | undefined
  /** Takes all that is left, each interval whole. */
  takeRest(): readonly Dealt[]
  /** How many slices are left, about. */
  left(): number
}

/** @param from the first number that no slice has yet. */
export function openFrontier(
  intervals: readonly Slice[],
  table: Sized,
  slicing: Slicing,
  lanes: number,
  from: number,
): Frontier {
  let ordinal = from
  const left = [...intervals]
  const first = firstSizing(intervals, table, slicing)
  const pilot = pilotOf(first, table)
  let sizing: Sizing = pilot ?? first
  let tell = () => {}
  const piloted = pilot && new Promise<void>((resolve) => (tell = resolve))
  const cut = (slice: Slice) => cutFor(slice, sizing, table.rowsEstimate)
  const number = (slice: Slice): Dealt => ({ ordinal: ordinal++, slice, cut: cut(slice) })
  const leftKeys = () => left.reduce((keys, slice) => keys + keysOf(slice), 0n)
  // Where each slice is a scan, smaller ones would only be more of them.
  const width = () =>
    table.walked ? keysFor(sizing, leftKeys(), lanes) : keysFor({ ...sizing, drift: 0 }, leftKeys(), 1)

  return {
    piloted,
    deal() {
      const keys = width()
      const next = left.shift()
      if (next?.kind !== 'range') return next && number(next)
      const to = next.from + keys - 1n
      if (to >= next.to) return number(next)
      left.unshift({ ...next, from: to + 1n })
      return number({ ...next, to })
    },
    cutBack({ ordinal: same, slice }, why) {
      if (slice.kind !== 'range' || slice.from === slice.to || !table.walked) return undefined
      sizing = why === 'slow' ? learnSlow(sizing) : learnCrowd(sizing)
      tell()
      const quarter = (keysOf(slice) + 3n) / 4n
      const keys = why === 'slow' ? quarter : smaller(quarter, keysFor(sizing, keysOf(slice), 1))
      const to = slice.from + keys - 1n
      left.unshift({ ...slice, from: to + 1n })
      const part: Slice = { ...slice, to }
      return { ordinal: same, slice: part, cut: cut(part) }
    },
    learn(took) {
      sizing = table.walked ? learn(sizing, slicing, took) : { ...learn(sizing, slicing, took), rows: sizing.rows }
      tell()
    },
    takeRest: () => left.splice(0).map(number),
    left: () => (left.length === 0 ? 0 : Math.max(left.length, Number(leftKeys() / width()))),
  }
}
