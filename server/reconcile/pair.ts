import { z } from 'zod'
import { duration } from '../connect/duration.ts'
import { tableRef } from '../connect/table.ts'

import { columnOptions } from './column-options.ts'
import { modeKeys } from './mode.ts'
import type { Matching } from './plan.ts'
import { windowOf } from './window.ts'

const owner = z.enum(['source', 'target', 'review'])
const column = z.string().min(1)

const copy = z.strictObject({
  table: tableRef.describe('connection.schema.table; left out, the schema is public, or the database of a MySQL URL.'),
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
  mode: z
    .enum(['off', 'propose', 'auto'])
    .default('propose')
    .describe('Whether corrections are not made, wait for a person, or are written within the limits.'),
  via: z
    .enum(['sql'])
    .default('sql')
    .describe('How they are written: by SQL, each only while the row is as it was judged.'),
  limit: limit.prefault({}).describe('What a run may need to correct; beyond it nothing is written.'),
})

const settle = z.strictObject({
  wait: duration.prefault('2s').describe('How long a difference may be on its way before it is looked at again.'),
  position: duration
    .prefault('1m')
    .describe('How long the target is waited for to get as far as each look, where a check measures its lag.'),
  check: z
    .string()
    .min(1)
    .optional()
    .describe(
      'The check of this pipeline that says how far the target is; the one that watches the lag of these two tables when left out, else all that measure lag.',
    ),
  tries: z.int().min(1).max(10).default(3).describe('How often a difference is looked at again before it counts.'),
})

const wait = z.strictObject({
  side: z.enum(['source', 'target']).describe('Who is asked.'),
  sql: z
    .string()
    .min(1)
    .describe('A statement in the SQL of this side that answers one number, in a read-only session.'),
  above: z.number().describe('The run waits while the answer is above this.'),
})

const pace = z.strictObject({
  rowsPerSecond: z.int().min(1).optional().describe('Rows read a second, at most, taken over the whole run.'),
  window: z
    .string()
    .refine((text) => windowOf(text) !== undefined, 'write a window such as 22:00-06:00')
    .transform((text) => windowOf(text)!)
    .optional()
    .describe("Slices are read only at this time of day, by the pair's timezone: 22:00-06:00."),
  sessions: z
    .int()
    .min(0)
    .optional()
    .describe('Active sessions, besides ours, that either server may have; beyond it the run waits.'),
  replicaLag: duration
    .optional()
    .describe('How far a replica of either server may be behind; beyond it the run waits.'),
  wait: z.array(wait).default([]).describe('Statements of your own that say when a side is too busy.'),
})

const slice = z.strictObject({
  target: duration.prefault('1s').describe('How long a slice should take to read; slices grow and shrink towards it.'),
  rows: z.int().min(1).default(100_000_000).describe('Rows a slice aims at, at most, however fast they are read.'),
})

const budget = z.strictObject({
  time: duration
    .optional()
    .describe('How long a run may read in all, waits aside; what it has not read by then is unknown.'),
  ratio: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Differing rows, as a share of the table, from which a run stops comparing; the rest is unknown.'),
})

/** One pair as the config writes it: a source table and a target table that should agree. */
export const pairSchema = z.strictObject({
  id: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]*$/, 'use lower case, digits and hyphens')
    .describe('Its name, unique in the whole file.'),
  source: copy.describe('The table the data comes from.'),
  target: copy
    .extend({
      columns: z.record(column, column).default({}).describe('Source column to target column, where the names differ.'),
    })
    .describe('The table it is to agree with.'),
  key: z
    .array(column)
    .min(1)
    .optional()
    .describe(
      "Source columns that name a row; the source's primary key when left out. Without either, rows are counted.",
    ),
  columns: z.array(column).min(1).optional().describe('Compare only these source columns, beside the key.'),
  exclude: z.array(column).default([]).describe('Source columns that are not compared.'),
  compare: z
    .record(column, columnOptions)
    .default({})
    .describe('What of a column does not count, by source column name.'),
  schedule: z.string().optional().describe('Five cron fields.'),
  timezone: z.string().default('UTC').describe('Whose clock the schedule goes by: an IANA name such as Europe/Berlin.'),
  ...modeKeys,
  authority: authority.prefault({}).describe('Who is right where the copies differ, field by field.'),
  deletes: z
    .enum(['hold', 'hard'], { error: 'write hold (rows are never deleted) or hard (rows may be deleted)' })
    .default('hold')
    .describe(
      'What becomes of rows that should not be there: hold leaves them alone, hard lets corrections delete them.',
    ),
  corrections: corrections.prefault({}).describe('Whether and how differences are put right.'),
  settle: settle
    .prefault({})
    .describe('How long a difference is given to heal by itself: what is still in flight is none.'),
  pace: pace.prefault({}).describe('When a run holds back, so that the databases stay fit for their users.'),
  slice: slice.prefault({}).describe('How large the slices are that are read at a time.'),
  budget: budget.prefault({}).describe('When a run gives up: the verdict is then unknown, with what is known so far.'),
  keep: z.int().min(1).max(1_000_000).default(10_000).describe('Differences kept with their values; all are counted.'),
})

export type PairSpec = z.output<typeof pairSchema>
export type PairInput = z.input<typeof pairSchema>
export type PaceLimits = PairSpec['pace']
export type Owner = z.output<typeof owner>

/** How the rows of a pair are matched and which of their columns are compared. */
export const matchingOf = ({ key, columns, exclude, compare, source, target }: PairSpec): Matching => ({
  key,
  compare,
  map: target.columns,
  include: columns,
  exclude,
  where: { source: source.where, target: target.where },
})
