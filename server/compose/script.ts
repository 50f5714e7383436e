import { tableName } from '../connect/table-name.ts'
import { Fault } from '../fault.ts'
import { openPlan } from '../reconcile/open-plan.ts'
import { matchingOf } from '../reconcile/pair.ts'
import { fixOf } from '../reconcile/report.ts'
import { allDifferences, type DifferenceFilter } from '../store/difference-reads.ts'
import type { Db } from '../store/open.ts'
import { storedRun } from '../store/runs.ts'
import type { OpenPair } from '../work/runner.ts'

export interface ScriptRequest {
  readonly run: string
  readonly on: 'source' | 'target'
  readonly filter: DifferenceFilter
  readonly signal: AbortSignal
}

/**
 * The kept differences of a run as statements for one side. The journal has the values but not the types they are cast to,
 * so both sides are asked how their tables are now; when that is not how they were compared, nothing is written that might
 * no longer mean what was found.
 *
 * Cost: a few small statements a side, then pages of the store while somebody reads.
 *
 * @throws Fault `not_found` for a pair the config has lost, `conflict` for changed tables or a run without a plan, and what
 * the sides throw.
 */
export async function scriptOf(
  db: Db,
  open: (pair: string) => OpenPair,
  { run, on, filter, signal }: ScriptRequest,
): Promise<AsyncIterable<string>> {
  const stored = await storedRun(db, run)
  if (!stored?.plan) {
    throw new Fault('conflict', 'The run has not compared anything.', { hint: 'Ask again once it has.' })
  }
  const pair = open(stored.pairId)
  const tables = { source: pair.spec.source.table, target: pair.spec.target.table }
  const { plan } = await openPlan(pair, tables, matchingOf(pair.spec), signal)
  if (plan.fingerprint !== stored.plan.fingerprint) {
    throw new Fault('conflict', 'The tables, or what is compared of them, have changed since this run.', {
      hint: `Run ${stored.pairId} again and export that run.`,
    })
  }
  const head = `-- Run ${run}: makes ${tableName(tables[on])} the other side's. A statement whose row has changed since does nothing.\n`
  return (async function* () {
    yield head
    for await (const rows of allDifferences(db, run, filter)) {
      yield rows.map(({ difference }) => `${fixOf(plan, difference, pair[on], on)}\n`).join('')
    }
  })()
}
