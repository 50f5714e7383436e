import { tableName } from '../connect/table-name.ts'
import { Fault } from '../fault.ts'
import type { Explained, SidePlan, Slice } from '../sides/side.ts'
import type { PairPlan } from './plan.ts'
import { firstSizing, type Slicing } from './sizing.ts'

/** A table, and the first slice of it. */
interface Sliced {
  readonly plan: Pick<PairPlan, 'strategy' | 'key' | 'columns' | 'source' | 'target'>
  readonly rowsEstimate: number
  readonly slice: Slice
  readonly slicing: Slicing
}

/** What the engines would do to read the first slice. */
export interface FirstSlice extends Sliced {
  readonly explained: Readonly<Record<'source' | 'target', Explained>>
}

/**
 * Why each side that would read its whole table, although parts of it were asked for, cannot be read kindly; none for a
 * table that is one slice anyway. Pure.
 */
export function scansOf({ explained, ...sliced }: FirstSlice): readonly Fault[] {
  const { plan } = sliced
  if (plan.strategy !== 'range' || isOneSlice(sliced)) return []
  return (['source', 'target'] as const).flatMap((side) =>
    explained[side].scans && !isScattered(plan[side]) ? [scanFault(side, plan[side])] : [],
  )
}

/** A table so small that reading all of it is as good as reading a part. */
export function isOneSlice({ plan, rowsEstimate, slice, slicing }: Sliced): boolean {
  const values = plan.key.length + plan.columns.length
  return rowsEstimate <= firstSizing([slice], { rowsEstimate, values, walked: true }, slicing).rows
}

/** Why a side should not be asked what was written lately. */
export const markScanFault = (side: 'source' | 'target', { ref }: SidePlan, column: string) =>
  new Fault(
    'usage',
    `The ${side} would read all of ${tableName(ref)} to find what was written lately: no index begins with ${column}.`,
    { hint: `Create an index that begins with ${column}, or ask for another mode.` },
  )

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
