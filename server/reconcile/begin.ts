import type { Slice } from '../sides/side.ts'
import { aimAgain, takeAim, type Aimed } from './aim.ts'
import { scanNotes } from './explain.ts'
import { endsOf, sliceFrom } from './intervals.ts'
import type { Checkpoint } from './journal.ts'
import { openPlan, type OpenPlan } from './open-plan.ts'
import { matchingOf } from './pair.ts'
import type { RunInput } from './run.ts'

/** A run with its plan, and what it is to compare. */
export interface Begun extends OpenPlan {
  /** Dealt out in slices while the run goes on. */
  readonly intervals: readonly Slice[]
  /** How much of the pair they are. */
  readonly aimed: Aimed
}

/** The plan as it stands, with the intervals it was begun with if it was. */
export async function begin(
  input: RunInput,
  checkpoint: Pick<Checkpoint, 'planned' | 'compared'> | undefined,
): Promise<Begun> {
  const { pair, journal, signal } = input
  input.progress?.({ step: 'plan', slicesDone: 0, slicesTotal: 0, rowsDone: 0, rowsEstimate: 0 })
  const opened = await openPlan(
    input,
    { source: pair.source.table, target: pair.target.table },
    matchingOf(pair),
    signal,
  )
  if (checkpoint) {
    const { planned, compared } = checkpoint
    const { aim = { mode: 'full' } as const, notes } = planned
    // Nothing is compared again: other runs may have come and gone since.
    const aimed = compared ? { aim, notes } : await aimAgain(input, opened, aim, notes)
    const intervals = planned.intervals.map((ends) => sliceFrom(planned.strategy, ends))
    return { ...opened, rowsEstimate: planned.rowsEstimate, intervals, aimed }
  }

  const { plan } = opened
  const taken = await takeAim(input, opened)
  const { intervals } = taken
  const slicing = { targetMs: pair.slice.target, rowsMax: pair.slice.rows }
  const scans = taken.aim.mode === 'incremental' ? [] : await scanNotes({ ...input, slicing }, opened, intervals)
  const aimed = { ...taken, notes: [...plan.notes, ...taken.notes, ...scans] }
  const rowsEstimate = aimed.aim.mode === 'sample' ? opened.rowsEstimate * aimed.aim.share : opened.rowsEstimate
  await journal.plan({
    method: plan.method,
    strategy: aimed.aim.mode === 'incremental' ? 'hash' : plan.strategy,
    aim: aimed.aim,
    fingerprint: plan.fingerprint,
    columns: [...plan.key, ...plan.columns].map((one) => ({
      source: one.source.name,
      target: one.target.name,
      class: one.class,
    })),
    notes: aimed.notes,
    rowsEstimate,
    intervals: intervals.map(endsOf),
  })
  return { ...opened, rowsEstimate, intervals, aimed }
}
