import { sql } from 'drizzle-orm'
import {
  type AnyPgColumn,
  bigint,
  boolean,
  check,
  doublePrecision,
  foreignKey,
  index,
  integer,
  jsonb,
  numeric,
  pgTable,
  primaryKey,
  text,
  timestamp,
  unique,
  uuid,
} from 'drizzle-orm/pg-core'
import type { AlertState } from '../evaluate/alert.ts'
import type { Planned } from '../reconcile/journal.ts'
import { modes } from '../reconcile/mode.ts'
import type { Decision, Guard, SliceResult } from '../reconcile/records.ts'
import type { RunProgress, RunResult } from '../reconcile/run.ts'

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })
type Values = Readonly<Record<string, string | null>>
const made = () => instant('created_at').notNull().defaultNow()

/** One row per run of a check, whether it answered or not. Kept for 48 hours. */
export const observations = pgTable(
  'observations',
  {
    checkId: text('check_id').notNull(),
    at: instant('at').notNull(),
    tookMs: doublePrecision('took_ms').notNull(),
    answered: boolean('answered').notNull(),
    faultCode: text('fault_code'),
    faultMessage: text('fault_message'),
    faultHint: text('fault_hint'),
  },
  (table) => [
    primaryKey({ columns: [table.checkId, table.at] }),
    index('observations_by_age').on(table.at),
    check('a_fault_explains_each_silence', sql`${table.answered} = (${table.faultCode} is null)`),
  ],
)

/** One number per row: what an answered observation measured, or what was derived from it. Kept for 48 hours. */
export const samples = pgTable(
  'samples',
  {
    checkId: text('check_id').notNull(),
    metric: text('metric').notNull(),
    at: instant('at').notNull(),
    value: doublePrecision('value').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.checkId, table.metric, table.at] }),
    index('samples_by_age').on(table.at),
    check('sample_is_a_number', sql`${table.value} <> 'NaN' and abs(${table.value}) < 'Infinity'`),
  ],
)

/** Samples folded by the minute (14 days) and by the hour (13 months). */
export const rollups = pgTable(
  'rollups',
  {
    checkId: text('check_id').notNull(),
    metric: text('metric').notNull(),
    stepSeconds: integer('step_seconds').notNull(),
    at: instant('at').notNull(),
    count: integer('count').notNull(),
    min: doublePrecision('min').notNull(),
    max: doublePrecision('max').notNull(),
    sum: doublePrecision('sum').notNull(),
    last: doublePrecision('last').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.checkId, table.metric, table.stepSeconds, table.at] }),
    index('rollups_by_age').on(table.stepSeconds, table.at),
  ],
)

/** The state of every pipeline, a row each time it changes, for the strips. Kept for 13 months. */
export const pipelineStates = pgTable(
  'pipeline_states',
  {
    pipelineId: text('pipeline_id').notNull(),
    at: instant('at').notNull(),
    state: text('state', { enum: ['ok', 'warn', 'crit', 'nodata', 'paused', 'unmeasured'] }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.pipelineId, table.at] })],
)

/** What is remembered of a check or a hop between turns, so that a restart forgets nothing: counters, held readings, lag tables. */
export const memories = pgTable(
  'memories',
  {
    checkId: text('check_id').notNull(),
    /** The name of a hop, or empty for the check itself. */
    hop: text('hop').notNull(),
    at: instant('at').notNull(),
    state: jsonb('state').$type<unknown>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.checkId, table.hop] })],
)

/** One incident of one rule, from pending to resolved. */
export const alerts = pgTable(
  'alerts',
  {
    incident: text('incident').primaryKey(),
    ruleId: text('rule_id').notNull(),
    pipelineId: text('pipeline_id').notNull(),
    checkId: text('check_id').notNull(),
    signal: text('signal', { enum: ['lag', 'errors', 'dead-letters', 'duplicates', 'drift'] }),
    kind: text('kind', { enum: ['value', 'no-data', 'motion'] }).notNull(),
    severity: text('severity', { enum: ['warn', 'crit'] }).notNull(),
    status: text('status', { enum: ['pending', 'firing', 'recovering', 'resolved'] }).notNull(),
    since: instant('since').notNull(),
    firedAt: instant('fired_at'),
    resolvedAt: instant('resolved_at'),
    value: doublePrecision('value'),
    threshold: doublePrecision('threshold'),
    unit: text('unit', { enum: ['seconds', 'records', 'ratio', 'per_second'] }),
    /** What the state machine goes on from. */
    state: jsonb('state').$type<AlertState>().notNull(),
    why: text('why').notNull(),
    acknowledgedBy: text('acknowledged_by'),
    acknowledgedAt: instant('acknowledged_at'),
    acknowledgedComment: text('acknowledged_comment'),
  },
  (table) => [
    index('alerts_by_status').on(table.status, table.since),
    index('alerts_by_pipeline').on(table.pipelineId, table.since),
    check('acknowledged_by_somebody', sql`(${table.acknowledgedBy} is null) = (${table.acknowledgedAt} is null)`),
  ],
)

/** The outbox: written in the transaction that changes the alert, delivered afterwards, at least once. */
export const notices = pgTable(
  'notices',
  {
    id: text('id').primaryKey(),
    channel: text('channel').notNull(),
    incident: text('incident').notNull(),
    event: text('event', { enum: ['fired', 'resolved'] }).notNull(),
    dedupKey: text('dedup_key').notNull(),
    body: jsonb('body').$type<unknown>().notNull(),
    createdAt: made(),
    attempts: integer('attempts').notNull().default(0),
    nextAt: instant('next_at').notNull(),
    leaseUntil: instant('lease_until'),
    deliveredAt: instant('delivered_at'),
    deadAt: instant('dead_at'),
    lastError: text('last_error'),
  },
  (table) => [
    index('notices_by_incident').on(table.incident, table.channel),
    index('notices_waiting')
      .on(table.nextAt)
      .where(sql`${table.deliveredAt} is null and ${table.deadAt} is null`),
  ],
)

const runStates = ['queued', 'running', 'waiting', 'applying', 'done', 'failed', 'cancelled'] as const

/** One reconciliation of one pair. */
export const runs = pgTable(
  'runs',
  {
    id: uuid('id').primaryKey(),
    pairId: text('pair_id').notNull(),
    pipelineId: text('pipeline_id').notNull(),
    state: text('state', { enum: runStates }).notNull(),
    step: text('step').notNull(),
    mode: text('mode', { enum: modes }).notNull(),
    /** What a sample is drawn by, to draw the same again; its own id when null. */
    seed: text('seed'),
    trigger: text('trigger', { enum: ['schedule', 'dashboard', 'api', 'cli'] }).notNull(),
    requestedBy: text('requested_by').notNull(),
    /** The local minute a schedule was due: a second process that finds it due too changes nothing. */
    occasion: text('occasion'),
    apply: boolean('apply').notNull().default(false),
    createdAt: made(),
    startedAt: instant('started_at'),
    endedAt: instant('ended_at'),
    /** How often it was taken: only whoever took it last writes to its journal. */
    attempt: integer('attempt').notNull().default(0),
    /** Whoever works on it renews this; past it, anybody may take over. */
    leaseOwner: text('lease_owner'),
    leaseUntil: instant('lease_until'),
    cancelBy: text('cancel_by'),
    /** Held back by a person: nobody takes it before it is resumed. */
    pausedBy: text('paused_by'),
    pausedAt: instant('paused_at'),
    /** When its time window opens: nobody takes it before. */
    notBefore: instant('not_before'),
    verdict: text('verdict', { enum: ['match', 'drift', 'unknown'] }),
    plan: jsonb('plan').$type<Planned>(),
    /** Set once every slice was compared and its corrections are opened: nothing is compared again. */
    comparedAt: instant('compared_at'),
    progress: jsonb('progress').$type<RunProgress>(),
    result: jsonb('result').$type<RunResult>(),
    guards: jsonb('guards').$type<readonly Guard[]>(),
    fault: jsonb('fault').$type<{ code: string; message: string; hint: string }>(),
  },
  (table) => [
    unique('one_run_an_occasion').on(table.pairId, table.occasion),
    index('runs_by_pair').on(table.pairId, table.createdAt),
    index('runs_unfinished')
      .on(table.state)
      .where(sql`${table.state} in ('queued', 'running', 'applying')`),
  ],
)

export type StoredRun = typeof runs.$inferSelect

/** A checkpoint per part of the key space: what is here is not read again when a killed run goes on. */
export const slices = pgTable(
  'slices',
  {
    runId: uuid('run_id')
      .notNull()
      .references(() => runs.id, { onDelete: 'cascade' }),
    ordinal: integer('ordinal').notNull(),
    state: text('state', { enum: ['verified', 'differing', 'unknown'] }).notNull(),
    result: jsonb('result').$type<SliceResult>().notNull(),
    /** How long the run had been reading by then, all its workers together. */
    readMs: doublePrecision('read_ms').notNull().default(0),
    at: instant('at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.runId, table.ordinal] })],
)

/**
 * When each part of the key space of a pair was last compared, and what was found: both ends included, never overlapping.
 * What was never compared has no row.
 */
export const verified = pgTable(
  'verified',
  {
    pairId: text('pair_id').notNull(),
    from: numeric('from_key').notNull(),
    to: numeric('to_key').notNull(),
    /** Of the plan: what was compared in another way, or by another key, is not verified any more. */
    plan: text('plan').notNull(),
    /** When the run that read it began. */
    at: instant('at').notNull(),
    runId: uuid('run_id').notNull(),
    rowsSource: bigint('rows_source', { mode: 'number' }).notNull(),
    rowsTarget: bigint('rows_target', { mode: 'number' }).notNull(),
    missing: bigint('missing', { mode: 'number' }).notNull(),
    extra: bigint('extra', { mode: 'number' }).notNull(),
    changed: bigint('changed', { mode: 'number' }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.pairId, table.from] })],
)

/** A row that differs, kept with both sides up to the pair's `keep`. Its id is stable when its slice is read again. */
export const differences = pgTable(
  'differences',
  {
    runId: uuid('run_id')
      .notNull()
      .references(() => runs.id, { onDelete: 'cascade' }),
    id: text('id').notNull(),
    slice: integer('slice').notNull(),
    found: bigint('found', { mode: 'bigint' }).generatedAlwaysAsIdentity(),
    kind: text('kind', { enum: ['missing', 'extra', 'changed'] }).notNull(),
    key: jsonb('key').$type<readonly string[]>().notNull(),
    fields: jsonb('fields').$type<readonly string[]>().notNull(),
    source: jsonb('source').$type<Values>(),
    target: jsonb('target').$type<Values>(),
    duplicated: boolean('duplicated').notNull(),
    copy: boolean('copy').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.runId, table.id] }),
    index('differences_in_order').on(table.runId, table.found),
    check(
      'a_kind_has_its_sides',
      sql`(${table.kind} = 'extra') = (${table.source} is null) and (${table.kind} = 'missing') = (${table.target} is null)`,
    ),
  ],
)

const ofDifference = (table: { runId: AnyPgColumn; id: AnyPgColumn }) =>
  foreignKey({ columns: [table.runId, table.id], foreignColumns: [differences.runId, differences.id] }).onDelete(
    'cascade',
  )

/** What was decided about a difference, and by which rule. Carries the difference's id. */
export const decisions = pgTable(
  'decisions',
  {
    runId: uuid('run_id').notNull(),
    id: text('id').notNull(),
    action: text('action', { enum: ['insert', 'update', 'delete', 'hold', 'review'] }).notNull(),
    decision: jsonb('decision').$type<Decision>().notNull(),
    at: instant('at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.runId, table.id] }), ofDifference(table)],
)

/** A decision that writes, on its way from proposal to outcome. Carries the difference's id, its idempotency key. */
export const corrections = pgTable(
  'corrections',
  {
    runId: uuid('run_id').notNull(),
    id: text('id').notNull(),
    action: text('action', { enum: ['insert', 'update', 'delete'] }).notNull(),
    state: text('state', {
      enum: ['proposed', 'approved', 'rejected', 'applying', 'applied', 'stale', 'failed', 'interrupted'],
    }).notNull(),
    decidedBy: text('decided_by'),
    message: text('message'),
    updatedAt: instant('updated_at').notNull().defaultNow(),
  },
  (table) => [
    primaryKey({ columns: [table.runId, table.id] }),
    ofDifference(table),
    index('corrections_by_state').on(table.runId, table.state, table.action, table.id),
  ],
)

/** Append-only, by trigger: what was decided and written, by whom, before and after. */
export const audits = pgTable(
  'audits',
  {
    id: bigint('id', { mode: 'bigint' }).primaryKey().generatedAlwaysAsIdentity(),
    at: instant('at').notNull().defaultNow(),
    runId: uuid('run_id').notNull(),
    pairId: text('pair_id').notNull(),
    correctionId: text('correction_id'),
    key: jsonb('key').$type<readonly string[]>(),
    event: text('event').notNull(),
    actor: text('actor').notNull(),
    detail: jsonb('detail').$type<unknown>().notNull(),
  },
  (table) => [index('audits_by_run').on(table.runId, table.id), index('audits_by_pair').on(table.pairId, table.at)],
)

/** When each pair is next due. Survives restarts, so that a missed night is caught up and never run twice. */
export const dues = pgTable('dues', {
  pairId: text('pair_id').primaryKey(),
  schedule: text('schedule').notNull(),
  at: instant('at').notNull(),
  occasion: text('occasion').notNull(),
})

/** API tokens, as their SHA-256. The token itself is printed once and kept nowhere. */
export const tokens = pgTable('tokens', {
  hash: text('hash').primaryKey(),
  name: text('name').notNull(),
  role: text('role', { enum: ['viewer', 'operator', 'admin'] }).notNull(),
  createdAt: made(),
})
