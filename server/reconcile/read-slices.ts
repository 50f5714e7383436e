import { Fault } from '../fault.ts'
import type { Slice } from '../sides/side.ts'
import { progressOf, type Begun } from './begin.ts'
import { noCounts, total } from './classify.ts'
import { compareSlice, type Comparison, type SliceFindings } from './compare.ts'
import type { Judged } from './journal.ts'
import type { Difference, SliceResult } from './records.ts'
import { resolve } from './resolve.ts'
import type { RunInput, RunStep } from './run.ts'
import { endsOf } from './slices.ts'
import type { Stopwatch } from './stopwatch.ts'

/** How often a slice is read again after a fault that may pass, and how long apart at first. */
const retriesMax = 2
const retryWaitMs = 500
/** Slices that fail in a row before the rest is taken for unreadable too. */
const failuresMax = 5
const passing: readonly string[] = ['system_timeout', 'system_unreachable']

/** Reads every slice that the journal does not have yet. */
export async function compareAll(
  input: RunInput,
  run: Begun,
  watch: Stopwatch,
  checkpoint: { readonly slices: readonly SliceResult[]; readonly kept: number } | undefined,
): Promise<readonly SliceResult[]> {
  const { journal, pair, signal } = input
  const done = new Map(
    checkpoint?.slices.filter(({ state }) => state !== 'unknown').map((slice) => [slice.ordinal, slice]),
  )
  let kept = checkpoint?.kept ?? 0
  let failures = 0
  let lastFault: Fault | undefined
  const tell = (step: RunStep) => input.progress?.({ step, ...progressOf(run, [...done.values()]) })
  const comparison = comparisonOf(input, run, watch)

  for (const [ordinal, slice] of run.slices.entries()) {
    if (done.get(ordinal)) continue
    signal.throwIfAborted()
    tell('digest')
    const read =
      lastFault && failures >= failuresMax
        ? { fault: lastFault }
        : await readSlice(comparison, run, ordinal, pair.keep - kept)
    failures = 'fault' in read ? failures + 1 : 0
    lastFault = 'fault' in read ? read.fault : undefined
    const judged =
      'fault' in read ? [] : read.kept.map((difference, place) => judgedOf(input, run, ordinal, place, difference))
    const result =
      'fault' in read ? unknownSlice(ordinal, slice, read.fault) : sliceResult(ordinal, slice, read.findings)
    await journal.slice(result, judged)
    kept += judged.length
    done.set(ordinal, result)
    tell('digest')
  }
  return [...done.values()].toSorted((one, other) => one.ordinal - other.ordinal)
}

const comparisonOf = (
  { source, target, pair, verbs, signal }: RunInput,
  { plan }: Begun,
  watch: Stopwatch,
): Comparison => ({
  sides: { source, target },
  plan,
  policy: { waitMs: pair.settle.wait, tries: pair.settle.tries, positionMs: pair.settle.position },
  verbs,
  signal,
  timed: watch.timed,
})

type SliceReading =
  { readonly findings: SliceFindings; readonly kept: readonly Difference[] } | { readonly fault: Fault }

/** A read that fails for good is told as such: what could not be read is unknown, never missing. */
async function readSlice(
  comparison: Comparison,
  { slices, cut }: Begun,
  ordinal: number,
  room: number,
): Promise<SliceReading> {
  for (let tried = 0; ; tried++) {
    const kept: Difference[] = []
    try {
      const taker = {
        room: () => room - kept.length,
        take: (differences: readonly Difference[]) => void kept.push(...differences),
      }
      return { findings: await compareSlice(comparison, slices[ordinal]!, cut, taker), kept }
    } catch (thrown) {
      comparison.signal.throwIfAborted()
      if (!(thrown instanceof Fault)) throw thrown
      if (tried === retriesMax || !passing.includes(thrown.code)) return { fault: thrown }
      await comparison.verbs.sleep(retryWaitMs * 2 ** tried, comparison.signal)
    }
  }
}

const padded = (value: number, digits: number) => String(value).padStart(digits, '0')

const judgedOf = (
  { journal, pair }: RunInput,
  { plan }: Begun,
  ordinal: number,
  place: number,
  difference: Difference,
): Judged => ({
  id: `${journal.run}.${padded(ordinal, 6)}.${padded(place, 7)}`,
  difference,
  decision: resolve(difference, plan, pair),
})

const sliceResult = (ordinal: number, slice: Slice, findings: SliceFindings): SliceResult => ({
  ordinal,
  ...endsOf(slice),
  state: total(findings.counts) + findings.unsettled === 0 ? 'verified' : 'differing',
  ...findings,
})

const unknownSlice = (ordinal: number, slice: Slice, { code, message, hint }: Fault): SliceResult => ({
  ordinal,
  ...endsOf(slice),
  state: 'unknown',
  rows: { source: 0, target: 0 },
  counts: noCounts,
  inFlight: 0,
  unsettled: 0,
  fault: { code, message, hint },
})
