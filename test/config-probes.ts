import { z } from 'zod'
import { defineProbe, type Probe, type System } from '../checks/probe.ts'
import { tableRef } from '../server/connect/table.ts'

/** Probes of the tests' own, so that bad configs stay bad whatever the real probes learn. */
const tableLag = defineProbe({
  name: 'table-lag',
  summary: 'How far a target table trails its source.',
  target: z.strictObject({
    source: tableRef.describe('The table that is copied.'),
    target: tableRef.describe('Its copy.'),
    column: z.string().default('updated_at').describe('The column that only ever grows.'),
  }),
  metrics: { rows_behind_records: { help: 'Rows the copy lacks.', unit: 'records' } },
  positions: true,
  grants: 'grant select on the table to tallyman',
  needs: ({ source, target }) => [
    { connection: source.connection, system: 'postgres', path: ['source'] },
    { connection: target.connection, system: 'postgres', path: ['target'] },
  ],
  run: async ({ column }, { trace }) => {
    trace(column)
    return { readings: [{ metric: 'rows_behind_records', value: 1 }] }
  },
})

const sql = defineProbe({
  name: 'sql',
  summary: 'Any query to readings.',
  target: z
    .strictObject({
      connection: z.string().describe('Where to ask.'),
      query: z.string().min(1).describe('What to ask.'),
      metrics: z.array(z.string()).min(1).describe('What its columns are.'),
    })
    .refine(({ query }) => !query.includes(';'), { path: ['query'], error: 'must be one statement' }),
  metrics: {},
  declares: ({ metrics }) =>
    Object.fromEntries(metrics.map((name) => [name, { help: name, unit: 'records' } as const])),
  grants: 'grant select on what is asked to tallyman',
  needs: ({ connection }) => [{ connection, system: 'postgres', path: ['connection'] }],
  run: async () => ({ readings: [] }),
})

/** A probe for a system of which there is no connection yet. */
const streamLag = defineProbe({
  name: 'stream-lag',
  summary: 'How far a consumer trails its stream.',
  target: z.strictObject({ connection: z.string().describe('The broker.') }),
  metrics: { behind_records: { help: 'Records not consumed.', unit: 'records', signal: 'lag' } },
  grants: 'none',
  needs: ({ connection }) => [{ connection, system: 'stream' as System, path: ['connection'] }],
  run: async () => ({ readings: [] }),
})

export const probes: readonly Probe[] = [tableLag, sql, streamLag]

export const env = {
  CRM_URL: 'postgres://tallyman:hunter2-in-crm@crm:5432/crm',
  BILLING_URL: 'postgres://billing/billing',
}
