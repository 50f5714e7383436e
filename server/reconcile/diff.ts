import type { TableRef } from '../connect/table-name.ts'
import { Fault } from '../fault.ts'
import type { Side } from '../sides/side.ts'
import { compareSlice, type Comparison, type SliceFindings } from './compare.ts'
import { openPlan } from './open-plan.ts'
import type { Matching, PairPlan } from './plan.ts'
import type { Difference, SliceResult } from './records.ts'
import type { Reported } from './report.ts'
import { endsOf } from './slices.ts'
import { stopwatch } from './stopwatch.ts'
import { summary } from './summary.ts'

export interface DiffRequest {
  readonly source: Side
  readonly target: Side
  readonly tables: { readonly source: TableRef; readonly target: TableRef }
  readonly matching: Matching
  /** Differences whose rows are fetched; `Infinity` for all of them. All are counted. */
  readonly limit: number
  readonly verbs: { now(): number; sleep(ms: number, signal: AbortSignal): Promise<void> }
  readonly signal: AbortSignal
  /** Called once both tables are known, before anything is compared. */
  planned?(plan: PairPlan): void
  /** Takes each batch of differences as it is found; the next is not read before it resolves. */
  take(differences: readonly Difference[], plan: PairPlan): Promise<void> | void
}

export interface DiffResult extends Reported {
  readonly plan: PairPlan
  readonly unsettled: number
  /** Why parts could not be compared; the verdict is then `unknown`. */
  readonly faults: readonly Fault[]
}

/**
 * Compares two tables once, without a config, a store or a write. What differs is read a second time at once, so that a
 * row caught in the middle of a change is not reported; there is no wait for rows on their way.
 *
 * Cost: one pass over each table, both at once, in the databases. Memory does not depend on their size.
 *
 * @throws Fault `thing_missing` or `usage` when the request does not fit the tables, and what a side throws while it is
 * being looked at. A side that fails later makes the verdict `unknown`.
 */
export async function diff(request: DiffRequest): Promise<DiffResult> {
  const { source, target, signal, verbs } = request
  const watch = stopwatch(verbs.now)
  const { plan, cut, slices } = await watch.timed('plan', async () => {
    const opened = await openPlan(request, request.tables, request.matching, signal)
    return { ...opened, ...(await opened.slice()) }
  })
  request.planned?.(plan)

  let taken = 0
  const taker = {
    room: () => request.limit - taken,
    async take(differences: readonly Difference[]) {
      taken += differences.length
      await request.take(differences, plan)
    },
  }
  const policy = { waitMs: 0, tries: 1, positionMs: 0 }
  const comparison: Comparison = { sides: { source, target }, plan, policy, verbs, signal, timed: watch.timed }
  const results: SliceResult[] = []
  const faults: Fault[] = []
  for (const [ordinal, slice] of slices.entries()) {
    const findings = await compareSlice(comparison, slice, cut, taker).catch((thrown: unknown) => {
      signal.throwIfAborted()
      if (!(thrown instanceof Fault)) throw thrown
      faults.push(thrown)
      return undefined
    })
    results.push({ ordinal, ...endsOf(slice), state: findings ? 'verified' : 'unknown', ...(findings ?? nothing) })
    // One side that stopped answering will not answer for the rest either, and the verdict is settled.
    if (!findings) break
  }
  const { verdict, rows, differences, matchRatio, unsettled } = summary(results, taken)
  const traffic = [source.traffic(), target.traffic()]
  return {
    verdict,
    rows,
    differences,
    matchRatio,
    method: plan.method,
    timingsMs: watch.timingsMs(),
    bytesRead: traffic.reduce((sum, { bytesRead }) => sum + bytesRead, 0),
    queries: traffic.reduce((sum, { queries }) => sum + queries, 0),
    plan,
    unsettled,
    faults,
  }
}

const nothing: SliceFindings = {
  rows: { source: 0, target: 0 },
  counts: { missing: 0, extra: 0, changed: 0 },
  inFlight: 0,
  unsettled: 0,
}

/**
 * The columns of `--columns a,b=c`: only these are compared, and b is called c in the target.
 * @throws Fault `usage` for a part that is neither.
 */
export function columnList(text: string): { include: string[]; map: Record<string, string> } {
  const include: string[] = []
  const map: Record<string, string> = {}
  for (const part of text.split(',')) {
    const [source, target, ...more] = part.split('=').map((name) => name.trim())
    if (!source || target === '' || more.length > 0) {
      throw new Fault('usage', `--columns has a part "${part}".`, {
        hint: 'Write source columns, with =target where the names differ: --columns name,email=email_address',
      })
    }
    include.push(source)
    if (target !== undefined) map[source] = target
  }
  return { include, map }
}
