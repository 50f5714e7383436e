import { z } from 'zod'
import { duration } from '../connect/duration.ts'
import { tableRef } from '../connect/table.ts'

const owner = z.enum(['source', 'target', 'review'])
const column = z.string().min(1)

const copy = z.strictObject({
  table: tableRef.describe('connection.schema.table; the schema is public when left out.'),
  where: z.string().min(1).optional().describe('A condition in the SQL of this side: only these rows are compared.'),
})

const authority = z.strictObject({
  default: owner.default('source').describe('Who is right about a field that is not named below.'),
  fields: z.record(column, owner).default({}).describe('Who is right, by source column name.'),
  conflict: z.enum(['review']).default('review').describe('What no rule decides waits for a person.'),
})

const limit = z.strictObject({
  rows: z.int().min(0).default(1_000).describe('Corrections a run may need before it writes none at all.'),
  ratio: z.number().min(0).max(1).default(0.005).describe('The same, as a share of the rows compared.'),
  deletes: z.int().min(0).default(0).describe('How many of them may delete a row.'),
})

const corrections = z.strictObject({
  mode: z.enum(['off', 'propose', 'auto']).default('propose'),
  via: z.enum(['sql']).default('sql'),
  limit: limit.prefault({}),
})

const settle = z.strictObject({
  wait: duration.prefault('2s').describe('How long a difference may be on its way before it is looked at again.'),
  tries: z.int().min(1).max(10).default(3),
})

/** One pair as the config writes it: a source table and a target table that should agree. */
export const pairSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'use lower case, digits and hyphens'),
  source: copy,
  target: copy.extend({
    columns: z.record(column, column).default({}).describe('Source column to target column, where the names differ.'),
  }),
  key: z.array(column).min(1).describe('Source columns that name a row.'),
  columns: z.array(column).min(1).optional().describe('Compare only these source columns, beside the key.'),
  exclude: z.array(column).default([]).describe('Source columns that are not compared.'),
  schedule: z.string().optional().describe('Five cron fields.'),
  timezone: z.string().default('UTC'),
  authority: authority.prefault({}),
  deletes: z
    .enum(['hold', 'hard'], { error: 'write hold (rows are never deleted) or hard (rows may be deleted)' })
    .default('hold'),
  corrections: corrections.prefault({}),
  settle: settle.prefault({}),
  keep: z.int().min(1).max(1_000_000).default(10_000).describe('Differences kept with their values; all are counted.'),
})

export type PairSpec = z.output<typeof pairSchema>
export type PairInput = z.input<typeof pairSchema>
export type Owner = z.output<typeof owner>
