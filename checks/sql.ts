import { z } from 'zod'
import { Fault } from '../server/fault.ts'
import { defineProbe, signals, type Metric, type Reading } from './probe.ts'

const metricsMax = 50
const queryLengthMax = 20_000

const metric = z.strictObject({
  column: z.string().optional().describe('The column of the answer that holds it; the name of the metric if left out.'),
  help: z.string().min(1).describe('One sentence: what it is.'),
  unit: z.enum(['seconds', 'records', 'ratio', 'per_second']).describe('What one of it is.'),
  signal: z.enum(signals).optional().describe('The signal it feeds, which gives it the rules of that signal.'),
})

const target = z.strictObject({
  connection: z.string().describe('The database that is asked.'),
  query: z
    .string()
    .min(1)
    .max(queryLengthMax)
    .describe('One SELECT that answers one row. It is run in a read-only transaction.'),
  metrics: z
    .record(z.string().regex(/^[a-z][a-z0-9_]*$/, 'use lower case, digits and underscores'), metric)
    .refine((metrics) => Object.keys(metrics).length > 0, 'name at least one')
    .refine((metrics) => Object.keys(metrics).length <= metricsMax, `name at most ${metricsMax}`)
    .describe('What the columns of that row are.'),
})

/** Any query of one row, column by column to readings. What is NULL is not known, and is absent. */
export const sqlProbe = defineProbe<typeof target, string>({
  name: 'sql',
  summary: 'Numbers that a query of your own answers.',
  target,
  metrics: {},
  declares: ({ metrics }) =>
    Object.fromEntries(
      Object.entries(metrics).map(([name, { help, unit, signal }]): [string, Metric] => [
        name,
        { help, unit, ...(signal && { signal }) },
      ]),
    ),
  grants: `-- whatever the query reads, such as
grant usage on schema <schema> to <login>;
grant select (<column>) on <schema>.<table> to <login>;`,
  needs: ({ connection }) => [{ connection, system: 'postgres', path: ['connection'] }],

  async run({ connection, query, metrics }, context) {
    const db = context.connection('postgres', connection)
    // As a subquery it can be nothing but a SELECT, and as we send it nothing but one.
    const statement = `select * from (\n${query.replace(/;\s*$/, '')}\n) as answer limit 2`
    const { signal } = context
    const rows = await db.transaction('read only', (tx) => tx.ask(statement, [], signal), signal)
    const [row] = rows
    if (!row || rows.length > 1) throw notOneRow(connection, rows.length)
    const readings = Object.entries(metrics).flatMap(([name, { column = name }]): Reading[] => {
      if (!Object.hasOwn(row, column)) throw noColumn(connection, column, Object.keys(row))
      const value = numberOf(connection, column, row[column])
      context.trace(`${connection}: ${column} is ${value ?? 'NULL, so not known'}`)
      return value === undefined ? [] : [{ metric: name, value }]
    })
    return { readings }
  },
})

/** Integers beyond 2^53 lose their last digits; a query that needs them can divide. */
function numberOf(connection: string, column: string, value: unknown): number | undefined {
  if (value === null) return undefined
  if (typeof value === 'boolean') return value ? 1 : 0
  const number =
    typeof value === 'number' ? value : typeof value === 'string' && value.trim() !== '' ? Number(value) : NaN
  if (Number.isFinite(number)) return number
  // The value itself may be anything, a secret among it: only its kind is told.
  throw new Fault('probe_failed', `${connection}: column ${column} of the answer is not a number.`, {
    hint: 'Cast it in the query, for example with extract(epoch from …)::float8; answer NULL for what is not known.',
  })
}

const notOneRow = (connection: string, rows: number) =>
  new Fault('probe_failed', `${connection}: the query answered ${rows === 0 ? 'no row' : 'more than one row'}.`, {
    hint: 'Make it answer exactly one, for example with an aggregate over all of them.',
  })

const noColumn = (connection: string, column: string, have: readonly string[]) =>
  new Fault('thing_missing', `${connection}: the answer of the query has no column "${column}".`, {
    hint: `It has ${have.slice(0, 20).join(', ')}.`,
  })
