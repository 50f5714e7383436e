import { addCounts, noCounts, total } from './classify.ts'
import type { RunVerdict, SliceResult } from './records.ts'

/** What the slices add up to. Pure. `unknown` outweighs `drift`: a part that was not read may hold anything. */
export function summary(slices: readonly SliceResult[], kept: number) {
  const rows = { source: 0, target: 0 }
  let differences = noCounts
  let inFlight = 0
  let unsettled = 0
  for (const slice of slices) {
    rows.source += slice.rows.source
    rows.target += slice.rows.target
    differences = addCounts(differences, slice.counts)
    inFlight += slice.inFlight
    unsettled += slice.unsettled
  }
  const unread = slices.some(({ state }) => state === 'unknown')
  const found = total(differences)
  const verdict: RunVerdict = unread ? 'unknown' : found > 0 ? 'drift' : unsettled > 0 ? 'unknown' : 'match'
  const keys = rows.source + differences.extra
  const equal = Math.max(0, keys - found - unsettled)
  return {
    verdict,
    rows,
    differences,
    matchRatio: unread ? null : keys === 0 ? 1 : equal / keys,
    kept,
    truncated: kept < found,
    inFlight,
    unsettled,
  }
}
