import { Fault } from '../fault.ts'
import { begin, type Begun } from './begin.ts'
import { total } from './classify.ts'
import { correct, verify, withhold, type Correcting } from './correct.ts'
import { blockedBy, judgeGuards } from './guard.ts'
import { compareAll, progressOf } from './compare-all.ts'
import { covered, readShare } from './covered.ts'
import type { Guard, SliceResult } from './records.ts'
import type { RunInput, RunResult } from './run.ts'
import { stopwatch, type Stopwatch } from './stopwatch.ts'
import { summary } from './summary.ts'

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
  const run = await watch.timed('plan', () => begin(input, checkpoint))
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
  if (blocked) await hold(input, run, blocked)
  const after = blocked ? undefined : await write(input, run, watch, slices)
  input.progress?.({ step: 'done', ...progressOf(run, slices, 0) })
  const told = inTerms(run, slices, await keptOf(input))
  const { bytesRead, queries } = trafficOf(input)
  return {
    run: journal.run,
    pair: pair.id,
    ...told,
    method: run.plan.method,
    notes: run.aimed.notes,
    timingsMs: watch.timingsMs(),
    bytesRead: bytesRead - before.bytesRead,
    queries: queries - before.queries,
    slices,
    guards,
    corrections: await journal.tally(),
    ...(after ? { after } : {}),
  }
}

const inTerms = ({ aimed, intervals }: Begun, slices: readonly SliceResult[], kept: number) =>
  covered(aimed.aim, summary(slices, kept), readShare(intervals, slices))

async function judge(input: RunInput, run: Begun, slices: readonly SliceResult[]): Promise<Guard[]> {
  const { pair, journal, verbs } = input
  const decisions = await journal.decisions()
  const { differences, coverage } = inTerms(run, slices, 0)
  const lag = await verbs.lag?.()
  return judgeGuards({
    corrections: pair.corrections,
    unknownSlices: slices.filter(({ state }) => state === 'unknown').length,
    slices: slices.length,
    rows: coverage.keys,
    differences: total(differences),
    kept: decisions.reduce((sum, { rows: some }) => sum + some, 0),
    decisions,
    tables: run.tables,
    plan: run.plan,
    ...(lag ? { lag } : {}),
  })
}

const correctingOf = ({ source, target, journal, lease, signal }: RunInput, { plan }: Begun): Correcting => ({
  sides: { source, target },
  plan,
  journal,
  lease,
  signal,
})

/** Nothing is written: what was approved before a guard failed waits for a person again. */
async function hold(input: RunInput, run: Begun, blocked: string): Promise<void> {
  const open = await input.journal.tally()
  if (open.approved || open.applying) await withhold(correctingOf(input, run), blocked)
}

async function write(input: RunInput, run: Begun, watch: Stopwatch, slices: readonly SliceResult[]) {
  const open = await input.journal.tally()
  if (!open.approved && !open.applying) return undefined
  const correcting = correctingOf(input, run)
  input.progress?.({ step: 'correct', ...progressOf(run, slices, 0) })
  await watch.timed('correct', () => correct(correcting))
  input.progress?.({ step: 'verify', ...progressOf(run, slices, 0) })
  return watch.timed('verify', () => verify(correcting))
}

const keptOf = async ({ journal }: RunInput) => (await journal.decisions()).reduce((sum, { rows }) => sum + rows, 0)

const trafficOf = ({ source, target }: Pick<RunInput, 'source' | 'target'>) => {
  const [one, other] = [source.traffic(), source.name === target.name ? { bytesRead: 0, queries: 0 } : target.traffic()]
  return { bytesRead: one.bytesRead + other.bytesRead, queries: one.queries + other.queries }
}
