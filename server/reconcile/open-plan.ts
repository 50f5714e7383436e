import { tableName, type TableRef } from '../connect/table-name.ts'
import { Fault } from '../fault.ts'
import type { Side, SidePlan, Slice, Table } from '../sides/side.ts'
import { both } from './both.ts'
import { changedTable } from './changed-tables.ts'
import { planPair, type Matching, type PairPlan } from './plan.ts'
import { powerOfTwo, scannedSliceRows } from './sizing.ts'

export interface OpenPlan {
  readonly plan: PairPlan
  readonly tables: { readonly source: Table; readonly target: Table }
  /** Of the side that seems larger. */
  readonly rowsEstimate: number
  /** The key space of both sides together: what only one of them has is covered too. Parts of hashes are as large as they get. */
  space(): Promise<readonly Slice[]>
  /** The fault of a table whose columns are no longer those of the plan. Two small statements. */
  changed(): Promise<Fault | undefined>
}

type Sides = { readonly source: Side; readonly target: Side }
type Refs = { readonly source: TableRef; readonly target: TableRef }

/**
 * Looks at both tables and plans how to compare them; two small statements a side, both sides at once. Reads no row.
 *
 * @throws Fault `thing_missing` and `usage` from the plan.
 */
export async function lookAtBoth(sides: Sides, refs: Refs, matching: Matching, signal: AbortSignal) {
  // One after the other, because a second connection costs more than a second question.
  const look = async (side: Side, ref: TableRef) =>
    [await side.describe(ref, signal), await side.handshake(signal)] as const
  const [[source, hashOfSource], [target, hashOfTarget]] = await both(
    look(sides.source, refs.source),
    look(sides.target, refs.target),
  )
  const method = hashOfSource !== '' && hashOfSource === hashOfTarget ? 'native' : 'canonical'
  const plan = planPair(source, target, matching, method)
  return { plan, tables: { source, target }, rowsEstimate: Math.max(source.rowsEstimate, target.rowsEstimate) }
}

/**
 * As `lookAtBoth`, and refuses rows that have no key: one scan where a column of the key may be NULL.
 *
 * @throws Fault `thing_missing` and `usage` from the plan; `usage` when rows have no key.
 */
export async function openPlan(sides: Sides, refs: Refs, matching: Matching, signal: AbortSignal): Promise<OpenPlan> {
  const { plan, tables, rowsEstimate } = await lookAtBoth(sides, refs, matching, signal)
  const { source, target } = tables
  await both(refuseKeyless(sides.source, plan.source, signal), refuseKeyless(sides.target, plan.target, signal))
  return {
    plan,
    tables,
    rowsEstimate,
    async space() {
      if (plan.strategy === 'hash') return partsOf(rowsEstimate)
      const [ours, theirs] = await both(
        sides.source.bounds(plan.source, signal),
        sides.target.bounds(plan.target, signal),
      )
      return [spanOf([ours, theirs]) ?? { kind: 'range', from: 0n, to: 0n }]
    },
    async changed() {
      const [ours, theirs] = await both(
        sides.source.describe(refs.source, signal),
        sides.target.describe(refs.target, signal),
      )
      return changedTable(source, ours) ?? changedTable(target, theirs)
    },
  }
}

const partsMax = 2 ** 20

type Bounds = { readonly from: bigint; readonly to: bigint }

/** The range that holds all of these; undefined when there are none. */
export function spanOf(bounds: readonly (Bounds | undefined)[]): Extract<Slice, { kind: 'range' }> | undefined {
  const ends = bounds.flatMap((one) => one ?? [])
  if (ends.length === 0) return undefined
  const from = ends.map((one) => one.from).reduce((one, other) => (one < other ? one : other))
  const to = ends.map((one) => one.to).reduce((one, other) => (one > other ? one : other))
  return { kind: 'range', from, to }
}

export function partsOf(rowsEstimate: number): Slice[] {
  const parts = Math.min(partsMax, powerOfTwo(rowsEstimate / scannedSliceRows))
  return Array.from({ length: parts }, (_, part) => ({ kind: 'hash', part, parts }))
}

/** A range or a lookup by key never sees a row without one: such a table cannot be compared without losing rows. */
async function refuseKeyless(side: Side, plan: SidePlan, signal: AbortSignal): Promise<void> {
  const rows = await side.keyless(plan, signal)
  if (rows === 0) return
  const names = plan.key.map(({ name }) => name).join(', ')
  throw new Fault('usage', `${rows} rows of ${tableName(plan.ref)} have no value in their key (${names}).`, {
    hint: 'Name a key that every row has, or leave those rows out with where.',
  })
}
