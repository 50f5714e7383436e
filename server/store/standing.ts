import { and, desc, inArray, sql } from 'drizzle-orm'
import type { Db } from './open.ts'
import { runs, verified, type StoredRun } from './schema.ts'

/** What scrubs have found in the parts of a pair that they compared last. */
export interface WalkedTotals {
  readonly pair: string
  readonly rows: { readonly source: number; readonly target: number }
  readonly counts: { readonly missing: number; readonly extra: number; readonly changed: number }
}

/** The newest runs of each pair that told a verdict: of all of it, and of a part. A fixed few statements. */
export async function toldRuns(db: Db) {
  const latest = (modes: readonly StoredRun['mode'][], verdicts: readonly ('match' | 'drift')[]) =>
    db
      .selectDistinctOn([runs.pairId])
      .from(runs)
      .where(and(inArray(runs.mode, [...modes]), inArray(runs.verdict, [...verdicts])))
      .orderBy(runs.pairId, desc(runs.createdAt))
  return {
    whole: await latest(['full', 'incremental'], ['match', 'drift']),
    scrub: await latest(['scrub'], ['match', 'drift']),
    sample: await latest(['sample'], ['match', 'drift']),
    drifted: await latest(['sample'], ['drift']),
  }
}

/** What was found in the parts that scrubs compared since the last run that told all of a pair. One statement. */
export async function walkedTotals(db: Db): Promise<readonly WalkedTotals[]> {
  const sum = (column: string) => sql<number>`sum(${sql.raw(column)})::float8`
  const rows = await db
    .select({
      pair: verified.pairId,
      source: sum('rows_source'),
      target: sum('rows_target'),
      missing: sum('missing'),
      extra: sum('extra'),
      changed: sum('changed'),
    })
    .from(verified)
    .where(
      sql`not exists (select from ${runs} as whole where whole.pair_id = ${verified.pairId}
        and whole.mode in ('full', 'incremental') and whole.verdict in ('match', 'drift') and whole.started_at >= ${verified.at})`,
    )
    .groupBy(verified.pairId)
  return rows.map(({ pair, source, target, missing, extra, changed }) => ({
    pair,
    rows: { source, target },
    counts: { missing, extra, changed },
  }))
}

interface Told {
  readonly pair: string
  readonly createdAt: Date
  readonly matchRatio?: number
  readonly rows?: { readonly source: number; readonly target: number }
  readonly counts?: WalkedTotals['counts']
  readonly coverage?: { readonly keys: number }
}

/**
 * How each pair stands: the worst of the last run that told all of it and of what partial runs have found since. A sample
 * that agrees says nothing of rows it did not look at. Pure.
 */
export function standingOf<T extends Told>(
  told: Readonly<Record<'whole' | 'scrub' | 'sample' | 'drifted', readonly T[]>>,
  walked: readonly WalkedTotals[],
): T[] {
  const pairs = new Set(Object.values(told).flatMap((rows) => rows.map(({ pair }) => pair)))
  return [...pairs].flatMap((pair) => {
    const of = (rows: readonly T[]) => rows.find((row) => row.pair === pair)
    const [whole, scrub, sample, drifted] = [of(told.whole), of(told.scrub), of(told.sample), of(told.drifted)]
    const since = (row: T | undefined) => (row && (!whole || row.createdAt > whole.createdAt) ? [row] : [])
    const parts = walked.find((one) => one.pair === pair)
    const candidates = [
      ...(whole ? [whole] : []),
      ...(parts ? since(scrub).map((row) => walkedRow(row, whole, parts)) : []),
      ...since(whole || parts ? drifted : sample),
    ]
    const ratio = (row: T) => row.matchRatio ?? 1
    return candidates.length === 0 ? [] : [candidates.reduce((worst, row) => (ratio(row) < ratio(worst) ? row : worst))]
  })
}

/** The newest scrub, telling of all that scrubs know: each of them looks at a part only. */
function walkedRow<T extends Told>(scrub: T, whole: T | undefined, { rows, counts }: WalkedTotals): T {
  const differing = counts.missing + counts.extra + counts.changed
  const keys = Math.max(whole?.coverage?.keys ?? whole?.rows?.source ?? 0, rows.source + counts.extra)
  return { ...scrub, rows: whole?.rows ?? rows, counts, matchRatio: keys === 0 ? 1 : (keys - differing) / keys }
}
