import { and, asc, desc, eq, gte, inArray, isNull, ne } from 'drizzle-orm'
import { Fault } from '../fault.ts'
import type { Db } from './open.ts'
import { alerts, notices } from './schema.ts'

/** Every open incident, and those that ended, newest first. Two statements. */
export async function alertRows(
  db: Db,
  { pipeline, recentMax, from }: { pipeline?: string; recentMax: number; from?: Date },
) {
  const only = pipeline ? [eq(alerts.pipelineId, pipeline)] : []
  const open = await db
    .select()
    .from(alerts)
    .where(and(ne(alerts.status, 'resolved'), ...only))
    .orderBy(asc(alerts.since))
  const recent = await db
    .select()
    .from(alerts)
    .where(and(eq(alerts.status, 'resolved'), ...only, ...(from ? [gte(alerts.resolvedAt, from)] : [])))
    .orderBy(desc(alerts.resolvedAt))
    .limit(recentMax)
  return withNotices(db, [...open, ...recent])
}

export async function alertRow(db: Db, incident: string) {
  const found = await db.select().from(alerts).where(eq(alerts.incident, incident))
  return (await withNotices(db, found))[0]
}

/**
 * Notes that somebody has seen an incident and looks after it. The first to say so stays.
 * @throws Fault `not_found`, or `conflict` when it is over or somebody else has it.
 */
export async function acknowledgeAlert(
  db: Db,
  { incident, actor, comment, at }: { incident: string; actor: string; comment: string; at: Date },
): Promise<void> {
  const taken = await db
    .update(alerts)
    .set({ acknowledgedBy: actor, acknowledgedAt: at, acknowledgedComment: comment })
    .where(and(eq(alerts.incident, incident), ne(alerts.status, 'resolved'), isNull(alerts.acknowledgedBy)))
    .returning({ incident: alerts.incident })
  if (taken.length > 0) return

  const [alert] = await db.select().from(alerts).where(eq(alerts.incident, incident))
  if (!alert) throw new Fault('not_found', `There is no alert ${incident}.`, { hint: 'GET /api/v1/alerts lists them.' })
  throw new Fault(
    'conflict',
    alert.status === 'resolved' ? 'That alert is over.' : `${alert.acknowledgedBy} has acknowledged it already.`,
    { hint: 'Nothing was changed.' },
  )
}

async function withNotices(db: Db, rows: readonly (typeof alerts.$inferSelect)[]) {
  if (rows.length === 0) return []
  const told = await db
    .select()
    .from(notices)
    .where(
      inArray(
        notices.incident,
        rows.map(({ incident }) => incident),
      ),
    )
    .orderBy(asc(notices.createdAt))
  return rows.map((row) => ({
    id: row.incident,
    pipeline: row.pipelineId,
    check: row.checkId,
    rule: row.ruleId,
    kind: row.kind,
    severity: row.severity,
    status: row.status,
    since: row.since,
    why: row.why,
    ...(row.signal ? { signal: row.signal } : {}),
    ...(row.firedAt ? { firedAt: row.firedAt } : {}),
    ...(row.resolvedAt ? { resolvedAt: row.resolvedAt } : {}),
    ...(row.value === null ? {} : { value: row.value }),
    ...(row.threshold === null ? {} : { threshold: row.threshold }),
    ...(row.unit ? { unit: row.unit } : {}),
    ...(row.acknowledgedBy && row.acknowledgedAt
      ? { acknowledged: { by: row.acknowledgedBy, at: row.acknowledgedAt, comment: row.acknowledgedComment ?? '' } }
      : {}),
    notices: told.filter(({ incident }) => incident === row.incident).map(noticeStanding),
  }))
}

const noticeStanding = (row: typeof notices.$inferSelect) => ({
  channel: row.channel,
  event: row.event,
  state: row.deliveredAt ? ('delivered' as const) : row.deadAt ? ('dead' as const) : ('waiting' as const),
  attempts: row.attempts,
  at: row.deliveredAt ?? row.deadAt ?? row.createdAt,
  ...(row.lastError ? { error: row.lastError } : {}),
})
