import { Fault } from '../fault.ts'
import type { Cut, Slice } from '../sides/side.ts'
import { noCounts, total } from './classify.ts'
import { compareSlice, type Comparison, type SliceFindings } from './compare.ts'
import { correct, verify, type Correcting } from './correct.ts'
import { blockedBy, judgeGuards } from './guard.ts'
import type { Judged } from './journal.ts'
import { matchingOf } from './pair.ts'
import { openPlan, type OpenPlan } from './open-plan.ts'
import type { Difference, Guard, SliceResult } from './records.ts'
import { resolve } from './resolve.ts'
import type { RunInput, RunResult, RunStep } from './run.ts'
import { cutText, endsOf, slicedFrom } from './slices.ts'
import { stopwatch, type Stopwatch } from './stopwatch.ts'
import { summary } from './summary.ts'

/** How often a slice is read again after a fault that may pass, and how long apart at first. */
const retriesMax = 2
const retryWaitMs = 500
/** Slices that fail in a row before the rest is taken for unreadable too. */
const failuresMax = 5
const passing: readonly string[] = ['system_timeout', 'system_unreachable']

/**
 * One run of one pair: compares, decides, and writes what was approved. Resumes from its journal: slices that were read
 * are not read again, corrections that were sent are not sent again.
 *
 * Writes nothing unless every slice was read, every guard holds, and somebody approved. Cost: one pass over each table,
 * memory that does not depend on either. A side that cannot be read makes the verdict `unknown`.
 *
 * @throws Fault `thing_missing` or `usage` when the pair does not fit the tables, `conflict` when the tables are no longer
 * those the run was begun with; the signal's reason when it aborts.
 */
export async function reconcile(input: RunInput): Promise<RunResult> {
  const { pair, journal } = input
  const watch = stopwatch(input.verbs.now)
  const before = trafficOf(input)
  const checkpoint = await journal.recall()
  const run = await watch.timed('plan', () => begin(input, checkpoint?.planned))
  if (checkpoint && checkpoint.planned.fingerprint !== run.plan.fingerprint) {
    throw new Fault('conflict', `The tables of ${pair.id} changed while this run was interrupted.`, {
      hint: 'Start a new run: it compares the tables as they are now.',
    })
  }
  const slices = checkpoint?.compared ? checkpoint.slices : await compareAll(input, run, watch, checkpoint)
  const guards = await judge(input, run, slices)
  await journal.guards(guards)

  const blocked = blockedBy(guards)
  if (!checkpoint?.compared && pair.corrections.mode !== 'off') {
    await journal.open(input.approvedBy && !blocked ? 'approved' : 'proposed', input.approvedBy ?? 'nobody')
  }
  const after = blocked ? undefined : await write(input, run, watch)
  input.progress?.({ step: 'done', ...progressOf(run, slices) })
  const { bytesRead, queries } = trafficOf(input)
  return {
    run: journal.run,
    pair: pair.id,
    ...summary(slices, await keptOf(input)),
    method: run.plan.method,
    notes: run.plan.notes,
    timingsMs: watch.timingsMs(),
    bytesRead: bytesRead - before.bytesRead,
    queries: queries - before.queries,
    slices,
    guards,
    corrections: await journal.tally(),
    ...(after ? { after } : {}),
  }
}

interface Begun extends OpenPlan {
  readonly slices: readonly Slice[]
  readonly cut: Cut
}

/** The plan as it stands, with the slices it was begun with if it was. */
async function begin(input: RunInput, planned: Parameters<RunInput['journal']['plan']>[0] | undefined): Promise<Begun> {
  const { pair, journal, signal } = input
  input.progress?.({ step: 'plan', slicesDone: 0, slicesTotal: 0, rowsDone: 0, rowsEstimate: 0 })
  const opened = await openPlan(
    input,
    { source: pair.source.table, target: pair.target.table },
    matchingOf(pair),
    signal,
  )
  if (planned) return { ...opened, ...slicedFrom(planned.strategy, planned.slices, planned.cut) }

  const { plan, rowsEstimate } = opened
  const sliced = await opened.slice()
  await journal.plan({
    method: plan.method,
    strategy: plan.strategy,
    fingerprint: plan.fingerprint,
    columns: [...plan.key, ...plan.columns].map((one) => ({
      source: one.source.name,
      target: one.target.name,
      class: one.class,
    })),
    notes: plan.notes,
    rowsEstimate,
    slices: sliced.slices.map((slice, ordinal) => ({ ordinal, ...endsOf(slice) })),
    cut: cutText(sliced.cut),
  })
  return { ...opened, ...sliced }
}

/** Reads every slice that the journal does not have yet. */
async function compareAll(
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

async function judge(input: RunInput, run: Begun, slices: readonly SliceResult[]): Promise<Guard[]> {
  const { pair, journal, verbs } = input
  const decisions = await journal.decisions()
  const { rows, differences } = summary(slices, 0)
  const lag = await verbs.lag?.()
  return judgeGuards({
    corrections: pair.corrections,
    unknownSlices: slices.filter(({ state }) => state === 'unknown').length,
    slices: slices.length,
    rows: rows.source + differences.extra,
    differences: total(differences),
    kept: decisions.reduce((sum, { rows: some }) => sum + some, 0),
    decisions,
    tables: run.tables,
    ...(lag ? { lag } : {}),
  })
}

async function write(input: RunInput, run: Begun, watch: Stopwatch) {
  const { source, target, journal, signal } = input
  const open = await journal.tally()
  if (!open.approved && !open.applying) return undefined
  const correcting: Correcting = { sides: { source, target }, plan: run.plan, journal, signal }
  input.progress?.({ step: 'correct', ...progressOf(run, []) })
  await watch.timed('correct', () => correct(correcting))
  input.progress?.({ step: 'verify', ...progressOf(run, []) })
  return watch.timed('verify', () => verify(correcting))
}

const keptOf = async ({ journal }: RunInput) => (await journal.decisions()).reduce((sum, { rows }) => sum + rows, 0)

const progressOf = ({ slices, rowsEstimate }: Begun, done: readonly SliceResult[]) => ({
  slicesDone: done.length,
  slicesTotal: slices.length,
  rowsDone: done.reduce((sum, { rows }) => sum + Math.max(rows.source, rows.target), 0),
  rowsEstimate,
})

const trafficOf = ({ source, target }: Pick<RunInput, 'source' | 'target'>) => {
  const [one, other] = [source.traffic(), source.name === target.name ? { bytesRead: 0, queries: 0 } : target.traffic()]
  return { bytesRead: one.bytesRead + other.bytesRead, queries: one.queries + other.queries }
}
