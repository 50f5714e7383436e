import { and, asc, count, eq, gt, sql } from 'drizzle-orm'
import type { Difference } from '../reconcile/records.ts'
import { differenceOf } from './journal.ts'
import type { Db } from './open.ts'
import { corrections, decisions, differences, runs, slices } from './schema.ts'

/** Which of the kept differences: of one kind, or in a part of the key space, both ends included. */
export interface DifferenceFilter {
  readonly kind?: Difference['kind']
  /** Keys where the key is cut into ranges, numbers of parts where it is cut by a hash; decimal text. */
  readonly from?: string
  readonly to?: string
}

/** One page of kept differences, in the order they were found. */
export async function differencePage(db: Db, run: string, page: DifferenceFilter & { offset: number; limit: number }) {
  const which = matching(run, page)
  const [total] = await db.select({ rows: count() }).from(differences).where(which)
  const rows = await selectDifferences(db)
    .where(which)
    .orderBy(asc(differences.found))
    .offset(page.offset)
    .limit(page.limit)
  return { total: total?.rows ?? 0, rows: rows.map(differenceRow) }
}

const batchRows = 500

/** Every kept difference that matches, in batches, each a statement of its own: nothing is held open between them. */
export async function* allDifferences(db: Db, run: string, filter: DifferenceFilter = {}) {
  let after = -1n
  while (true) {
    const rows = await selectDifferences(db)
      .where(and(matching(run, filter), gt(differences.found, after)))
      .orderBy(asc(differences.found))
      .limit(batchRows)
    if (rows.length === 0) return
    after = rows.at(-1)!.difference.found
    yield rows.map(differenceRow)
  }
}

function matching(run: string, { kind, from, to }: DifferenceFilter) {
  // Only a range has keys that are numbers: the case is decided before anything is cast.
  const place = sql`case (select ${runs.plan} ->> 'strategy' from ${runs} where ${runs.id} = ${run})
    when 'range' then (${differences.key} ->> 0)::numeric
    else (select (${slices.result} ->> 'from')::numeric from ${slices}
      where ${slices.runId} = ${run} and ${slices.ordinal} = ${differences.slice}) end`
  return and(
    eq(differences.runId, run),
    ...(kind ? [eq(differences.kind, kind)] : []),
    ...(from === undefined ? [] : [sql`${place} >= ${from}::numeric`]),
    ...(to === undefined ? [] : [sql`${place} <= ${to}::numeric`]),
  )
}

const selectDifferences = (db: Db) =>
  db
    .select({ difference: differences, decision: decisions.decision, correction: corrections })
    .from(differences)
    .leftJoin(decisions, and(eq(decisions.runId, differences.runId), eq(decisions.id, differences.id)))
    .leftJoin(corrections, and(eq(corrections.runId, differences.runId), eq(corrections.id, differences.id)))
    .$dynamic()

const differenceRow = (row: Awaited<ReturnType<ReturnType<typeof selectDifferences>['execute']>>[number]) => ({
  id: row.difference.id,
  difference: differenceOf(row.difference),
  ...(row.decision ? { decision: row.decision } : {}),
  ...(row.correction ? { state: row.correction.state } : {}),
  ...(row.correction?.message ? { message: row.correction.message } : {}),
  ...(row.correction?.decidedBy ? { decidedBy: row.correction.decidedBy } : {}),
})
