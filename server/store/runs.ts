import { and, asc, eq, inArray, isNotNull, isNull, lt, or, sql } from 'drizzle-orm'
import type { Mode } from '../reconcile/mode.ts'
import type { RunProgress, RunResult } from '../reconcile/run.ts'
import { Fault } from '../fault.ts'
import { heldBy, type Claim } from './claim.ts'
import type { Db } from './open.ts'
import { corrections, runs, type StoredRun } from './schema.ts'
import { noteVerified } from './verified.ts'

export type { StoredRun }
export type RunState = StoredRun['state']
type RunTrigger = StoredRun['trigger']

export interface RunRequest {
  readonly id: string
  readonly pair: string
  readonly pipeline: string
  readonly mode: Mode
  readonly seed?: string
  readonly trigger: RunTrigger
  readonly requestedBy: string
  /** Approve what it finds right away, in the name of whoever asked. */
  readonly apply?: boolean
  /** The local minute a schedule was due; a second request for it changes nothing. */
  readonly occasion?: string
}

const unfinished = ['queued', 'running', 'applying'] as const

/**
 * Notes that a run is wanted. Undefined when the occasion already has one, or one that waits will do the same.
 * @throws Fault `conflict` naming the run of this pair that is under way.
 */
export async function requestRun(db: Db, request: RunRequest): Promise<string | undefined> {
  return db.transaction(async (tx) => {
    // Two requests at once must not both find the pair idle.
    await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${request.pair}, 8420))`)
    const open = await tx
      .select({ id: runs.id, state: runs.state, mode: runs.mode, pausedBy: runs.pausedBy })
      .from(runs)
      .where(and(eq(runs.pairId, request.pair), inArray(runs.state, [...unfinished])))
    const [busy] = open
    // A run that takes longer than its schedule must not leave a queue behind: what waits will do what was asked for.
    const enough = open.some(
      ({ state, mode }) =>
        request.mode === 'scrub' || (state === 'queued' && (mode === request.mode || mode === 'full')),
    )
    if (enough && request.occasion) return undefined
    if (busy && !request.occasion) {
      const paused = busy.pausedBy === null ? '' : `, which ${busy.pausedBy} has paused`
      throw new Fault('conflict', `${request.pair} is being reconciled already, by run ${busy.id}${paused}.`, {
        hint: paused ? 'Resume that run, or cancel it.' : 'Wait for that run, or cancel it.',
      })
    }
    const rows = await tx
      .insert(runs)
      .values({
        id: request.id,
        pairId: request.pair,
        pipelineId: request.pipeline,
        state: 'queued',
        step: 'plan',
        mode: request.mode,
        seed: request.seed ?? null,
        trigger: request.trigger,
        requestedBy: request.requestedBy,
        apply: request.apply ?? false,
        occasion: request.occasion ?? null,
      })
      .onConflictDoNothing()
      .returning({ id: runs.id })
    return rows[0]?.id
  })
}

/**
 * Takes a run for `leaseMs`, unless somebody else works on it. A run in `running` or `applying` whose lease has ended
 * was left behind by a process that died, and goes on where it was.
 */
export async function claimRun(db: Db, run: string, owner: string, leaseMs: number): Promise<StoredRun | undefined> {
  const [claimed] = await db
    .update(runs)
    .set({
      attempt: sql`${runs.attempt} + 1`,
      leaseOwner: owner,
      leaseUntil: inMs(leaseMs),
      notBefore: null,
      state: sql`case when ${runs.state} = 'queued' then 'running' else ${runs.state} end`,
      startedAt: sql`coalesce(${runs.startedAt}, now())`,
    })
    .where(
      and(
        eq(runs.id, run),
        inArray(runs.state, [...unfinished]),
        // Not even its owner takes it twice: a process works several runs at once, and a job may come double.
        free(),
        // One run of a pair at a time, however many were asked for.
        sql`not exists (select from ${runs} as other where other.pair_id = ${runs.pairId} and other.id <> ${runs.id}
          and other.state in ('running', 'applying') and (other.lease_until > now() or other.created_at < ${runs.createdAt}
            and (other.paused_by is not null or other.not_before > now())))`,
      ),
    )
    .returning()
  return claimed
}

/** Nobody works on it and nobody holds it back; one that is to be cancelled is taken to be ended. */
const free = () =>
  and(
    or(isNull(runs.leaseUntil), lt(runs.leaseUntil, sql`now()`)),
    or(
      isNotNull(runs.cancelBy),
      and(isNull(runs.pausedBy), or(isNull(runs.notBefore), lt(runs.notBefore, sql`now()`))),
    ),
  )

const inMs = (ms: number) => sql`now() + make_interval(secs => ${ms / 1000}::float8)`

export type Renewal = { readonly held: boolean; readonly cancelBy?: string; readonly pausedBy?: string }

/** Renews the lease and notes how far the run is; says who wants it cancelled or paused, if anybody. */
export async function renewRun(
  db: Db,
  claim: Claim,
  leaseMs: number,
  progress: RunProgress | undefined,
): Promise<Renewal> {
  const [row] = await db
    .update(runs)
    .set({ leaseUntil: inMs(leaseMs), ...(progress ? { progress, step: progress.step } : {}) })
    .where(and(heldBy(claim), inArray(runs.state, [...unfinished])))
    .returning({ cancelBy: runs.cancelBy, pausedBy: runs.pausedBy })
  if (!row) return { held: false }
  const { cancelBy, pausedBy } = row
  return { held: true, ...(cancelBy ? { cancelBy } : {}), ...(pausedBy ? { pausedBy } : {}) }
}

type Ending =
  | { readonly state: 'waiting' | 'done'; readonly result: RunResult }
  | { readonly state: 'failed' | 'cancelled'; readonly fault: { code: string; message: string; hint: string } }

/**
 * Ends a run and its lease, unless somebody else has taken it: then it is `lost` to this worker, and left alone. One of
 * which `more` was approved while it wrote stays `applying`, for whoever takes it next.
 */
export async function endRun(db: Db, claim: Claim, ending: Ending): Promise<'ended' | 'more' | 'lost'> {
  const { id: run } = claim
  const ended = await db.transaction(async (tx) => {
    // First the lock, then the corrections: whoever decides about one writes that down before he moves the run.
    const [before] = await tx.select().from(runs).where(heldBy(claim)).for('update')
    if (!before) return undefined
    const result = 'result' in ending ? wholeResult(ending.result, before.result ?? undefined) : undefined
    const more = result !== undefined && (await hasApproved(tx, run))
    const outcome = result
      ? { result, guards: result.guards, verdict: result.verdict, fault: null }
      : { fault: 'fault' in ending ? ending.fault : null, verdict: 'unknown' as const }
    const step = more ? 'correct' : 'done'
    await tx
      .update(runs)
      .set({
        ...outcome,
        ...{ state: more ? 'applying' : ending.state, step, endedAt: sql`now()` },
        ...{ leaseOwner: null, leaseUntil: null, cancelBy: null, pausedBy: null, pausedAt: null, notBefore: null },
        progress: sql`jsonb_set(coalesce(${runs.progress}, '{}') - 'waiting', '{step}', to_jsonb(${step}::text))`,
      })
      .where(eq(runs.id, run))
    if ('fault' in ending) await giveUp(tx, before)
    // Only the first time: one that goes on to write what was approved later has compared nothing again.
    if (result && !before.result) await noteVerified(tx, before, result)
    return { ...before, compared: result !== undefined, more }
  })
  if (ended?.compared) await supersede(db, ended)
  if (!ended) return 'lost'
  return ended.more ? 'more' : 'ended'
}

/**
 * Brings the corrections of a run that failed or was cancelled to an end, each with its audit: nobody goes on with them.
 * What was being written when the run lost sight of it is told as such; the rest was not written.
 */
async function giveUp(tx: Pick<Db, 'execute'>, { id, pairId }: StoredRun): Promise<void> {
  await tx.execute(sql`
    with gone as (
      update corrections as c set
        state = case c.state when 'applying' then 'interrupted' else 'rejected' end,
        message = case c.state
          when 'applying' then 'The run ended before the row could be read back: whether it was written is not known.'
          else 'The run ended before it was written.' end,
        decided_by = coalesce(c.decided_by, 'the end of the run'), updated_at = now()
      where c.run_id = ${id} and c.state in ('proposed', 'approved', 'applying')
      returning c.run_id, c.id, c.state, c.message)
    insert into audits (run_id, pair_id, correction_id, key, event, actor, detail)
    select gone.run_id, ${pairId}, gone.id, d.key, gone.state, 'the end of the run',
      jsonb_build_object('reason', gone.message)
    from gone join differences as d on d.run_id = gone.run_id and d.id = gone.id`)
}

async function hasApproved(tx: Pick<Db, 'select'>, run: string): Promise<boolean> {
  const rows = await tx
    .select({ id: corrections.id })
    .from(corrections)
    .where(and(eq(corrections.runId, run), eq(corrections.state, 'approved')))
    .limit(1)
  return rows.length > 0
}

/** A run that wrote what was approved later is still one run: what both parts cost is added up. */
function wholeResult(result: RunResult, before: RunResult | undefined): RunResult {
  if (!before) return result
  const timingsMs = { ...before.timingsMs }
  for (const [step, ms] of Object.entries(result.timingsMs)) timingsMs[step] = (timingsMs[step] ?? 0) + ms
  return {
    ...result,
    timingsMs,
    bytesRead: before.bytesRead + result.bytesRead,
    queries: before.queries + result.queries,
  }
}

/**
 * Takes back what older runs of a pair still propose: a newer look at the same rows is what a person should decide about.
 * After a sample or a scrub only about the keys it found differing itself: of the others it has not looked at most.
 * In one transaction, each with its audit.
 */
async function supersede(db: Db, newer: StoredRun): Promise<void> {
  const older = sql`
    select id from runs where pair_id = ${newer.pairId} and id <> ${newer.id} and state = 'waiting'
      and created_at < ${newer.createdAt.toISOString()}::timestamptz`
  const again =
    newer.mode === 'full' || newer.mode === 'incremental'
      ? sql`true`
      : sql`exists (select from differences as old join differences as new on new.run_id = ${newer.id} and new.key = old.key
          where old.run_id = c.run_id and old.id = c.id)`
  const message = `Run ${newer.id} has compared these rows again.`
  await db.transaction(async (tx) => {
    await tx.execute(sql`
      with gone as (
        update corrections as c set state = 'rejected', message = ${message}, decided_by = 'a newer run', updated_at = now()
        where c.state = 'proposed' and c.run_id in (${older}) and ${again} returning c.run_id, c.id)
      insert into audits (run_id, pair_id, correction_id, key, event, actor, detail)
      select gone.run_id, ${newer.pairId}, gone.id, d.key, 'rejected', 'a newer run',
        jsonb_build_object('reason', ${message}::text)
      from gone join differences as d on d.run_id = gone.run_id and d.id = gone.id`)
    await tx.execute(sql`
      update runs set state = 'done' where id in (${older})
        and not exists (select from corrections as c where c.run_id = runs.id and c.state = 'proposed')`)
  })
}

/** Moves a run whose corrections were approved on to writing them. False when it is not waiting. */
export async function startApplying(db: Db, run: string): Promise<boolean> {
  const rows = await db
    .update(runs)
    .set({ state: 'applying', step: 'correct' })
    .where(and(eq(runs.id, run), inArray(runs.state, ['waiting', 'done', 'applying'])))
    .returning({ id: runs.id })
  return rows.length > 0
}

/** Ends the wait of a run that has nothing proposed any more. */
export async function settleWaiting(db: Db, run: string): Promise<void> {
  await db
    .update(runs)
    .set({ state: 'done' })
    .where(and(eq(runs.id, run), eq(runs.state, 'waiting')))
}

/** Asks whoever works on a run to stop; a queued one ends at once. @throws Fault `not_found`, `conflict`. */
export async function cancelRun(db: Db, run: string, actor: string): Promise<void> {
  const fault = { code: 'cancelled', message: `Cancelled by ${actor}.`, hint: 'Start another run when it is wanted.' }
  const queued = await db
    .update(runs)
    .set({
      ...{ state: 'cancelled', step: 'done', endedAt: sql`now()`, verdict: 'unknown', fault },
      ...{ pausedBy: null, pausedAt: null },
    })
    .where(and(eq(runs.id, run), eq(runs.state, 'queued')))
    .returning({ id: runs.id })
  if (queued.length > 0) return
  const asked = await db
    .update(runs)
    .set({ cancelBy: actor })
    .where(and(eq(runs.id, run), inArray(runs.state, ['running', 'applying'])))
    .returning({ id: runs.id })
  if (asked.length > 0) return
  const found = await storedRun(db, run)
  if (!found) throw new Fault('not_found', `There is no run ${run}.`, { hint: 'GET /api/v1/runs lists them.' })
  throw new Fault('conflict', `Run ${run} has ended already (${found.state}).`, { hint: 'Nothing was changed.' })
}

export async function storedRun(db: Db, run: string): Promise<StoredRun | undefined> {
  if (!/^[0-9a-f-]{36}$/.test(run)) return undefined
  return (await db.select().from(runs).where(eq(runs.id, run)))[0]
}

/** Runs nobody works on and that are not at their end: queued, or left behind. Oldest first. */
export async function runsToWork(db: Db, max: number): Promise<readonly { id: string; state: RunState }[]> {
  return db
    .select({ id: runs.id, state: runs.state })
    .from(runs)
    .where(and(inArray(runs.state, [...unfinished]), free()))
    .orderBy(asc(runs.createdAt))
    .limit(max)
}

/** Lets go of a run in the middle, so that another process goes on with it at once. */
export async function releaseRun(db: Db, claim: Claim): Promise<void> {
  await db.update(runs).set({ leaseUntil: null, leaseOwner: null }).where(heldBy(claim))
}
