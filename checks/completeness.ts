import { z } from 'zod'
import { duration } from '../server/connect/duration.ts'
import { tableName, tableRef } from '../server/connect/table.ts'
import {
  describeTable,
  fromTable,
  identifier,
  microseconds,
  requireKind,
  timeAt,
  type Place,
} from './postgres-table.ts'
import { defineProbe } from './probe.ts'

const windowMsMin = 1_000
const windowsMax = 744

const target = z.strictObject({
  source: tableRef.describe('The table that is copied.'),
  target: tableRef.describe('Its copy.'),
  column: z.string().default('created_at').describe('When a row was made; it is copied as it is and never changes.'),
  target_column: z.string().optional().describe('Its name in the target, where that is another.'),
  window: duration
    .prefault('1h')
    .refine((ms) => ms >= windowMsMin, 'must be a second or longer')
    .describe('Rows are counted in windows of this length.'),
  windows: z.int().min(1).max(windowsMax).default(24).describe('How many windows are compared, the newest first.'),
  settle: duration.prefault('15m').describe('Windows that ended less than this ago are left out: rows are in flight.'),
})

/** Counts rows by time on both sides: what was dropped without an error shows as a window with too few. */
export const completeness = defineProbe({
  name: 'completeness',
  summary: 'Whether every window of time has as many rows in the target as in the source.',
  target,
  metrics: {
    source_records: { help: 'Rows of the source in all settled windows.', unit: 'records' },
    target_records: { help: 'Rows of the target in the same windows.', unit: 'records' },
    missing_records: { help: 'Rows too few in the target, window by window, added up.', unit: 'records' },
    surplus_records: { help: 'Rows too many in the target, window by window, added up.', unit: 'records' },
    complete_ratio: {
      help: 'Rows of the target for each row of the source, at most 1, in the worst window.',
      unit: 'ratio',
      signal: 'drift',
    },
    incomplete_windows: { help: 'Windows in which the target has too few rows.', unit: 'records' },
  },
  grants: `-- on both databases
grant usage on schema <schema> to <login>;
grant select (<column>) on <schema>.<table> to <login>;`,
  needs: ({ source, target }) => [
    { connection: source.connection, system: 'postgres', path: ['source'] },
    { connection: target.connection, system: 'postgres', path: ['target'] },
  ],

  async run({ source, target, column, target_column = column, window, windows, settle }, context) {
    const sourcePlace: Place = { db: context.connection('postgres', source.connection), ref: source, context }
    const targetPlace: Place = { db: context.connection('postgres', target.connection), ref: target, context }

    const to = floorTo((await clockOf(sourcePlace)) - BigInt(settle) * 1_000n, BigInt(window) * 1_000n)
    const span: Span = { from: to - BigInt(windows) * BigInt(window) * 1_000n, to, width: BigInt(window) * 1_000n }

    // The source first, unlike positions: a late row that arrives between the two counts must not look missing.
    const made = await countsOf(sourcePlace, column, span)
    const copied = await countsOf(targetPlace, target_column, span)
    const compared = compare(made, copied)
    context.trace(`${compared.incomplete} of ${windows} windows have too few rows`)
    for (const { at, source, target } of compared.worst) {
      context.trace(`window from ${new Date(at).toISOString()}: ${source} rows in the source, ${target} in the target`)
    }
    return {
      readings: [
        { metric: 'source_records', value: sum(made) },
        { metric: 'target_records', value: sum(copied) },
        { metric: 'missing_records', value: compared.missing },
        { metric: 'surplus_records', value: compared.surplus },
        { metric: 'complete_ratio', value: compared.ratio },
        { metric: 'incomplete_windows', value: compared.incomplete },
      ],
    }
  },
})

/** Half-open, in microseconds since 1970, cut into windows of `width`. */
interface Span {
  readonly from: bigint
  readonly to: bigint
  readonly width: bigint
}

/** Rows by window, which is named by its start in microseconds. A window without rows is absent. */
type Counts = ReadonlyMap<bigint, number>

const floorTo = (value: bigint, width: bigint) => (value / width) * width

async function clockOf({ db, context }: Place): Promise<bigint> {
  const [row] = await db.ask<{ now: string }>(`select ${microseconds('clock_timestamp()')} as now`, [], context.signal)
  return BigInt(row!.now)
}

async function countsOf(place: Place, column: string, { from, to, width }: Span): Promise<Counts> {
  const { db, ref, context } = place
  const about = (await describeTable(place, [column])).columns.get(column)!
  requireKind(ref, about, 'time')
  const named = identifier(column)
  const rows = await db.ask<{ part: string; rows: string }>(
    `select ((${microseconds(named)}::int8 - '${from}'::int8) / '${width}'::int8)::text as part,
        count(*)::text as rows
      from ${fromTable(ref)}
      where ${named} >= ${timeAt(about, from)} and ${named} < ${timeAt(about, to)}
      group by 1`,
    [],
    context.signal,
  )
  const counts = new Map(rows.map(({ part, rows }) => [from + BigInt(part) * width, Number(rows)]))
  context.trace(`${tableName(ref)}: ${sum(counts)} rows in ${counts.size} windows`)
  return counts
}

const sum = (counts: Counts) => [...counts.values()].reduce((total, each) => total + each, 0)

const worstShown = 5

function compare(made: Counts, copied: Counts) {
  const starts = [...new Set([...made.keys(), ...copied.keys()])]
  const windows = starts.map((start) => {
    const source = made.get(start) ?? 0
    const target = copied.get(start) ?? 0
    return { at: Number(start / 1_000n), source, target, missing: Math.max(0, source - target) }
  })
  const short = windows.filter(({ missing }) => missing > 0)
  return {
    missing: short.reduce((total, { missing }) => total + missing, 0),
    surplus: windows.reduce((total, { source, target }) => total + Math.max(0, target - source), 0),
    incomplete: short.length,
    // Nothing is missing where nothing was made.
    ratio: short.reduce((worst, { source, target }) => Math.min(worst, target / source), 1),
    worst: short.toSorted((one, other) => other.missing - one.missing).slice(0, worstShown),
  }
}
