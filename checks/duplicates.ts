import { z } from 'zod'
import { duration } from '../server/connect/duration.ts'
import { tableName, tableRef } from '../server/connect/table.ts'
import { describeTable, fromTable, identifier, requireKind, type Place } from './postgres-table.ts'
import { defineProbe } from './probe.ts'

const keyColumnsMax = 16

const target = z
  .strictObject({
    table: tableRef.describe('Where no two rows should have the same key.'),
    key: z
      .array(z.string())
      .min(1)
      .max(keyColumnsMax)
      .describe('The columns that together name a record: a business key or an idempotency key.'),
    column: z.string().optional().describe('When a row arrived. With it only the rows of the window are checked.'),
    window: duration.prefault('24h').describe('How far back rows are checked, where `column` is given.'),
  })
  .describe('A table that should hold every record once.')

/** Counts rows that are there twice by the key that should name them once. */
export const duplicates = defineProbe({
  name: 'duplicates',
  summary: 'Whether a table holds a record more than once.',
  target,
  metrics: {
    duplicate_records: {
      help: 'Rows beyond the first of their key, in the window.',
      unit: 'records',
      signal: 'duplicates',
    },
    duplicate_keys: { help: 'Keys that stand on more than one row, in the window.', unit: 'records' },
    checked_records: { help: 'Rows with a complete key in the window.', unit: 'records' },
  },
  grants: `grant usage on schema <schema> to <login>;
grant select (<column>, <key>) on <schema>.<table> to <login>;`,
  needs: ({ table }) => [{ connection: table.connection, system: 'postgres', path: ['table'] }],

  async run({ table, key, column, window }, context) {
    const place: Place = { db: context.connection('postgres', table.connection), ref: table, context }
    const found = await countDuplicates(place, key, column, window)
    const within = column === undefined ? 'all rows' : `rows of the last ${window / 1_000} s by ${column}`
    context.trace(
      `${tableName(table)}: ${found.checked} ${within}; ${found.keys} keys stand on more than one row, ` +
        `${found.surplus} rows beyond the first`,
    )
    return {
      readings: [
        { metric: 'duplicate_records', value: found.surplus },
        { metric: 'duplicate_keys', value: found.keys },
        { metric: 'checked_records', value: found.checked },
      ],
    }
  },
})

interface CountRow {
  readonly checked: string
  readonly keys: string
  readonly surplus: string
}

async function countDuplicates(place: Place, key: readonly string[], column: string | undefined, windowMs: number) {
  const { db, ref, context } = place
  const facts = await describeTable(place, column === undefined ? key : [...key, column])
  const columns = key.map(identifier)
  // As a unique constraint has it: a key with a NULL in it names nothing, and equals no other.
  const complete = columns.map((each) => `${each} is not null`).join(' and ')
  const about = column === undefined ? undefined : facts.columns.get(column)!
  if (about) requireKind(ref, about, 'time')
  const now = about?.zoned ? 'now()' : `now() at time zone 'UTC'`
  const recent = about
    ? `and ${identifier(about.name)} >= ${now} - '${windowMs}'::float8 * interval '1 millisecond'`
    : ''
  const [row] = await db.ask<CountRow>(
    `select coalesce(sum(n), 0)::text as checked, count(*) filter (where n > 1)::text as keys,
        coalesce(sum(n - 1), 0)::text as surplus
      from (select count(*) as n from ${fromTable(ref)} where ${complete} ${recent} group by ${columns.join(', ')}) k`,
    [],
    context.signal,
  )
  return { checked: Number(row!.checked), keys: Number(row!.keys), surplus: Number(row!.surplus) }
}
