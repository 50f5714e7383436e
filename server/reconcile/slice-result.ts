import type { Fault } from '../fault.ts'
import { noCounts, total } from './classify.ts'
import type { SliceFindings } from './compare.ts'
import type { Dealt } from './frontier.ts'
import { endsOf } from './intervals.ts'
import type { SliceResult } from './records.ts'

export const sliceResult = ({ ordinal, slice }: Dealt, findings: SliceFindings): SliceResult => ({
  ordinal,
  ...endsOf(slice),
  state: total(findings.counts) + findings.unsettled === 0 ? 'verified' : 'differing',
  ...findings,
})

export const unknownSlice = ({ ordinal, slice }: Dealt, fault: Fault): SliceResult =>
  asUnknown({ ordinal, ...endsOf(slice) }, fault)

/** A slice of which nothing is known, whatever was told of it before. */
export const asUnknown = (
  { ordinal, from, to }: Pick<SliceResult, 'ordinal' | 'from' | 'to'>,
  { code, message, hint }: Fault,
): SliceResult => ({
  ...{ ordinal, from, to },
  state: 'unknown',
  rows: { source: 0, target: 0 },
  counts: noCounts,
  inFlight: 0,
  unsettled: 0,
  fault: { code, message, hint },
})
