import { sql } from 'drizzle-orm'
import {
  bigint,
  boolean,
  check,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  unique,
  uuid,
} from 'drizzle-orm/pg-core'
import type { Decision, Guard, SliceResult } from '../reconcile/records.ts'

const instant = (name: string) => timestamp(name, { withTimezone: true, precision: 3 })
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

/** What the evaluator remembers between turns, so that a restart forgets nothing: lag tables, counters, held readings. */
export const memories = pgTable(
  'memories',
  {
    kind: text('kind', { enum: ['check', 'hop', 'alert'] }).notNull(),
    id: text('id').notNull(),
    state: jsonb('state').$type<unknown>().notNull(),
    updatedAt: instant('updated_at').notNull(),
  },
  (table) => [primaryKey({ columns: [table.kind, table.id] })],
)

/** One incident of one rule, from pending to resolved. */
export const alerts = pgTable(
  'alerts',
  {
    incident: text('incident').primaryKey(),
    ruleId: text('rule_id').notNull(),
    pipelineId: text('pipeline_id').notNull(),
    checkId: text('check_id').notNull(),
    signal: text('signal'),
    kind: text('kind', { enum: ['value', 'no-data', 'motion'] }).notNull(),
    severity: text('severity', { enum: ['warn', 'crit'] }).notNull(),
    status: text('status', { enum: ['pending', 'firing', 'recovering', 'resolved'] }).notNull(),
    since: instant('since').notNull(),
    firedAt: instant('fired_at'),
    resolvedAt: instant('resolved_at'),
    value: doublePrecision('value'),
    threshold: doublePrecision('threshold'),
    unit: text('unit'),
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
    index('notices_waiting').on(table.nextAt).where(sql`${table.deliveredAt} is null and ${table.deadAt} is null`),
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
    mode: text('mode').notNull(),
    trigger: text('trigger', { enum: ['schedule', 'dashboard', 'api', 'cli'] }).notNull(),
    requestedBy: text('requested_by').notNull(),
    /** The local minute a schedule was due: a second process that finds it due too changes nothing. */
    occasion: text('occasion'),
    apply: boolean('apply').notNull().default(false),
    createdAt: made(),
    startedAt: instant('started_at'),
    endedAt: instant('ended_at'),
    /** Whoever works on it renews this; past it, anybody may take over. */
    leaseOwner: text('lease_owner'),
    leaseUntil: instant('lease_until'),
    cancelBy: text('cancel_by'),
    verdict: text('verdict', { enum: ['match', 'drift', 'unknown'] }),
    plan: jsonb('plan').$type<unknown>(),
    progress: jsonb('progress').$type<unknown>(),
    result: jsonb('result').$type<unknown>(),
    guards: jsonb('guards').$type<readonly Guard[]>(),
    after: jsonb('after').$type<unknown>(),
    fault: jsonb('fault').$type<{ code: string; message: string; hint: string }>(),
  },
  (table) => [
    unique('one_run_an_occasion').on(table.pairId, table.occasion),
    index('runs_by_pair').on(table.pairId, table.createdAt),
    index('runs_unfinished').on(table.state).where(sql`${table.state} in ('queued', 'running', 'applying')`),
  ],
)

/** A checkpoint per part of the key space: what is here is not read again when a killed run goes on. */
export const slices = pgTable(
  'slices',
  {
    runId: uuid('run_id').notNull().references(() => runs.id, { onDelete: 'cascade' }),
    ordinal: integer('ordinal').notNull(),
    state: text('state', { enum: ['verified', 'differing', 'unknown'] }).notNull(),
    result: jsonb('result').$type<SliceResult>().notNull(),
    at: instant('at').notNull().defaultNow(),
  },
  (table) => [primaryKey({ columns: [table.runId, table.ordinal] })],
)

/** A row that differs, kept with both sides up to the pair's `keep`. */
export const differences = pgTable(
  'differences',
  {
    id: uuid('id').primaryKey(),
    runId: uuid('run_id').notNull().references(() => runs.id, { onDelete: 'cascade' }),
    ordinal: bigint('ordinal', { mode: 'number' }).notNull(),
    slice: integer('slice').notNull(),
    kind: text('kind', { enum: ['missing', 'extra', 'changed'] }).notNull(),
    key: jsonb('key').$type<readonly string[]>().notNull(),
    fields: jsonb('fields').$type<readonly string[]>().notNull(),
    source: jsonb('source').$type<Readonly<Record<string, string | null>>>(),
    target: jsonb('target').$type<Readonly<Record<string, string | null>>>(),
    duplicated: boolean('duplicated').notNull(),
  },
  (table) => [
    unique('differences_in_order').on(table.runId, table.ordinal),
    index('differences_by_kind').on(table.runId, table.kind, table.ordinal),
    check('a_kind_has_its_sides', sql`(${table.kind} = 'extra') = (${table.source} is null) and (${table.kind} = 'missing') = (${table.target} is null)`),
  ],
)

/** What was decided about a difference, and by which rule. Never changed. */
export const decisions = pgTable(
  'decisions',
  {
    id: uuid('id').primaryKey(),
    runId: uuid('run_id').notNull().references(() => runs.id, { onDelete: 'cascade' }),
    differenceId: uuid('difference_id').notNull().references(() => differences.id, { onDelete: 'cascade' }),
    decision: jsonb('decision').$type<Decision>().notNull(),
    at: instant('at').notNull().defaultNow(),
  },
  (table) => [index('decisions_by_difference').on(table.differenceId), index('decisions_by_run').on(table.runId)],
)

/** A decision that writes, on its way from proposal to outcome. */
export const corrections = pgTable(
  'corrections',
  {
    id: uuid('id').primaryKey(),
    runId: uuid('run_id').notNull().references(() => runs.id, { onDelete: 'cascade' }),
    decisionId: uuid('decision_id').notNull().references(() => decisions.id, { onDelete: 'cascade' }),
    differenceId: uuid('difference_id').notNull().references(() => differences.id, { onDelete: 'cascade' }),
    ordinal: bigint('ordinal', { mode: 'number' }).notNull(),
    action: text('action', { enum: ['insert', 'update', 'delete'] }).notNull(),
    side: text('side', { enum: ['source', 'target'] }).notNull(),
    state: text('state', {
      enum: ['proposed', 'approved', 'rejected', 'applying', 'applied', 'stale', 'failed', 'interrupted'],
    }).notNull(),
    decidedBy: text('decided_by'),
    message: text('message'),
    updatedAt: instant('updated_at').notNull().defaultNow(),
  },
  (table) => [index('corrections_by_state').on(table.runId, table.state, table.ordinal), index('corrections_by_difference').on(table.differenceId)],
)

/** Append-only, by trigger: what was decided and written, by whom, before and after. */
export const audits = pgTable(
  'audits',
  {
    id: bigint('id', { mode: 'bigint' }).primaryKey().generatedAlwaysAsIdentity(),
    at: instant('at').notNull().defaultNow(),
    runId: uuid('run_id').notNull(),
    pairId: text('pair_id').notNull(),
    correctionId: uuid('correction_id'),
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

