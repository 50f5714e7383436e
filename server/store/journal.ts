import { and, asc, count, eq, gt, inArray, sql, type SQL } from 'drizzle-orm'
import type { Checkpoint, Correction, Journal, Judged, Step } from '../reconcile/journal.ts'
import { takenOver } from '../reconcile/lease.ts'
import type { CorrectionState, Difference, SliceResult } from '../reconcile/records.ts'
import { heldBy, writeHeld, type Claim } from './claim.ts'
import type { Db } from './open.ts'
import { corrections, decisions, differences, runs, slices, type StoredRun } from './schema.ts'

/** Differences one statement carries: more of a slice go before it, and count once it is told. */
const batchRows = 250

/** The journal of one run, in the store, for whoever holds it: each write is refused once somebody else has taken it over. */
export function runJournal(db: Db, claim: Claim & { readonly pairId: string }): Journal {
  const { id: run, pairId } = claim
  const write = (...writes: SQL[]) => writeHeld(db, claim, writes)
  const note = async (what: Pick<Partial<StoredRun>, 'plan' | 'guards'>) => {
    const noted = await db.update(runs).set(what).where(heldBy(claim)).returning({ id: runs.id })
    if (noted.length === 0) throw takenOver(run)
  }
  const keep = async (ordinal: number, kept: readonly Judged[]) => {
    for (let from = 0; from < kept.length; from += batchRows)
      await write(...inserted(ordinal, kept.slice(from, from + batchRows)))
  }
  return {
    run,
    recall: () => recall(db, run),
    plan: (plan) => note({ plan }),
    keep,
    async slice(result, kept, readMs) {
      const { ordinal, state } = result
      const last = Math.max(0, kept.length - batchRows)
      await keep(ordinal, kept.slice(0, last))
      await write(
        told(result, readMs),
        ...(state === 'unknown' ? [forgotten('differences', sql`t.slice = ${ordinal}::int`)] : []),
        ...inserted(ordinal, kept.slice(last)),
      )
    },
    async forget(ordinals) {
      const among = JSON.stringify(ordinals)
      const these = (column: string) =>
        sql`t.${sql.raw(column)} in (select jsonb_array_elements_text(${among}::jsonb)::int)`
      await write(forgotten('differences', these('slice')), forgotten('slices', these('ordinal')))
    },
    guards: (guards) => note({ guards }),
    async decisions() {
      const on = sql<'source' | 'target'>`${decisions.decision} ->> 'on'`
      return db
        .select({ on, action: decisions.action, rows: count() })
        .from(decisions)
        .where(eq(decisions.runId, run))
        .groupBy(on, decisions.action)
    },
    async open(state, by) {
      await write(
        sql`opened as (
          insert into corrections (run_id, id, action, state, decided_by)
          select run_id, id, action, ${state}::text, ${state === 'approved' ? by : null}::text
          from decisions join held using (run_id) where action in ('insert', 'update', 'delete')
          on conflict (run_id, id) do nothing)`,
        sql`noted as (
          update runs set compared_at = coalesce(compared_at, now()) from held where runs.id = held.run_id)`,
      )
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
    advance: (steps) => advance(db, { id: run, pairId }, steps, claim),
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
    readMs: Math.max(0, ...done.map(({ readMs }) => readMs)),
    compared: row.comparedAt !== null,
  }
}

const told = ({ ordinal, state, ...result }: SliceResult, readMs: number): SQL => sql`told as (
  insert into slices (run_id, ordinal, state, result, read_ms)
  select run_id, ${ordinal}::int, ${state}::text, ${JSON.stringify({ ordinal, state, ...result })}::jsonb, ${readMs}::float8 from held
  on conflict (run_id, ordinal) do update set state = excluded.state, result = excluded.result,
    read_ms = excluded.read_ms, at = now())`

const forgotten = (table: 'differences' | 'slices', which: SQL): SQL => sql`${sql.raw(`forgotten_${table}`)} as (
  delete from ${sql.raw(table)} as t using held where t.run_id = held.run_id and ${which})`

/** One parameter, not ten thousand: writing those into a statement takes the process as long as the store. */
function inserted(slice: number, judged: readonly Judged[]): SQL[] {
  if (judged.length === 0) return []
  const rows = judged.map(({ id, difference, decision }) => ({ ...difference, id, action: decision.action, decision }))
  return [
    sql`judged as (
      select * from held, jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
        as d(id text, kind text, key jsonb, fields jsonb, source jsonb, target jsonb, duplicated boolean, copy boolean,
          action text, decision jsonb))`,
    sql`kept as (
      insert into differences (run_id, id, slice, kind, key, fields, source, target, duplicated, copy)
      select run_id, id, ${slice}::int, kind, key, fields, source, target, duplicated, copy from judged order by id)`,
    sql`decided as (
      insert into decisions (run_id, id, action, decision) select run_id, id, action, decision from judged)`,
  ]
}

/**
 * Moves each correction that is still in its `from`, and writes its audit entry; resolves to the ids that moved. A person
 * decides about corrections without a claim: whoever works on the run has one.
 *
 * @throws Fault `conflict` when the claim is not the newest; nothing was written then.
 */
export async function advance(
  db: Pick<Db, 'execute'>,
  { id: run, pairId }: Pick<StoredRun, 'id' | 'pairId'>,
  steps: readonly Step[],
  claim?: Claim,
): Promise<ReadonlySet<string>> {
  const wanted = steps.map(({ id, from, to, message, audit: { key, event, by, ...detail } }, place) => {
    const decidedBy = to === 'approved' || to === 'rejected' ? by : null
    return { place, id, was: from, next: to, message, decided_by: decidedBy, key, event, actor: by, detail }
  })
  const rows = await db.execute<{ held: boolean; id: string | null }>(sql`
    with held as materialized (
      select ${runs.id} as run_id from ${runs} where ${claim ? heldBy(claim) : eq(runs.id, run)} for share),
    wanted as (
      select * from held, jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb) as w(place int, id text, was text, next text,
        message text, decided_by text, key jsonb, event text, actor text, detail jsonb)),
    moved as (
      update corrections as c
      set state = w.next, message = w.message, decided_by = coalesce(w.decided_by, c.decided_by), updated_at = now()
      from wanted as w where c.run_id = w.run_id and c.id = w.id and c.state = w.was returning w.place),
    told as (
      insert into audits (run_id, pair_id, correction_id, key, event, actor, detail)
      select run_id, ${pairId}::text, id, key, event, actor, detail from wanted join moved using (place) order by place)
    select true as held, w.id from held left join (wanted as w join moved using (place)) on true`)
  if (rows.length === 0) throw takenOver(run)
  return new Set(rows.flatMap(({ id }) => id ?? []))
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
