import type { Cut, Slice } from '../sides/side.ts'
import { openPlan, type OpenPlan } from './open-plan.ts'
import { matchingOf } from './pair.ts'
import type { SliceResult } from './records.ts'
import type { RunInput } from './run.ts'
import { cutText, endsOf, slicedFrom } from './slices.ts'

/** A run with its plan, and the slices it was begun with. */
export interface Begun extends OpenPlan {
  readonly slices: readonly Slice[]
  readonly cut: Cut
}

/** The plan as it stands, with the slices it was begun with if it was. */
export async function begin(
  input: RunInput,
  planned: Parameters<RunInput['journal']['plan']>[0] | undefined,
): Promise<Begun> {
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

export const progressOf = ({ slices, rowsEstimate }: Begun, done: readonly SliceResult[]) => ({
  slicesDone: done.length,
  slicesTotal: slices.length,
  rowsDone: done.reduce((sum, { rows }) => sum + Math.max(rows.source, rows.target), 0),
  rowsEstimate,
})
