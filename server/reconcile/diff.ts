import type { TableRef } from '../connect/table-name.ts'
import { Fault } from '../fault.ts'
import type { Side } from '../sides/side.ts'
import type { Budget } from './budget.ts'
import { readShare } from './covered.ts'
import { openPlan } from './open-plan.ts'
import type { Matching, PairPlan } from './plan.ts'
import type { Difference, SliceResult } from './records.ts'
import type { Reported } from './report.ts'
import { readSlices } from './read-slices.ts'
import { stopwatch } from './stopwatch.ts'
import { summary } from './summary.ts'

export interface DiffRequest {
  readonly source: Side
  readonly target: Side
  readonly tables: { readonly source: TableRef; readonly target: TableRef }
  readonly matching: Matching
  /** Differences whose rows are fetched; `Infinity` for all of them. All are counted. */
  readonly limit: number
  /** When to give up; the verdict is then `unknown`, with what is known so far. */
  readonly budget?: Budget
  readonly verbs: { now(): number; sleep(ms: number, signal: AbortSignal): Promise<void> }
  readonly signal: AbortSignal
  /** Called once both tables are known, before anything is compared. */
  planned?(plan: PairPlan): void
  /** Takes differences as they are found, a batch at a time; the next of its slice is not read before it resolves. */
  take(differences: readonly Difference[], plan: PairPlan): Promise<void> | void
}

type SliceFault = NonNullable<SliceResult['fault']>

export interface DiffResult extends Reported {
  readonly plan: PairPlan
  /** Of the keys there are that could be read, 0 to 1. */
  readonly share: number
  readonly unsettled: number
  /** Why parts could not be compared; the verdict is then `unknown`. */
  readonly faults: readonly SliceFault[]
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
  const { space, ...opened } = await watch.timed('plan', async () => {
    const opened = await openPlan(request, request.tables, request.matching, signal)
    return { ...opened, space: await opened.space() }
  })
  const { plan, rowsEstimate, changed } = opened
  request.planned?.(plan)

  let taken = 0
  const results = new Map<number, SliceResult>()
  await readSlices({
    comparison: {
      sides: { source, target },
      plan,
      policy: { waitMs: 0, tries: 1, positionMs: 0 },
      verbs,
      signal,
      timed: watch.timed,
    },
    intervals: space,
    before: [],
    rowsEstimate,
    share: 1,
    slicing: diffSlicing,
    budget: request.budget ?? {},
    room: () => request.limit - taken,
    taken: (differences) => void (taken += differences),
    // What was handed out cannot be taken back: such a slice is not read again.
    keep: (_, differences) => request.take(differences, plan),
    async told(result, differences) {
      results.set(result.ordinal, result)
      if (differences.length > 0) await request.take(differences, plan)
    },
    changed,
  })
  const slices = [...results.values()]
  const { verdict, rows, differences, matchRatio, unsettled } = summary(slices, taken)
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
    share: readShare(space, slices),
    unsettled,
    faults: faultsOf(slices),
  }
}

/** Somebody waits for the answer, so that slices are larger than those of runs that nobody waits for. */
export const diffSlicing = { targetMs: 4_000, rowsMax: Infinity }

/** Each fault once, however many slices it stopped. */
const faultsOf = (slices: readonly SliceResult[]): SliceFault[] => [
  ...new Map(slices.flatMap(({ fault }) => (fault ? [[fault.message, fault] as const] : []))).values(),
]

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
