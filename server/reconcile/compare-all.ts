import type { Key } from '../sides/side.ts'
import type { Begun } from './begin.ts'
import { compareKeys } from './compare-keys.ts'
import { remaining, shareOf, sliceFrom } from './intervals.ts'
import type { Checkpoint, Judged } from './journal.ts'
import { readSlices, type Compare } from './read-slices.ts'
import type { Difference, SliceResult } from './records.ts'
import { resolve } from './resolve.ts'
import type { RunInput, RunStep } from './run.ts'
import { partOf } from './scope.ts'
import type { Stopwatch } from './stopwatch.ts'

/**
 * Reads what the journal does not have yet of a run, and writes down each slice with what was decided about its
 * differences. Resolves to all slices in the order of their numbers.
 */
export async function compareAll(
  input: RunInput,
  run: Begun,
  watch: Stopwatch,
  checkpoint: Checkpoint | undefined,
): Promise<readonly SliceResult[]> {
  const { journal, pair, verbs, signal } = input
  const unread = checkpoint?.slices.filter(({ state }) => state === 'unknown').map(({ ordinal }) => ordinal) ?? []
  const again = [...unread, ...(checkpoint?.begun ?? [])]
  if (again.length > 0) await journal.forget(again)
  const before = checkpoint?.slices.filter(({ state }) => state !== 'unknown') ?? []
  const done = new Map(before.map((slice) => [slice.ordinal, slice]))
  const places = new Map<number, number>()
  let kept = checkpoint?.kept ?? 0
  const tell = (step: RunStep, left: number) => input.progress?.({ step, ...progressOf(run, [...done.values()], left) })

  const judgedOf = (ordinal: number, differences: readonly Difference[]): Judged[] => {
    const from = places.get(ordinal) ?? 0
    places.set(ordinal, from + differences.length)
    return differences.map((difference, place) => ({
      id: `${journal.run}.${padded(ordinal, 6)}.${padded(from + place, 7)}`,
      difference,
      decision: resolve(difference, run.plan, pair),
    }))
  }

  const left = remaining(
    run.intervals,
    before.map((ends) => sliceFrom(run.intervals[0]!.kind, ends)),
  )
  await readSlices({
    comparison: {
      sides: { source: input.source, target: input.target },
      plan: run.plan,
      policy: { waitMs: pair.settle.wait, tries: pair.settle.tries, positionMs: pair.settle.position },
      verbs,
      signal,
      timed: watch.timed,
    },
    intervals: left,
    before,
    beforeMs: checkpoint?.readMs,
    rowsEstimate: run.rowsEstimate,
    share: shareOf(left, run.intervals),
    slicing: { targetMs: pair.slice.target, rowsMax: pair.slice.rows },
    budget: { timeMs: pair.budget.time, ratio: pair.budget.ratio },
    pace: input.pace,
    ...(run.aimed.aim.mode === 'scrub' ? { enough: (readMs: number) => readMs >= pair.scrub.budget } : {}),
    ...(run.aimed.keys ? { compare: comparingKeys(run.aimed.keys) } : {}),
    room: () => pair.keep - kept,
    taken: (differences) => void (kept += differences),
    keep: (ordinal, differences) => journal.keep(ordinal, judgedOf(ordinal, differences)),
    async forget(ordinal) {
      places.delete(ordinal)
      await journal.forget([ordinal])
    },
    async told(result, differences, readMs) {
      await journal.slice(result, judgedOf(result.ordinal, differences), readMs)
      places.delete(result.ordinal)
      done.set(result.ordinal, result)
    },
    changed: run.changed,
    progress: (left) => tell('digest', left),
  })
  return [...done.values()].toSorted((one, other) => one.ordinal - other.ordinal)
}

/** Slices of an incremental run are parts of the keys it found. */
const comparingKeys =
  (keys: ReadonlyMap<string, Key>): Compare =>
  (comparison, { slice }, taker) => {
    const within = (name: string) => slice.kind === 'hash' && partOf(name, slice.parts) === slice.part
    const some = [...keys].flatMap(([name, key]) => (within(name) ? [key] : []))
    return compareKeys(comparison, some, taker)
  }

const padded = (value: number, digits: number) => String(value).padStart(digits, '0')

/** @param left slices that are still to come, about. */
export const progressOf = ({ rowsEstimate }: Begun, done: readonly SliceResult[], left: number) => ({
  slicesDone: done.length,
  slicesTotal: done.length + Math.ceil(left),
  rowsDone: done.reduce((sum, { rows }) => sum + Math.max(rows.source, rows.target), 0),
  rowsEstimate,
})
