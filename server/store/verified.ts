import { createHash } from 'node:crypto'
import { and, asc, desc, eq, gt, inArray, isNotNull, min, ne, sql } from 'drizzle-orm'
import { changedMax } from '../reconcile/changed.ts'
import { total } from '../reconcile/classify.ts'
import { sliceFrom, type Ends } from '../reconcile/intervals.ts'
import type { RunResult } from '../reconcile/run.ts'
import { baseOf, type Base, type Verified } from '../reconcile/scope.ts'
import { walked } from '../reconcile/walk.ts'
import type { Db } from './open.ts'
import { differences, runs, verified, type StoredRun } from './schema.ts'

type Tx = Pick<Db, 'select' | 'insert' | 'delete'>
type Plan = NonNullable<StoredRun['plan']>

/** Rows one insert carries. */
const batchRows = 500

/** Short enough to stand on every row, and another when what is compared, or how, is. */
const planOf = ({ fingerprint }: Pick<Plan, 'fingerprint'>) =>
  createHash('sha256').update(fingerprint).digest('base64url').slice(0, 22)

/** When each part of a pair was last compared, in the order of the keys. Of other plans than this one nothing is known. */
export async function verifiedParts(
  db: Pick<Db, 'select'>,
  pair: string,
  plan: Pick<Plan, 'fingerprint'>,
): Promise<readonly Verified[]> {
  const rows = await db
    .select()
    .from(verified)
    .where(and(eq(verified.pairId, pair), eq(verified.plan, planOf(plan))))
    .orderBy(asc(verified.from))
  return rows.map(({ from, to, at, runId, rowsSource, rowsTarget, missing, extra, changed }) => ({
    from: BigInt(from),
    to: BigInt(to),
    run: runId,
    at,
    rows: { source: rowsSource, target: rowsTarget },
    counts: { missing, extra, changed },
  }))
}

/** Remembers what a run has compared of its pair, where it walks the key space; in the transaction that ends the run. */
export async function noteVerified(tx: Tx, run: StoredRun, result: RunResult): Promise<void> {
  const { plan, pairId, startedAt } = run
  // A run that an older version began has no intervals.
  if (!plan?.intervals || !startedAt || !['full', 'scrub'].includes(result.coverage.mode)) return
  const slice = (ends: Ends) => sliceFrom(plan.strategy, ends)
  const read = result.slices.filter(({ state }) => state !== 'unknown').map((one) => ({ ...one, slice: slice(one) }))
  const pieces = walked(await verifiedParts(tx, pairId, plan), plan.intervals.map(slice), read, {
    run: run.id,
    at: startedAt,
  })
  await tx.delete(verified).where(eq(verified.pairId, pairId))
  const rows = pieces.map((piece) => ({
    pairId,
    plan: planOf(plan),
    from: String(piece.from),
    to: String(piece.to),
    at: piece.at,
    runId: piece.run,
    rowsSource: piece.rows.source,
    rowsTarget: piece.rows.target,
    ...piece.counts,
  }))
  for (let start = 0; start < rows.length; start += batchRows) {
    await tx.insert(verified).values(rows.slice(start, start + batchRows))
  }
}

/** When the run began that read the part which was compared longest ago, by pair. A pair of which nothing was has none. */
export async function oldestVerified(db: Db): Promise<readonly { readonly pair: string; readonly at: Date }[]> {
  const rows = await db
    .select({ pair: verified.pairId, at: min(verified.at) })
    .from(verified)
    .groupBy(verified.pairId)
  return rows.flatMap(({ pair, at }) => (at ? [{ pair, at }] : []))
}

const tellsAll = inArray(runs.mode, ['full', 'incremental'])
const told = inArray(runs.verdict, ['match', 'drift'])

/**
 * The newest run of a pair, but for this one, that told how all of it stands: what an incremental run goes on from, with
 * what samples and scrubs have found since. One with rows that never settled is passed over: nobody kept which they were.
 */
export async function lastVerified(db: Db, { id, pairId }: { id: string; pairId: string }): Promise<Base | undefined> {
  const ofPair = and(eq(runs.pairId, pairId), ne(runs.id, id))
  const [last] = await db
    .select()
    .from(runs)
    .where(and(ofPair, tellsAll, told, isNotNull(runs.plan), sql`${runs.result} ->> 'unsettled' = '0'`))
    .orderBy(desc(runs.startedAt))
    .limit(1)
  if (!last?.plan || !last.result || !last.startedAt) return undefined
  const since = await db
    .select({ id: runs.id, result: runs.result })
    .from(runs)
    .where(
      and(ofPair, inArray(runs.mode, ['sample', 'scrub']), gt(runs.startedAt, last.startedAt), isNotNull(runs.result)),
    )
  const found = (result: RunResult | null) => (result ? total(result.differences) : 0)
  const base = baseOf(last.plan, last.result, async () => {
    const rows = await db
      .selectDistinct({ key: differences.key })
      .from(differences)
      .where(inArray(differences.runId, [last.id, ...since.map((run) => run.id)]))
      .limit(changedMax + 1)
    return rows.map(({ key }) => key)
  })
  return {
    ...base,
    found: since.reduce((sum, { result }) => sum + found(result), base.found),
    kept: since.reduce((sum, { result }) => sum + (result?.kept ?? 0), base.kept),
  }
}
