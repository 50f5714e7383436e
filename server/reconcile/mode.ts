import { z } from 'zod'
import { duration } from '../connect/duration.ts'

/** How much of a pair one run compares. */
export const modes = ['full', 'incremental', 'sample', 'scrub'] as const
export type Mode = (typeof modes)[number]

const minute = 60_000
const modeWord = z.enum(modes)
const column = z.string().min(1)

const incremental = z.strictObject({
  column: column.describe(
    'Source column that every write moves forward: a time, or a whole number that grows over the whole table.',
  ),
  targetColumn: column.optional().describe('The same of the target, where the mapping does not say it.'),
  overlap: z
    .union([
      duration,
      z
        .int()
        .min(0)
        .transform((count) => ({ count })),
    ])
    .prefault('10m')
    .describe('How far before the last watermark it looks again: a time, or a count where the column is a number.'),
})

/** The keys of a pair that say how much of it is compared when. Each mode has its own section. */
export const modeKeys = {
  mode: modeWord.default('full').describe('What a run compares that is started by `schedule`, or without saying.'),
  full: z
    .strictObject({ schedule: z.string().optional().describe('Five cron fields: full runs beside those of `mode`.') })
    .prefault({})
    .describe('Full runs.'),
  incremental: incremental.optional().describe('Runs that compare what was written since the last verified run.'),
  sample: z
    .strictObject({
      share: z.number().gt(0).max(1).default(0.01).describe('Share of the key space, another one each run.'),
    })
    .prefault({})
    .describe('Runs that compare a random share.'),
  scrub: z
    .strictObject({
      every: duration
        .refine((ms) => ms >= minute, 'a scrub starts at most once a minute: write 1m or more')
        .optional()
        .describe('How often a part is compared; never by itself when left out.'),
      budget: duration.prefault('1m').describe('How long one may read before it leaves the rest to the next.'),
    })
    .prefault({})
    .describe('Runs that compare what was verified longest ago, a little at a time.'),
}
