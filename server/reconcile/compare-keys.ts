import type { Key } from '../sides/side.ts'
import { agrees, countAll, total } from './classify.ts'
import type { Comparison, SliceFindings, Taker } from './compare.ts'
import { lookAt, settle } from './settle.ts'
import { tell } from './tell.ts'

/**
 * Compares some keys, as `compareSlice` does a slice. Cost: one read by key on each side, then only of what differs.
 * Memory grows with the keys. Throws what a side throws: then nothing is known of any of them.
 */
export async function compareKeys(comparison: Comparison, keys: readonly Key[], taker: Taker): Promise<SliceFindings> {
  const { sides, plan, policy, verbs, signal, timed } = comparison
  const again = (some: readonly Key[]) => lookAt(sides, plan, some, signal)
  const looks = await comparison.reading(() => timed('digest', () => again(keys)))
  const firstLookMs = verbs.now()
  const rows = { source: 0, target: 0 }
  for (const { source, target } of looks) {
    rows.source += source.length
    rows.target += target.length
  }
  const differing = looks.filter((one) => !agrees(one))
  comparison.digested({ rows, buckets: 1, differing: [] })
  const { settled, told } = await comparison.holding(differing.length, async () => {
    const settled = await timed('settle', () => settle(differing, firstLookMs, again, policy, verbs, signal))
    return { settled, told: await timed('rows', () => tell(comparison, settled.persistent, taker)) }
  })
  return {
    rows,
    counts: told.counts,
    inFlight: total(countAll(settled.healed)) + told.inFlight,
    unsettled: total(countAll(settled.unsettled)) + told.unsettled,
  }
}
