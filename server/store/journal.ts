import { and, asc, count, eq, gt, inArray, sql } from 'drizzle-orm'
import type { Checkpoint, Correction, Journal, Judged, Step } from '../reconcile/journal.ts'
import type { CorrectionState, Difference } from '../reconcile/records.ts'
import type { Db } from './open.ts'
import { audits, corrections, decisions, differences, runs, slices } from './schema.ts'

type Tx = Parameters<Parameters<Db['transaction']>[0]>[0]

/** Rows one insert carries: far below what the protocol allows for their columns. */
const batchRows = 250

/** The journal of one run, in the store. */
export function runJournal(db: Db, { run, pair }: { run: string; pair: string }): Journal {
  return {
    run,
    recall: () => recall(db, run),
    async plan(planned) {
      await db.update(runs).set({ plan: planned }).where(eq(runs.id, run))
    },
    keep: (ordinal, kept) => db.transaction((tx) => insertAll(tx, run, ordinal, kept)),
    async slice(result, kept) {
      await db.transaction(async (tx) => {
        const { ordinal, state } = result
        await tx
          .insert(slices)
          .values({ runId: run, ordinal, state, result })
          .onConflictDoUpdate({ target: [slices.runId, slices.ordinal], set: { state, result, at: sql`now()` } })
        if (state === 'unknown') await tx.delete(differences).where(ofSlices(run, [ordinal]))
        await insertAll(tx, run, ordinal, kept)
      })
    },
    async forget(ordinals) {
      await db.transaction(async (tx) => {
        await tx.delete(differences).where(ofSlices(run, ordinals))
        await tx.delete(slices).where(and(eq(slices.runId, run), inArray(slices.ordinal, [...ordinals])))
      })
    },
    async guards(guards) {
      await db.update(runs).set({ guards }).where(eq(runs.id, run))
    },
    async decisions() {
      const on = sql<'source' | 'target'>`${decisions.decision} ->> 'on'`
      return db
        .select({ on, action: decisions.action, rows: count() })
        .from(decisions)
        .where(eq(decisions.runId, run))
        .groupBy(on, decisions.action)
    },
    async open(state, by) {
      await db.transaction(async (tx) => {
        await tx.execute(sql`
          insert into corrections (run_id, id, action, state, decided_by)
          select run_id, id, action, ${state}::text, ${state === 'approved' ? by : null}::text from decisions
          where run_id = ${run} and action in ('insert', 'update', 'delete')
          on conflict (run_id, id) do nothing`)
        await tx
          .update(runs)
          .set({ comparedAt: sql`coalesce(compared_at, now())` })
          .where(eq(runs.id, run))
      })
      const [opened] = await db.select({ rows: count() }).from(corrections).where(eq(corrections.runId, run))
      return opened?.rows ?? 0
    },
    async corrections(state, action, rowsMax, after) {
      const rows = await selectJudged(db)
        .where(
          and(
            eq(corrections.runId, run),
            eq(corrections.state, state),
            eq(corrections.action, action),
            ...(after === undefined ? [] : [gt(corrections.id, after)]),
          ),
        )
        .orderBy(asc(corrections.id))
        .limit(rowsMax)
      return rows.map(correctionOf)
    },
    advance: (steps) => db.transaction((tx) => advance(tx, run, pair, steps)),
    tally: () => tally(db, run),
  }
}

async function recall(db: Db, run: string): Promise<Checkpoint | undefined> {
  const [row] = await db.select({ plan: runs.plan, comparedAt: runs.comparedAt }).from(runs).where(eq(runs.id, run))
  if (!row?.plan) return undefined
  const done = await db.select().from(slices).where(eq(slices.runId, run)).orderBy(asc(slices.ordinal))
  const kept = await db
    .select({ slice: differences.slice, rows: count() })
    .from(differences)
    .where(eq(differences.runId, run))
    .groupBy(differences.slice)
  const told = new Set(done.map(({ ordinal }) => ordinal))
  return {
    planned: row.plan,
    slices: done.map(({ result }) => result),
    kept: kept.reduce((sum, { slice, rows }) => sum + (told.has(slice) ? rows : 0), 0),
    begun: kept.flatMap(({ slice }) => (told.has(slice) ? [] : [slice])),
    compared: row.comparedAt !== null,
  }
}

const ofSlices = (run: string, ordinals: readonly number[]) =>
  and(eq(differences.runId, run), inArray(differences.slice, [...ordinals]))

async function insertAll(tx: Tx, run: string, slice: number, judged: readonly Judged[]): Promise<void> {
  for (let from = 0; from < judged.length; from += batchRows) {
    await insertJudged(tx, run, slice, judged.slice(from, from + batchRows))
  }
}

/** One parameter, not ten thousand: writing those into a statement takes the process as long as the store. */
async function insertJudged(tx: Tx, run: string, slice: number, judged: readonly Judged[]): Promise<void> {
  if (judged.length === 0) return
  const rows = judged.map(({ id, difference, decision }) => ({ ...difference, id, action: decision.action, decision }))
  await tx.execute(sql`
    with told as (
      select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
        as d(id text, kind text, key jsonb, fields jsonb, source jsonb, target jsonb, duplicated boolean, copy boolean,
          action text, decision jsonb)
    ), kept as (
      insert into differences (run_id, id, slice, kind, key, fields, source, target, duplicated, copy)
      select ${run}::uuid, id, ${slice}::int, kind, key, fields, source, target, duplicated, copy from told order by id
    )
    insert into decisions (run_id, id, action, decision) select ${run}::uuid, id, action, decision from told`)
}

async function advance(tx: Tx, run: string, pair: string, steps: readonly Step[]): Promise<ReadonlySet<string>> {
  const wanted = steps.map(({ id, from, to, message, audit }) => ({
    id,
    was: from,
    next: to,
    message,
    by: to === 'approved' || to === 'rejected' ? audit.by : null,
  }))
  const rows = (await tx.execute(sql`
    update corrections as c
    set state = w.next, message = w.message, decided_by = coalesce(w.by, c.decided_by), updated_at = now()
    from jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb)
      as w(id text, was text, next text, message text, by text)
    where c.run_id = ${run} and c.id = w.id and c.state = w.was
    returning c.id`)) as unknown as readonly { id: string }[]
  const moved = new Set(rows.map(({ id }) => id))
  const entries = steps.filter(({ id }) => moved.has(id))
  if (entries.length > 0) {
    await tx.insert(audits).values(
      entries.map(({ id, audit: { key, event, by, ...detail } }) => ({
        runId: run,
        pairId: pair,
        correctionId: id,
        key,
        event,
        actor: by,
        detail,
      })),
    )
  }
  return moved
}

/** How many corrections of a run stand in each state. */
export async function tally(db: Db, run: string): Promise<Readonly<Partial<Record<CorrectionState, number>>>> {
  const rows = await db
    .select({ state: corrections.state, rows: count() })
    .from(corrections)
    .where(eq(corrections.runId, run))
    .groupBy(corrections.state)
  return Object.fromEntries(rows.map(({ state, rows }) => [state, rows]))
}

/** The proposed corrections among these, or all of them, for a person to decide about. */
export async function proposedAmong(
  db: Db,
  run: string,
  ids: readonly string[] | 'all',
): Promise<readonly Correction[]> {
  const rows = await selectJudged(db)
    .where(
      and(
        eq(corrections.runId, run),
        eq(corrections.state, 'proposed'),
        ...(ids === 'all' ? [] : [inArray(corrections.id, [...ids])]),
      ),
    )
    .orderBy(asc(corrections.id))
  return rows.map(correctionOf)
}

const selectJudged = (db: Db) =>
  db
    .select({ correction: corrections, difference: differences, decision: decisions.decision })
    .from(corrections)
    .innerJoin(differences, and(eq(differences.runId, corrections.runId), eq(differences.id, corrections.id)))
    .innerJoin(decisions, and(eq(decisions.runId, corrections.runId), eq(decisions.id, corrections.id)))
    .$dynamic()

const correctionOf = (row: Awaited<ReturnType<ReturnType<typeof selectJudged>['execute']>>[number]): Correction => ({
  id: row.correction.id,
  difference: differenceOf(row.difference),
  decision: row.decision,
  state: row.correction.state,
  decidedBy: row.correction.decidedBy,
})

export const differenceOf = (row: typeof differences.$inferSelect): Difference => ({
  kind: row.kind,
  key: row.key,
  fields: row.fields,
  duplicated: row.duplicated,
  copy: row.copy,
  ...(row.source ? { source: row.source } : {}),
  ...(row.target ? { target: row.target } : {}),
})
