import { tableName, type TableRef } from '../connect/table-name.ts'
import { Fault } from '../fault.ts'
import type { Side, SidePlan, Table } from '../sides/side.ts'
import { both } from './both.ts'
import { planPair, type Matching, type PairPlan } from './plan.ts'
import { sliceHash, sliceRange, type Sliced } from './slices.ts'

export interface OpenPlan {
  readonly plan: PairPlan
  readonly tables: { readonly source: Table; readonly target: Table }
  /** Of the side that seems larger. */
  readonly rowsEstimate: number
  /** Cuts the key space of both sides together: what only one of them has is covered too. */
  slice(): Promise<Sliced>
}

/**
 * Looks at both tables and plans how to compare them; two small statements a side, both sides at once.
 *
 * @throws Fault `thing_missing` and `usage` from the plan; `usage` when rows have no key.
 */
export async function openPlan(
  sides: { readonly source: Side; readonly target: Side },
  refs: { readonly source: TableRef; readonly target: TableRef },
  matching: Matching,
  signal: AbortSignal,
): Promise<OpenPlan> {
  // One after the other, because a second connection costs more than a second question.
  const look = async (side: Side, ref: TableRef) =>
    [await side.describe(ref, signal), await side.handshake(signal)] as const
  const [[source, hashOfSource], [target, hashOfTarget]] = await both(
    look(sides.source, refs.source),
    look(sides.target, refs.target),
  )
  const method = hashOfSource !== '' && hashOfSource === hashOfTarget ? 'native' : 'canonical'
  const plan = planPair(source, target, matching, method)
  const rowsEstimate = Math.max(source.rowsEstimate, target.rowsEstimate)
  await both(refuseKeyless(sides.source, plan.source, signal), refuseKeyless(sides.target, plan.target, signal))
  return {
    plan,
    tables: { source, target },
    rowsEstimate,
    async slice() {
      if (plan.strategy === 'hash') return sliceHash(rowsEstimate)
      const [ours, theirs] = await both(
        sides.source.bounds(plan.source, signal),
        sides.target.bounds(plan.target, signal),
      )
      const ends = [ours, theirs].flatMap((side) => side ?? [])
      if (ends.length === 0) return sliceRange(0n, 0n, 0)
      const from = ends.map((side) => side.from).reduce((one, other) => (one < other ? one : other))
      const to = ends.map((side) => side.to).reduce((one, other) => (one > other ? one : other))
      return sliceRange(from, to, rowsEstimate, plan.source.walked && plan.target.walked)
    },
  }
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
