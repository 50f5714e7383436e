import { z } from 'zod'
import { duration } from '../server/connect/duration.ts'
import { tableName, tableRef } from '../server/connect/table.ts'
import {
  describeTable,
  fromTable,
  identifier,
  microseconds,
  requireKind,
  type ColumnFacts,
  type Place,
  type TableFacts,
} from './postgres-table.ts'
import { defineProbe, type Positions, type Reading } from './probe.ts'

const words = z.array(z.string()).min(1)

const target = z.strictObject({
  table: tableRef.describe('The table that is used as a queue.'),
  created: z.string().default('created_at').describe('When a record was put in.'),
  processed: z.string().default('processed_at').describe('When it was done; empty until then.'),
  failed: z
    .string()
    .optional()
    .describe('Set when the last attempt failed: a time, an error text, or true. Empty again once it succeeds.'),
  dead: z.string().optional().describe('Set when it was given up: a time, a reason, or true.'),
  changed: z
    .string()
    .optional()
    .describe('When a record last changed: the time of a failure, where `failed` and `dead` hold none.'),
  status: z
    .strictObject({
      column: z.string().default('status').describe('Where the word stands.'),
      processed: words.optional().describe('Words of a record that is done.'),
      failed: words.optional().describe('Words of a record whose last attempt failed.'),
      dead: words.optional().describe('Words of a record that was given up.'),
    })
    .optional()
    .describe('For tables that keep a word instead: which words mean what. Any other word waits.'),
  window: duration.prefault('10m').describe('How far back processed and failed records are counted.'),
  minimum: z
    .int()
    .min(1)
    .default(20)
    .describe('Records that must have been handled in the window before an error ratio is told.'),
})

type Target = z.output<typeof target>

/** A queue kept in a table: what waits, what failed, what was given up. */
export const outbox = defineProbe({
  name: 'outbox',
  summary: 'A table used as a queue: what waits in it, what fails, what was given up.',
  target,
  metrics: {
    pending_records: { help: 'Records neither processed nor given up.', unit: 'records' },
    oldest_pending_seconds: {
      help: 'Age of the oldest of them, by the clock of the database; 0 when none waits.',
      unit: 'seconds',
    },
    processed_records: { help: 'Records processed in the window.', unit: 'records' },
    failed_records: { help: 'Records that failed in the window and have not succeeded since.', unit: 'records' },
    error_ratio: {
      help: 'Failed of all records handled in the window; not told of fewer than the minimum, unless none failed.',
      unit: 'ratio',
      signal: 'errors',
    },
    dead_letters: { help: 'Records that were given up and still lie there.', unit: 'records', signal: 'dead-letters' },
    oldest_dead_letter_seconds: {
      help: 'Age of the oldest of them since it was given up, or made where that is not known; 0 when there is none.',
      unit: 'seconds',
      signal: 'dead-letters',
    },
  },
  positions: true,
  grants: `grant usage on schema <schema> to <login>;
-- every column the check names
grant select (<column>) on <schema>.<table> to <login>;`,
  needs: ({ table }) => [{ connection: table.connection, system: 'postgres', path: ['table'] }],

  async run(target, context) {
    const place: Place = { db: context.connection('postgres', target.table.connection), ref: target.table, context }
    const facts = await describeTable(place, columnsOf(target))
    const counted = await count(place, target, facts)
    context.trace(
      `${tableName(target.table)}: ${counted.pending} wait, ${counted.processed} processed and ` +
        `${counted.failed} failed in the window, ${counted.dead} given up`,
    )
    return { readings: readingsOf(target, counted), positions: [positionsOf(counted, facts, context.now())] }
  },
})

const columnsOf = ({ created, processed, failed, dead, changed, status }: Target) => [
  created,
  ...(status?.processed ? [] : [processed]),
  ...[failed, dead, changed, status?.column].filter((column) => column !== undefined),
]

interface CountRow {
  readonly pending: string
  readonly oldest: string | null
  readonly newest: string | null
  readonly processed: string
  readonly failed: string
  readonly dead: string
  readonly dead_oldest: string | null
  readonly now: string
}

/** Times in microseconds since 1970, by the clock of the database. */
interface Counted {
  readonly now: bigint
  readonly pending: number
  readonly oldest: bigint | undefined
  readonly newest: bigint | undefined
  readonly processed: number
  readonly failed: number | undefined
  readonly dead: number | undefined
  readonly deadOldest: bigint | undefined
}

/** Separate subqueries, so that a partial index on what waits serves however much history the table keeps. */
async function count(place: Place, target: Target, facts: TableFacts): Promise<Counted> {
  const { db, ref, context } = place
  const table = fromTable(ref)
  const { parameters, ...when } = predicates(ref, target, facts)
  const created = identifier(target.created)
  const since = `(now() - '${target.window}'::float8 * interval '1 millisecond')`
  const [row] = await db.ask<CountRow>(
    `select (select count(*)::text from ${table} where ${when.pending}) as pending,
        (select ${microseconds(`min(${created})`)} from ${table} where ${when.pending}) as oldest,
        (select ${microseconds(`max(${created})`)} from ${table}) as newest,
        (select count(*)::text from ${table} where ${when.processed} and ${when.processedAt} >= ${since}) as processed,
        (select count(*)::text from ${table} where ${when.failed} and ${when.failedAt} >= ${since}) as failed,
        (select count(*)::text from ${table} where ${when.dead}) as dead,
        (select ${microseconds(`min(${when.deadAt})`)} from ${table} where ${when.dead}) as dead_oldest,
        ${microseconds(`clock_timestamp()`)} as now`,
    parameters,
    context.signal,
  )
  const time = (text: string | null) => (text === null ? undefined : BigInt(text))
  const knowsDead = target.dead !== undefined || target.status?.dead !== undefined
  const knowsFailed = knowsDead || target.failed !== undefined || target.status?.failed !== undefined
  return {
    now: BigInt(row!.now),
    pending: Number(row!.pending),
    oldest: time(row!.oldest),
    newest: time(row!.newest),
    processed: Number(row!.processed),
    failed: knowsFailed ? Number(row!.failed) : undefined,
    dead: knowsDead ? Number(row!.dead) : undefined,
    deadOldest: time(row!.dead_oldest),
  }
}

/** What each word of the queue means for this table, as conditions and times. */
function predicates(ref: Place['ref'], target: Target, { columns }: TableFacts) {
  const { status } = target
  const parameters: string[] = []
  const put = (text: string) => `$${parameters.push(text)}::text`
  const about = (column: string | undefined) => (column === undefined ? undefined : columns.get(column))
  const isOneOf = (texts: readonly string[] | undefined) =>
    // A row without a word is not of any kind, and neither is it of none.
    status && texts
      ? `coalesce(${identifier(status.column)}::text in (${texts.map(put).join(', ')}), false)`
      : undefined
  const either = (...conditions: readonly (string | undefined)[]) =>
    conditions.filter((each) => each !== undefined).join(' or ') || 'false'

  const made = requireTime(ref, about(target.created)!)
  const done = status?.processed ? undefined : requireTime(ref, about(target.processed)!)
  const dead = `(${either(set(about(target.dead)), isOneOf(status?.dead))})`
  const processed = done
    ? `(${identifier(done.name)} is not null and not ${dead})`
    : `(${either(isOneOf(status?.processed))})`
  // Said so that a partial index on `processed is null` serves.
  const pending = done ? `(${identifier(done.name)} is null and not ${dead})` : `(not ${processed} and not ${dead})`
  const last = `(${either(set(about(target.failed)), isOneOf(status?.failed))})`
  /** The first of these times that the row has. */
  const at = (...candidates: readonly (ColumnFacts | undefined)[]) => {
    const times = candidates.filter((column) => column?.kind === 'time').map((column) => instant(column!))
    return `coalesce(${times.join(', ')})`
  }
  const changed = about(target.changed)
  return {
    parameters,
    pending,
    processed,
    processedAt: at(done ?? changed ?? made),
    dead,
    deadAt: at(about(target.dead), changed, made),
    failed: `(${dead} or (${pending} and ${last}))`,
    failedAt: at(about(target.failed), about(target.dead), changed, made),
  }
}

function requireTime(ref: Place['ref'], column: ColumnFacts): ColumnFacts {
  requireKind(ref, column, 'time')
  return column
}

/** A flag is set when it says so: a time or a word is there, or true. */
function set(column: ColumnFacts | undefined): string | undefined {
  if (!column) return undefined
  const named = identifier(column.name)
  if (column.kind === 'boolean') return `${named} is true`
  if (column.kind === 'text') return `(${named} is not null and ${named} <> '')`
  return `${named} is not null`
}

/** A time without a zone is read as UTC. */
const instant = ({ name, zoned }: ColumnFacts) =>
  zoned ? identifier(name) : `(${identifier(name)} at time zone 'UTC')`

function readingsOf(target: Target, counted: Counted) {
  const { pending, processed, failed, dead, now } = counted
  const age = (from: bigint | undefined) => (from === undefined ? 0 : Math.max(0, Number(now - from) / 1e6))
  const readings: Reading<
    | 'pending_records'
    | 'oldest_pending_seconds'
    | 'processed_records'
    | 'failed_records'
    | 'error_ratio'
    | 'dead_letters'
    | 'oldest_dead_letter_seconds'
  >[] = [
    { metric: 'pending_records', value: pending },
    { metric: 'oldest_pending_seconds', value: age(counted.oldest) },
    { metric: 'processed_records', value: processed },
  ]
  if (failed !== undefined) {
    const handled = processed + failed
    readings.push({ metric: 'failed_records', value: failed })
    // One failure of two is not half of all that is sent; none of two is none.
    if (handled >= target.minimum || (failed === 0 && handled > 0)) {
      readings.push({ metric: 'error_ratio', value: failed / handled })
    }
  }
  if (dead !== undefined) {
    readings.push({ metric: 'dead_letters', value: dead })
    readings.push({ metric: 'oldest_dead_letter_seconds', value: age(counted.deadOldest) })
  }
  return readings
}

/** The queue as a hop: what was put in is the source, what is done or given up the target. */
function positionsOf(counted: Counted, { inserted }: TableFacts, observedAt: Date): Positions {
  const { now, pending, oldest, newest } = counted
  const behind = oldest !== undefined
  const passed = inserted === undefined ? undefined : inserted - BigInt(pending)
  return {
    hop: 'outbox',
    observedAt,
    unit: 'microseconds',
    ...(newest !== undefined && { source: newest, target: behind ? oldest - 1n : newest }),
    records: BigInt(pending),
    exact: { seconds: behind ? Math.max(0, Number(now - oldest) / 1e6) : 0, method: 'record_timestamp' },
    // What was ever put in and does not wait has passed, be it done, given up or deleted since.
    ...(inserted !== undefined &&
      passed !== undefined &&
      passed >= 0n && { counters: { source: inserted, target: passed } }),
  }
}
