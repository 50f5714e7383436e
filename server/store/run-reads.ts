import { and, asc, count, desc, eq, gt, gte, inArray, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { SliceResult } from '../reconcile/records.ts'
import { differenceOf, tally } from './journal.ts'
import type { Db } from './open.ts'
import { storedRun, type StoredRun } from './runs.ts'
import { corrections, decisions, differences, runs, slices } from './schema.ts'

// Written out: drizzle leaves the table off a column in a selected expression, and both tables have an "id".
const states = sql<Record<string, number>>`(
  select coalesce(jsonb_object_agg(c.state, c.rows), '{}') from (
    select state, count(*) as rows from corrections where corrections.run_id = runs.id group by state) as c)`

/** Runs, newest first. One statement. */
export async function runRows(db: Db, filter: { pair?: string; pipeline?: string; from?: Date; limit: number }) {
  const rows = await db
    .select({ run: runs, states })
    .from(runs)
    .where(
      and(
        ...(filter.pair ? [eq(runs.pairId, filter.pair)] : []),
        ...(filter.pipeline ? [eq(runs.pipelineId, filter.pipeline)] : []),
        ...(filter.from ? [gte(runs.createdAt, filter.from)] : []),
      ),
    )
    .orderBy(desc(runs.createdAt))
    .limit(filter.limit)
  return rows.map(({ run, states }) => runRow(run, states))
}

/** A run with all that belongs to it but its differences. */
export async function runDetail(db: Db, id: string) {
  const run = await storedRun(db, id)
  if (!run) return undefined
  const inStates = await tally(db, id)
  const done = await db.select().from(slices).where(eq(slices.runId, id)).orderBy(asc(slices.ordinal))
  const calls = await db
    .select({ action: decisions.action, rows: count() })
    .from(decisions)
    .where(eq(decisions.runId, id))
    .groupBy(decisions.action)
  const parts = sliceRows(
    run.plan?.slices ?? [],
    done.map((slice) => slice.result),
  )
  const kept = calls.reduce((sum, { rows }) => sum + rows, 0)
  const { result, plan } = run
  return {
    ...runRow(run, inStates),
    ...(plan ? { method: plan.method } : {}),
    columns: plan?.columns.length ?? 0,
    inFlight: result?.inFlight ?? 0,
    unsettled: result?.unsettled ?? 0,
    bytesRead: result?.bytesRead ?? 0,
    queries: result?.queries ?? 0,
    timingsMs: result?.timingsMs ?? {},
    progress: run.progress ?? {
      slicesDone: 0,
      slicesTotal: plan?.slices.length ?? 0,
      rowsDone: 0,
      rowsEstimate: plan?.rowsEstimate ?? 0,
    },
    slices: parts,
    ...(plan?.strategy === 'range' ? { buckets: await keyBuckets(db, id, parts) } : {}),
    kept: { items: kept, truncated: result?.truncated ?? false },
    guards: run.guards ?? [],
    corrections: inStates,
    actions: Object.fromEntries(calls.map(({ action, rows }) => [action, rows])),
    ...(run.fault ? { fault: run.fault } : {}),
    ...(result?.after ? { after: result.after } : {}),
  }
}

const none = { missing: 0, extra: 0, changed: 0 }

function sliceRows(planned: readonly { ordinal: number; from: string; to: string }[], done: readonly SliceResult[]) {
  const byOrdinal = new Map(done.map((slice) => [slice.ordinal, slice]))
  return planned.map(({ ordinal, from, to }) => {
    const slice = byOrdinal.get(ordinal)
    return slice ?? { ordinal, from, to, state: 'pending' as const, counts: none, unsettled: 0 }
  })
}

/** Parts of the key space a strip shows. */
const bucketsMax = 120

/**
 * Where in a range of integer keys the kept differences lie, in at most 120 parts of equal width. A part is as well known
 * as the slice it begins in.
 */
async function keyBuckets(db: Db, run: string, slices: ReturnType<typeof sliceRows>) {
  const [first, last] = [slices[0], slices.at(-1)]
  if (!first || !last) return []
  const from = BigInt(first.from)
  const span = BigInt(last.to) - from + 1n
  const parts = span < BigInt(bucketsMax) ? span : BigInt(bucketsMax)
  const edge = (part: bigint) => from + (span * part) / parts
  const key = sql`(${differences.key} ->> 0)::numeric`
  const part = sql<string>`floor((${key} - ${String(from)}::numeric) * ${String(parts)}::numeric / ${String(span)}::numeric)::text`
  const found = await db
    .select({ part, kind: differences.kind, rows: count() })
    .from(differences)
    .where(eq(differences.runId, run))
    .groupBy(sql`1`, differences.kind)
  return Array.from({ length: Number(parts) }, (_, index) => {
    const start = edge(BigInt(index))
    const slice = slices.findLast((one) => BigInt(one.from) <= start) ?? first
    const of = (kind: Kind) => found.find((one) => Number(one.part) === index && one.kind === kind)?.rows ?? 0
    const counts = { missing: of('missing'), extra: of('extra'), changed: of('changed') }
    const differing = counts.missing + counts.extra + counts.changed > 0
    const compared = slice.state === 'verified' || slice.state === 'differing'
    return {
      from: String(start),
      to: String(edge(BigInt(index + 1)) - 1n),
      state: compared ? (differing ? ('differing' as const) : ('verified' as const)) : slice.state,
      counts,
    }
  })
}

function runRow(run: StoredRun, inStates: Readonly<Partial<Record<string, number>>>) {
  const { result } = run
  return {
    id: run.id,
    pair: run.pairId,
    pipeline: run.pipelineId,
    state: run.state,
    step: run.step,
    mode: run.mode as 'full' | 'incremental' | 'sample',
    trigger: run.trigger,
    requestedBy: run.requestedBy,
    createdAt: run.createdAt,
    ...(run.startedAt ? { startedAt: run.startedAt } : {}),
    ...(run.endedAt ? { endedAt: run.endedAt } : {}),
    ...(run.verdict ? { verdict: run.verdict } : {}),
    ...(result ? { rows: result.rows, counts: result.differences } : {}),
    ...(result?.matchRatio == null ? {} : { matchRatio: result.matchRatio }),
    proposed: inStates['proposed'] ?? 0,
    applied: inStates['applied'] ?? 0,
  }
}

type Kind = 'missing' | 'extra' | 'changed'

const selectDifferences = (db: Db) =>
  db
    .select({ difference: differences, decision: decisions.decision, correction: corrections })
    .from(differences)
    .leftJoin(decisions, and(eq(decisions.runId, differences.runId), eq(decisions.id, differences.id)))
    .leftJoin(corrections, and(eq(corrections.runId, differences.runId), eq(corrections.id, differences.id)))
    .$dynamic()

/** One page of kept differences, in the order they were found. */
export async function differencePage(db: Db, run: string, page: { offset: number; limit: number; kind?: Kind }) {
  const which = and(eq(differences.runId, run), ...(page.kind ? [eq(differences.kind, page.kind)] : []))
  const [total] = await db.select({ rows: count() }).from(differences).where(which)
  const rows = await selectDifferences(db)
    .where(which)
    .orderBy(asc(differences.found))
    .offset(page.offset)
    .limit(page.limit)
  return { total: total?.rows ?? 0, rows: rows.map(differenceRow) }
}

const batchRows = 500

/** Every kept difference, in batches, each a statement of its own. */
export async function* allDifferences(db: Db, run: string) {
  let after = -1n
  while (true) {
    const rows = await selectDifferences(db)
      .where(and(eq(differences.runId, run), gt(differences.found, after)))
      .orderBy(asc(differences.found))
      .limit(batchRows)
    if (rows.length === 0) return
    after = rows.at(-1)!.difference.found
    yield rows.map(differenceRow)
  }
}

const differenceRow = (row: Awaited<ReturnType<ReturnType<typeof selectDifferences>['execute']>>[number]) => ({
  id: row.difference.id,
  difference: differenceOf(row.difference),
  ...(row.decision ? { decision: row.decision } : {}),
  ...(row.correction ? { state: row.correction.state } : {}),
  ...(row.correction?.message ? { message: row.correction.message } : {}),
  ...(row.correction?.decidedBy ? { decidedBy: row.correction.decidedBy } : {}),
})

/**
 * How the copies stand since a run has written: what it found, less what it tried to correct, plus what its look at those
 * keys afterwards still found.
 */
function asItIsNow(run: StoredRun, corrected: readonly { run: string; kind: Kind; rows: number }[]) {
  const row = runRow(run, {})
  const { result } = run
  if (!result?.after || !row.counts) return row
  const left = (kind: Kind) => {
    const gone = corrected.find((one) => one.run === run.id && one.kind === kind)?.rows ?? 0
    return Math.max(0, result.differences[kind] - gone) + result.after![kind]
  }
  const counts = { missing: left('missing'), extra: left('extra'), changed: left('changed') }
  const keys = result.rows.source + result.differences.extra
  const differing = counts.missing + counts.extra + counts.changed
  return { ...row, counts, ...(keys > 0 ? { matchRatio: (keys - differing) / keys } : {}) }
}

/** What is known of every pair over all its runs. A fixed few statements, whatever the number of pairs. */
export async function pairTotals(db: Db) {
  const latest = (which: ReturnType<typeof sql>) =>
    db.selectDistinctOn([runs.pairId]).from(runs).where(which).orderBy(runs.pairId, desc(runs.createdAt))
  const told = await latest(sql`${runs.verdict} in ('match', 'drift')`)
  const running = await latest(sql`${runs.state} in ('running', 'applying')`)
  const waiting = await latest(sql`${runs.state} = 'waiting'`)
  const started = await db
    .select({
      pair: runs.pairId,
      trigger: runs.trigger,
      runs: sql<number>`count(${runs.startedAt})::int`,
      lastStartAt: sql<string | null>`max(${runs.startedAt})::text`,
    })
    .from(runs)
    .groupBy(runs.pairId, runs.trigger)
  const failed = await db
    .select({ pair: runs.pairId, trigger: runs.trigger, reason: sql<string>`${runs.fault} ->> 'code'`, runs: count() })
    .from(runs)
    .where(eq(runs.state, 'failed'))
    .groupBy(runs.pairId, runs.trigger, sql`${runs.fault} ->> 'code'`)
  const owner = alias(runs, 'owner')
  const written = await db
    .select({ pair: owner.pairId, action: corrections.action, state: corrections.state, rows: count() })
    .from(corrections)
    .innerJoin(owner, eq(owner.id, corrections.runId))
    .groupBy(owner.pairId, corrections.action, corrections.state)
  const corrected = await db
    .select({ run: differences.runId, kind: differences.kind, rows: count() })
    .from(corrections)
    .innerJoin(differences, and(eq(differences.runId, corrections.runId), eq(differences.id, corrections.id)))
    .where(
      and(
        inArray(corrections.state, ['applied', 'stale', 'failed', 'interrupted']),
        inArray(
          corrections.runId,
          told.map(({ id }) => id),
        ),
      ),
    )
    .groupBy(differences.runId, differences.kind)
  return {
    told: told.map((run) => asItIsNow(run, corrected)),
    running: running.map(({ id, pairId, progress }) => ({ run: id, pair: pairId, progress })),
    waiting: waiting.map(({ id, pairId }) => ({ run: id, pair: pairId })),
    started: started.map(({ lastStartAt, ...row }) => ({
      ...row,
      ...(lastStartAt ? { lastStartAt: new Date(lastStartAt) } : {}),
    })),
    failed,
    written,
  }
}
