import { and, eq, inArray, isNotNull, isNull, sql } from 'drizzle-orm'
import { Fault } from '../fault.ts'
import type { RunProgress } from '../reconcile/run.ts'
import { heldBy, type Claim } from './claim.ts'
import type { Db } from './open.ts'
import { storedRun, type StoredRun } from './runs.ts'
import { audits, runs } from './schema.ts'

/**
 * Holds a run back before its next slice, until it is resumed; whoever works on it lets go of it. Audited.
 * @throws Fault `not_found`; `conflict` when it is paused already, has ended, or has compared all and only writes.
 */
export async function pauseRun(db: Db, run: string, actor: string): Promise<void> {
  await change(db, run, actor, 'paused', (tx) =>
    tx
      .update(runs)
      .set({ pausedBy: actor, pausedAt: sql`now()` })
      .where(
        and(
          eq(runs.id, run),
          inArray(runs.state, ['queued', 'running']),
          isNull(runs.comparedAt),
          isNull(runs.pausedBy),
          isNull(runs.cancelBy),
        ),
      )
      .returning({ pairId: runs.pairId }),
  )
}

/** Lets a paused run go on where it was. Audited. @throws Fault `not_found`; `conflict` when nobody paused it. */
export async function resumeRun(db: Db, run: string, actor: string): Promise<void> {
  await change(db, run, actor, 'resumed', (tx) =>
    tx
      .update(runs)
      .set({ pausedBy: null, pausedAt: null, progress: sql`${runs.progress} - 'waiting'` })
      .where(and(eq(runs.id, run), isNotNull(runs.pausedBy)))
      .returning({ pairId: runs.pairId }),
  )
}

type Tx = Parameters<Parameters<Db['transaction']>[0]>[0]

async function change(
  db: Db,
  run: string,
  actor: string,
  event: 'paused' | 'resumed',
  update: (tx: Tx) => Promise<{ pairId: string }[]>,
): Promise<void> {
  const found = await storedRun(db, run)
  if (!found) throw new Fault('not_found', `There is no run ${run}.`, { hint: 'GET /api/v1/runs lists them.' })
  const changed = await db.transaction(async (tx) => {
    const [row] = await update(tx)
    if (row) await tx.insert(audits).values({ runId: run, pairId: row.pairId, event, actor, detail: {} })
    return row
  })
  if (!changed) throw new Fault('conflict', `Run ${run} ${unfit(found)}.`, { hint: 'Nothing was changed.' })
}

function unfit({ state, pausedBy, endedAt, comparedAt, cancelBy }: StoredRun): string {
  if (endedAt) return `has ended already (${state})`
  if (cancelBy) return `is being cancelled by ${cancelBy}`
  if (pausedBy) return `is paused already, by ${pausedBy}`
  return comparedAt ? 'has compared everything and only writes' : 'is not paused'
}

/**
 * Lets go of a run that will not go on for a while, so that it holds up no other: a paused one until it is resumed, one
 * that waits for its time window until then.
 */
export async function parkRun(
  db: Db,
  claim: Claim,
  parked: { readonly progress: RunProgress | undefined; readonly until?: Date },
): Promise<void> {
  await db
    .update(runs)
    .set({
      leaseUntil: null,
      leaseOwner: null,
      notBefore: parked.until ?? null,
      ...(parked.progress ? { progress: parked.progress, step: parked.progress.step } : {}),
    })
    .where(heldBy(claim))
}
