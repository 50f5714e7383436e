import { and, asc, count, desc, eq, gte, inArray, sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import { endsOf, remaining, sliceFrom, type Ends } from '../reconcile/intervals.ts'
import type { SliceResult } from '../reconcile/records.ts'
import { tally } from './journal.ts'
import { keySpace } from './key-space.ts'
import type { Db } from './open.ts'
import { storedRun, type StoredRun } from './runs.ts'
import { corrections, decisions, differences, runs, slices } from './schema.ts'
import { standingOf, toldRuns, walkedTotals } from './standing.ts'
import { oldestVerified } from './verified.ts'

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
    run.plan,
    done.map((slice) => slice.result),
  )
  const kept = calls.reduce((sum, { rows }) => sum + rows, 0)
  const { result, plan } = run
  return {
    ...runRow(run, inStates),
    ...(plan ? { method: plan.method } : {}),
    notes: plan?.notes ?? [],
    columns: plan?.columns.length ?? 0,
    inFlight: result?.inFlight ?? 0,
    unsettled: result?.unsettled ?? 0,
    bytesRead: result?.bytesRead ?? 0,
    queries: result?.queries ?? 0,
    timingsMs: result?.timingsMs ?? {},
    progress: run.progress ?? {
      slicesDone: 0,
      slicesTotal: parts.length,
      rowsDone: 0,
      rowsEstimate: plan?.rowsEstimate ?? 0,
    },
    slices: parts,
    ...(plan ? { space: plan.strategy, buckets: await keySpace(db, id, plan.strategy, parts) } : {}),
    kept: { items: kept, truncated: result?.truncated ?? false },
    guards: run.guards ?? [],
    corrections: inStates,
    actions: Object.fromEntries(calls.map(({ action, rows }) => [action, rows])),
    ...(run.fault ? { fault: run.fault } : {}),
    ...(result?.after ? { after: result.after } : {}),
  }
}

const none = { missing: 0, extra: 0, changed: 0 }

/** What was told of each part of the key space, and what is pending, in the order of the keys. */
function sliceRows(plan: StoredRun['plan'], done: readonly SliceResult[]) {
  if (!plan?.intervals) return done
  const read = (ends: Ends) => sliceFrom(plan.strategy, ends)
  const left = remaining(plan.intervals.map(read), done.map(read)).map((slice, place) => {
    const ordinal = done.length + place
    return { ordinal, ...endsOf(slice), state: 'pending' as const, counts: none, unsettled: 0 }
  })
  return [...done, ...left].toSorted((one, other) => (BigInt(one.from) < BigInt(other.from) ? -1 : 1))
}

function runRow(run: StoredRun, inStates: Readonly<Partial<Record<string, number>>>) {
  const { result } = run
  return {
    id: run.id,
    pair: run.pairId,
    pipeline: run.pipelineId,
    state: run.state,
    step: run.step,
    mode: run.mode,
    // Runs of older versions say nothing of it: they compared everything.
    ...(result?.coverage ? { coverage: result.coverage } : {}),
    trigger: run.trigger,
    requestedBy: run.requestedBy,
    createdAt: run.createdAt,
    ...(run.startedAt ? { startedAt: run.startedAt } : {}),
    ...(run.endedAt ? { endedAt: run.endedAt } : {}),
    ...(run.pausedBy && run.pausedAt ? { paused: { by: run.pausedBy, at: run.pausedAt } } : {}),
    ...waitingOf(run),
    ...(run.verdict ? { verdict: run.verdict } : {}),
    ...(result ? { rows: result.rows, counts: result.differences } : {}),
    ...(result?.matchRatio == null ? {} : { matchRatio: result.matchRatio }),
    proposed: inStates['proposed'] ?? 0,
    applied: inStates['applied'] ?? 0,
  }
}

function waitingOf({ state, pausedBy, pausedAt, progress }: StoredRun) {
  const waiting = progress?.waiting
  if (state === 'queued' && pausedBy && pausedAt) {
    return { waiting: { reason: 'paused' as const, why: `Paused by ${pausedBy}.`, since: pausedAt } }
  }
  if (!waiting || state !== 'running') return {}
  const { reason, why, sinceMs, untilMs } = waiting
  const until = untilMs === undefined ? {} : { until: new Date(untilMs) }
  return { waiting: { reason, why, since: new Date(sinceMs), ...until } }
}

type Kind = 'missing' | 'extra' | 'changed'

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
  const keys = result.coverage?.keys ?? result.rows.source + result.differences.extra
  const differing = counts.missing + counts.extra + counts.changed
  return { ...row, counts, ...(keys > 0 ? { matchRatio: (keys - differing) / keys } : {}) }
}

const mapped = <K extends string, T, U>(lists: Readonly<Record<K, readonly T[]>>, of: (one: T) => U) =>
  // The keys are those of the lists.
  Object.fromEntries(Object.entries<readonly T[]>(lists).map(([name, list]) => [name, list.map(of)])) as Record<K, U[]>

/** What is known of every pair over all its runs. A fixed few statements, whatever the number of pairs. */
export async function pairTotals(db: Db) {
  const latest = (which: ReturnType<typeof sql>) =>
    db.selectDistinctOn([runs.pairId]).from(runs).where(which).orderBy(runs.pairId, desc(runs.createdAt))
  const told = await toldRuns(db)
  const toldIds = Object.values(told).flatMap((rows) => rows.map(({ id }) => id))
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
        inArray(corrections.runId, toldIds),
      ),
    )
    .groupBy(differences.runId, differences.kind)
  return {
    told: standingOf(
      mapped(told, (run) => asItIsNow(run, corrected)),
      await walkedTotals(db),
    ),
    verified: await oldestVerified(db),
    running: running.map((run) => ({ run: run.id, pair: run.pairId, progress: run.progress, ...waitingOf(run) })),
    waiting: waiting.map(({ id, pairId }) => ({ run: id, pair: pairId })),
    started: started.map(({ lastStartAt, ...row }) => ({
      ...row,
      ...(lastStartAt ? { lastStartAt: new Date(lastStartAt) } : {}),
    })),
    failed,
    written,
  }
}
