import type { TableRef } from '../connect/table-name.ts'
import type { Fault } from '../fault.ts'
import type { Explained, Side, Slice } from '../sides/side.ts'
import { both } from './both.ts'
import { changedMax } from './changed.ts'
import { openFrontier, type Dealt } from './frontier.ts'
import { lanesOf } from './lanes.ts'
import { lookAtBoth, partsOf, spanOf } from './open-plan.ts'
import type { Matching, PairPlan } from './plan.ts'
import { isOneSlice, markScanFault, scansOf } from './scans.ts'
import type { PairSpec } from './pair.ts'
import type { Slicing } from './sizing.ts'
import { markColumns, markScans } from './watermark.ts'

export interface ExplainRequest {
  readonly source: Side
  readonly target: Side
  readonly tables: { readonly source: TableRef; readonly target: TableRef }
  readonly matching: Matching
  readonly slicing: Slicing
  /** Whose changes are to be found, where a run would look at those alone. */
  readonly incremental?: PairSpec | undefined
  readonly signal: AbortSignal
}

/** What a comparison would do. */
export interface Explanation {
  readonly plan: PairPlan
  /** What whoever starts it should know, a sentence each. */
  readonly notes: readonly string[]
  readonly rowsEstimate: number
  /** How many slices it would be, about: they grow and shrink with what they take. */
  readonly slices: number
  readonly first: Slice
  /** Where the keys begin and end is known, from statistics; otherwise it was made up from the number of rows. */
  readonly boundsKnown: boolean
  readonly explained: Readonly<Record<'source' | 'target', Explained>>
  /** Why it should not be run as it is. */
  readonly scans: readonly Fault[]
}

/**
 * Says what a comparison would do, by the catalogs and the statistics of both engines. No row of either table is read.
 * @throws Fault as the plan and `markColumns` do.
 */
export async function explain(request: ExplainRequest): Promise<Explanation> {
  const { source, target, tables, matching, slicing, signal } = request
  const looked = await lookAtBoth(request, tables, matching, signal)
  const { plan, rowsEstimate } = looked
  const marks = request.incremental && markColumns(request.incremental, looked)
  const known =
    plan.strategy === 'range'
      ? spanOf(await both(source.likelyBounds(plan.source, signal), target.likelyBounds(plan.target, signal)))
      : undefined
  const assumed: Slice = { kind: 'range', from: 1n, to: BigInt(Math.max(1, Math.ceil(rowsEstimate))) }
  const space = plan.strategy === 'range' ? [known ?? assumed] : partsOf(rowsEstimate)
  const { first, slices } = firstOf(request, plan, rowsEstimate, space)
  const explained = await explainFirst(request, plan, first, signal)
  const sliced = { plan, rowsEstimate, slice: first.slice, slicing }
  // Without a key nothing can be looked up, so that such a run compares in full.
  const searched = marks && !plan.source.multiset && !isOneSlice(sliced)
  const searching = searched ? await markScans(request, looked, marks, changedMax + 1, signal) : []
  return {
    plan,
    notes: [...plan.notes, ...(marks?.notes ?? [])],
    rowsEstimate,
    slices,
    first: first.slice,
    boundsKnown: plan.strategy !== 'range' || known !== undefined,
    explained,
    scans: [
      ...scansOf({ ...sliced, explained }),
      ...searching.map((side) => markScanFault(side, plan[side], marks![side].name)),
    ],
  }
}

type Sides = Pick<ExplainRequest, 'source' | 'target'>

function firstOf(
  { source, target, slicing }: Sides & Pick<ExplainRequest, 'slicing'>,
  plan: PairPlan,
  rowsEstimate: number,
  space: readonly Slice[],
): { first: Dealt; slices: number } {
  const values = plan.key.length + plan.columns.length
  const walked = plan.strategy === 'range' && plan.source.walked && plan.target.walked
  const lanes = lanesOf({ source, target })
  const frontier = openFrontier(space, { rowsEstimate, values, walked }, slicing, lanes, 0)
  // Whoever has a key space has a first slice of it.
  const first = frontier.deal()!
  return { first, slices: 1 + Math.ceil(frontier.left()) }
}

async function explainFirst({ source, target }: Sides, plan: PairPlan, { slice, cut }: Dealt, signal: AbortSignal) {
  const [ours, theirs] = await both(
    source.explain(plan.source, slice, cut, signal),
    target.explain(plan.target, slice, cut, signal),
  )
  return { source: ours, target: theirs }
}

/**
 * What a run should say about its first slice before it reads it: that an engine would scan its table for it. Asks nothing
 * of a table that is one slice anyway.
 */
export async function scanNotes(
  request: Sides & { readonly slicing: Slicing; readonly signal: AbortSignal },
  { plan, rowsEstimate }: { readonly plan: PairPlan; readonly rowsEstimate: number },
  space: readonly Slice[],
): Promise<string[]> {
  if (plan.strategy !== 'range' || space.length === 0) return []
  const { first } = firstOf(request, plan, rowsEstimate, space)
  const unasked: Explained = { statement: '', cost: null, rows: null, scans: true }
  const parts = { plan, rowsEstimate, slice: first.slice, slicing: request.slicing }
  if (scansOf({ ...parts, explained: { source: unasked, target: unasked } }).length === 0) return []
  const explained = await explainFirst(request, plan, first, request.signal)
  return scansOf({ ...parts, explained }).map(({ message, hint }) => `${message} ${hint}`)
}
