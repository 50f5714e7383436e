import { and, eq, inArray, ne, notInArray, sql } from 'drizzle-orm'
import type { AlertRecord, Notice as Turned } from '../evaluate/alert.ts'
import type { HopRecord } from '../evaluate/hop-state.ts'
import { Fault, type FaultCode } from '../fault.ts'
import type { Notice } from '../notify/notice.ts'
import type { CheckRecord, Remembered, TurnRecord } from '../watch/steps.ts'
import type { Db } from './open.ts'
import { noticeRow } from './outbox.ts'
import { alerts, memories, notices, observations, samples } from './schema.ts'

type Tx = Parameters<Parameters<Db['transaction']>[0]>[0]

export interface TurnPorts {
  /** The notices one thing to tell becomes, one for each channel it goes to. */
  address(turned: Turned, firedTo: readonly string[]): readonly Notice[]
}

/**
 * Writes all that a turn leaves behind in one transaction, and returns the ids of the notices that now wait.
 * @throws whatever the driver throws: nothing was written then.
 */
export async function recordTurn(db: Db, turn: TurnRecord, { address }: TurnPorts): Promise<readonly string[]> {
  return db.transaction(async (tx) => {
    if (turn.observation) await insertObservation(tx, turn.observation)
    if (turn.samples.length > 0) {
      const rows = turn.samples.map(({ check, ...sample }) => ({ checkId: check, ...sample }))
      await tx.insert(samples).values(rows).onConflictDoNothing()
    }
    const states = [
      ...(turn.check ? [checkMemory(turn.check, turn.observation?.at)] : []),
      ...turn.hops.map(({ check, hop, at, state }) => ({ checkId: check, hop, at, state })),
    ]
    if (states.length > 0) {
      await tx
        .insert(memories)
        .values(states)
        .onConflictDoUpdate({
          target: [memories.checkId, memories.hop],
          set: { at: sql`excluded.at`, state: sql`excluded.state` },
        })
    }
    for (const alert of turn.alerts) await upsertAlert(tx, alert)
    const waiting: string[] = []
    for (const turned of turn.notices) waiting.push(...(await insertNotices(tx, turned, address)))
    return waiting
  })
}

async function insertObservation(tx: Tx, observation: NonNullable<TurnRecord['observation']>): Promise<void> {
  const { check, at, tookMs, answered } = observation
  const fault = answered ? undefined : observation.fault
  await tx
    .insert(observations)
    .values({
      checkId: check,
      at,
      tookMs,
      answered,
      faultCode: fault?.code,
      faultMessage: fault?.message,
      faultHint: fault?.hint,
    })
    .onConflictDoNothing()
}

/** A fault goes into JSON as its three words; its cause stays in the log. */
const checkMemory = ({ fault, ...check }: CheckRecord, at = new Date()) => ({
  checkId: check.id,
  hop: '',
  at,
  state: { ...check, ...(fault ? { fault: { code: fault.code, message: fault.message, hint: fault.hint } } : {}) },
})

async function upsertAlert(tx: Tx, record: AlertRecord): Promise<void> {
  const row = {
    ruleId: record.rule,
    pipelineId: record.pipeline,
    checkId: record.check,
    signal: record.signal ?? null,
    kind: record.kind,
    severity: record.severity,
    status: record.status === 'quiet' ? ('resolved' as const) : record.status,
    since: record.since,
    firedAt: record.firedAt ?? null,
    resolvedAt: record.resolvedAt ?? null,
    value: record.value ?? null,
    threshold: record.threshold ?? null,
    unit: record.unit ?? null,
    state: record.state,
    why: record.why,
  }
  await tx
    .insert(alerts)
    .values({ incident: record.incident, ...row })
    .onConflictDoUpdate({ target: alerts.incident, set: row })
}

async function insertNotices(tx: Tx, turned: Turned, address: TurnPorts['address']): Promise<readonly string[]> {
  const heard = await tx
    .selectDistinct({ channel: notices.channel })
    .from(notices)
    .where(and(eq(notices.incident, turned.alert.incident), eq(notices.event, 'fired')))
  const rows = address(
    turned,
    heard.map(({ channel }) => channel),
  ).map(noticeRow)
  if (rows.length > 0) await tx.insert(notices).values(rows).onConflictDoNothing()
  return rows.map(({ id }) => id)
}

/** What is remembered of these checks. Two statements. */
export async function recallTurns(db: Db, checks: readonly string[]): Promise<Remembered> {
  if (checks.length === 0) return { checks: [], hops: [], alerts: [] }
  const remembered = await db
    .select()
    .from(memories)
    .where(inArray(memories.checkId, [...checks]))
  const open = await db
    .select()
    .from(alerts)
    .where(and(inArray(alerts.checkId, [...checks]), ne(alerts.status, 'resolved')))
  return {
    checks: remembered.filter(({ hop }) => hop === '').map(({ state }) => thawCheck(state)),
    hops: remembered
      .filter(({ hop }) => hop !== '')
      .map(({ checkId, hop, at, state }) => ({ check: checkId, hop, at, state: state as HopRecord['state'] })),
    alerts: open.map(alertRecord),
  }
}

/** Open alerts of checks other than these. */
export async function strayAlerts(db: Db, checks: readonly string[]): Promise<readonly AlertRecord[]> {
  const known = checks.length > 0 ? [notInArray(alerts.checkId, [...checks])] : []
  const open = await db
    .select()
    .from(alerts)
    .where(and(ne(alerts.status, 'resolved'), ...known))
  return open.map(alertRecord)
}

type Frozen = Omit<CheckRecord, 'fault' | 'lastRunAt' | 'lastSuccessAt'> & {
  fault?: { code: FaultCode; message: string; hint: string }
  lastRunAt?: string
  lastSuccessAt?: string
}

/** The row was written by `checkMemory` of this or an earlier build; its dates are ISO text by now. */
function thawCheck(state: unknown): CheckRecord {
  const { fault, lastRunAt, lastSuccessAt, ...rest } = state as Frozen
  return {
    ...rest,
    ...(fault ? { fault: new Fault(fault.code, fault.message, { hint: fault.hint }) } : {}),
    ...(lastRunAt ? { lastRunAt: new Date(lastRunAt) } : {}),
    ...(lastSuccessAt ? { lastSuccessAt: new Date(lastSuccessAt) } : {}),
  }
}

function alertRecord(row: typeof alerts.$inferSelect): AlertRecord {
  return {
    rule: row.ruleId,
    incident: row.incident,
    kind: row.kind,
    pipeline: row.pipelineId,
    check: row.checkId,
    severity: row.severity,
    state: row.state,
    status: row.status === 'resolved' ? 'quiet' : row.status,
    since: row.since,
    why: row.why,
    ...(row.signal ? { signal: row.signal } : {}),
    ...(row.firedAt ? { firedAt: row.firedAt } : {}),
    ...(row.value === null ? {} : { value: row.value }),
    ...(row.threshold === null ? {} : { threshold: row.threshold }),
    ...(row.unit ? { unit: row.unit } : {}),
    ...(row.acknowledgedBy ? { acknowledgedBy: row.acknowledgedBy } : {}),
  }
}
