import { tableName } from '../connect/table-name.ts'
import { Fault } from '../fault.ts'
import type { Explained, SidePlan, Slice } from '../sides/side.ts'
import type { PairPlan } from './plan.ts'
import { firstSizing, type Slicing } from './sizing.ts'

/** What the engines would do to read the first slice. */
export interface FirstSlice {
  readonly plan: Pick<PairPlan, 'strategy' | 'key' | 'columns' | 'source' | 'target'>
  readonly rowsEstimate: number
  readonly slice: Slice
  readonly slicing: Slicing
  readonly explained: Readonly<Record<'source' | 'target', Explained>>
}

/**
 * Why each side that would read its whole table, although parts of it were asked for, cannot be read kindly; none for a
 * table that is one slice anyway. Pure.
 */
export function scansOf({ plan, rowsEstimate, slice, slicing, explained }: FirstSlice): readonly Fault[] {
  if (plan.strategy !== 'range') return []
  const values = plan.key.length + plan.columns.length
  const { rows } = firstSizing([slice], { rowsEstimate, values, walked: true }, slicing)
  if (rowsEstimate <= rows) return []
  return (['source', 'target'] as const).flatMap((side) =>
    explained[side].scans && !isScattered(plan[side]) ? [scanFault(side, plan[side])] : [],
  )
}

/** Its index is passed over on purpose: rows that lie in another order would be read many times over. */
const isScattered = ({ ordered, walked }: SidePlan) => ordered && !walked

function scanFault(side: 'source' | 'target', { ref, key, ordered, where }: SidePlan): Fault {
  const name = key[0]!.name
  const message = `The ${side} would read all of ${tableName(ref)} for each slice: `
  if (!ordered) {
    return new Fault('usage', `${message}no index begins with ${name}.`, {
      hint: `Create an index that begins with ${name}, or name another key.`,
    })
  }
  if (where !== undefined) {
    return new Fault('usage', `${message}with where ${where} its engine does not use the index on ${name}.`, {
      hint: `Write the condition so that a range of ${name} still answers it, or index ${name} together with it.`,
    })
  }
  return new Fault('usage', `${message}its engine does not use the index on ${name}.`, {
    hint: `Run ANALYZE on ${tableName(ref)}, and see its own EXPLAIN of the statement.`,
  })
}
