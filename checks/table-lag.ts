import { z } from 'zod'
import { tableName, tableRef } from '../server/connect/table.ts'
import { Fault } from '../server/fault.ts'
import {
  describeTable,
  fromTable,
  identifier,
  microseconds,
  requireKind,
  timeAt,
  type ColumnFacts,
  type Place,
} from './postgres-table.ts'
import { defineProbe, type Positions, type ProbeContext } from './probe.ts'

/** Rows behind are counted up to here; beyond it their number is not told, because counting them all costs a scan. */
export const behindRecordsMax = 100_000

const target = z.strictObject({
  source: tableRef.describe('The table that is copied.'),
  target: tableRef.describe('Its copy.'),
  column: z
    .string()
    .default('updated_at')
    .describe('A column of the source that only grows: a timestamp, or an integer such as a version or a sequence.'),
  target_column: z.string().optional().describe('Its name in the target, where that is another.'),
})

/** How far a copy of a table trails the table, by the newest value of a column that grows on both sides. */
export const tableLag = defineProbe({
  name: 'table-lag',
  summary: 'How far a table trails the table it is copied from.',
  target,
  metrics: {
    newest_age_seconds: {
      help: 'Seconds since the newest row of the source, by the clock of its database; timestamps only.',
      unit: 'seconds',
    },
  },
  positions: true,
  grants: `-- on both databases
grant usage on schema <schema> to <login>;
grant select (<column>) on <schema>.<table> to <login>;`,
  needs: ({ source, target }) => [
    { connection: source.connection, system: 'postgres', path: ['source'] },
    { connection: target.connection, system: 'postgres', path: ['target'] },
  ],

  async run({ source, target, column, target_column = column }, context) {
    const targetPlace: Place = { db: context.connection('postgres', target.connection), ref: target, context }
    const sourcePlace: Place = { db: context.connection('postgres', source.connection), ref: source, context }

    // The target first: the other order reports a negative lag whenever a row passes between the two reads.
    const copied = await newestOf(targetPlace, target_column)
    const began = context.now().getTime()
    const ahead = await beyond(sourcePlace, column, copied)
    const positions = positionsOf(copied, ahead, new Date((began + context.now().getTime()) / 2))
    tell(context, sourcePlace, positions)

    const age = ahead.newestAge
    return { readings: age === undefined ? [] : [{ metric: 'newest_age_seconds', value: age }], positions: [positions] }
  },
})

/** The newest position of the copy; undefined when it is empty. */
interface Copied {
  readonly position: bigint | undefined
  readonly kind: 'time' | 'integer'
  readonly digits: number
  readonly written: bigint | undefined
}

interface Ahead {
  readonly newest: bigint | undefined
  readonly oldest: bigint | undefined
  /** Rows newer than the copy, up to `behindRecordsMax` and one more. */
  readonly behind: bigint
  readonly oldestAge: number | undefined
  readonly newestAge: number | undefined
  readonly written: bigint | undefined
}

async function newestOf(place: Place, column: string): Promise<Copied> {
  const { db, ref, context } = place
  const facts = await describeTable(place, [column])
  const about = facts.columns.get(column)!
  requireKind(ref, about, 'time', 'integer')
  const named = identifier(column)
  const newest = about.kind === 'time' ? microseconds(`max(${named})`) : `max(${named})::text`
  const [row] = await db.ask<{ newest: string | null }>(
    `select ${newest} as newest from ${fromTable(ref)}`,
    [],
    context.signal,
  )
  const position = row?.newest == null ? undefined : BigInt(row.newest)
  if (position === undefined) await requireEmpty(place, column)
  context.trace(`${tableName(ref)}: newest ${column} is at ${position ?? 'nothing, the table is empty'}`)
  return { position, kind: about.kind as Copied['kind'], digits: about.digits, written: facts.written }
}

interface AheadRow {
  readonly newest: string | null
  readonly oldest: string | null
  readonly behind: string
  readonly now: string
}

/** What the source has beyond the copy, in one statement and so at one instant. */
async function beyond(place: Place, column: string, copied: Copied): Promise<Ahead> {
  const { db, ref, context } = place
  const facts = await describeTable(place, [column])
  const about = facts.columns.get(column)!
  requireKind(ref, about, 'time', 'integer')
  if (about.kind !== copied.kind) throw unlike(ref, about)

  const named = identifier(column)
  const table = fromTable(ref)
  const isTime = about.kind === 'time'
  const shown = (expression: string) => (isTime ? microseconds(expression) : `${expression}::text`)
  const { position } = copied
  const after =
    position === undefined
      ? `${named} is not null`
      : isTime
        ? `${named} > ${timeAt(about, position + roundedAway(about, copied))}`
        : `${named} > '${position}'::int8`
  const [row] = await db.ask<AheadRow>(
    `select (select ${shown(`max(${named})`)} from ${table}) as newest,
        (select ${shown(`min(${named})`)} from ${table} where ${after}) as oldest,
        (select count(*)::text from (select 1 from ${table} where ${after} limit ${behindRecordsMax + 1}) b) as behind,
        ${microseconds(`clock_timestamp()`)} as now`,
    [],
    context.signal,
  )
  if (row!.newest === null) await requireEmpty(place, column)
  const age = (text: string | null) =>
    isTime && text !== null ? Math.max(0, Number(BigInt(row!.now) - BigInt(text)) / 1e6) : undefined
  return {
    newest: row!.newest === null ? undefined : BigInt(row!.newest),
    oldest: row!.oldest === null ? undefined : BigInt(row!.oldest),
    behind: BigInt(row!.behind),
    oldestAge: age(row!.oldest),
    newestAge: age(row!.newest),
    written: facts.written,
  }
}

/** A copy that keeps fewer digits of a second holds the rounded value: what rounds to it is not newer. */
const roundedAway = (source: ColumnFacts, copied: Copied): bigint =>
  copied.digits < source.digits ? 10n ** BigInt(6 - copied.digits) / 2n : 0n

/** @throws Fault `table_empty` when there are rows, and none of them has a value: that is no position. */
async function requireEmpty({ db, ref, context }: Place, column: string): Promise<void> {
  const [row] = await db.ask<{ rows: boolean }>(
    `select exists (select ${identifier(column)} from ${fromTable(ref)}) as rows`,
    [],
    context.signal,
  )
  if (!row?.rows) return
  throw new Fault('table_empty', `${tableName(ref)} has rows, and none has a value in ${column}.`, {
    hint: 'Name a column that is set on every row.',
  })
}

function positionsOf(copied: Copied, ahead: Ahead, observedAt: Date): Positions {
  const { newest, oldest, behind } = ahead
  const position = behind > 0n ? (copied.position ?? oldest! - 1n) : max(copied.position, newest)
  return {
    hop: 'end_to_end',
    observedAt,
    unit: copied.kind === 'time' ? 'microseconds' : 'records',
    ...(position !== undefined && { target: position }),
    ...(newest !== undefined && { source: newest }),
    ...(behind <= BigInt(behindRecordsMax) && { records: behind }),
    ...exactOf(copied, ahead),
    ...countersOf(copied, ahead),
  }
}

/** A rounded copy never comes to the very position of its source, though it has all of it. */
const max = (one: bigint | undefined, other: bigint | undefined) =>
  one === undefined || (other !== undefined && other > one) ? other : one

function exactOf(copied: Copied, { newest, behind, oldestAge }: Ahead): Pick<Positions, 'exact'> {
  const method = 'record_timestamp'
  if (newest === undefined) return { exact: { seconds: 0, method: 'reported' } }
  if (copied.kind === 'integer') return {}
  if (behind === 0n) return { exact: { seconds: 0, method } }
  // An empty copy lacks every row; older ones may have been changed since, so their first age is not known.
  return { exact: { seconds: oldestAge!, method, ...(copied.position === undefined && { floor: true as const }) } }
}

/** Ids have gaps and times are no count, so rates come from what the databases count as written. */
function countersOf(copied: Copied, ahead: Ahead): Pick<Positions, 'counters'> {
  const counters = {
    ...(ahead.written !== undefined && { source: ahead.written }),
    ...(copied.written !== undefined && { target: copied.written }),
  }
  return { counters }
}

const unlike = (ref: Place['ref'], { name, type }: ColumnFacts) =>
  new Fault('bad_request', `${tableName(ref)}.${name} is of type ${type}, unlike the column of the copy.`, {
    hint: 'Compare timestamps with timestamps, or integers with integers.',
  })

function tell({ trace }: ProbeContext, { ref }: Place, { source, records, exact }: Positions): void {
  const behind = records === undefined ? `more than ${behindRecordsMax}` : String(records)
  trace(`${tableName(ref)}: newest at ${source ?? 'nothing'}; ${behind} rows beyond the copy`)
  if (exact) trace(`lag ${exact.floor ? 'at least ' : ''}${exact.seconds} s, by the clock of the source`)
}
