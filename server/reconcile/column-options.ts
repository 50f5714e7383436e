import { z } from 'zod'
import { duration } from '../connect/duration.ts'

const span = 'write a number (0.01) for numbers, a duration (2s) for times'

/** A number, or milliseconds. */
const tolerance = z.union([z.number().min(0), duration.transform((ms) => ({ ms }))], { error: span })

/** What of one column does not count. */
export const columnOptions = z.strictObject({
  tolerance: tolerance
    .optional()
    .describe('How far two numbers (0.01) or times (2s) may be apart and still count as equal.'),
  precision: z
    .int()
    .min(0)
    .max(30)
    .optional()
    .describe('Digits after the point that count: numbers are rounded, times are cut.'),
  case: z.enum(['ignore']).optional().describe('Texts are compared whatever their case.'),
  trim: z.boolean().optional().describe('Blanks before and behind a text do not count.'),
  emptyAsNull: z.boolean().optional().describe('An empty text counts as NULL.'),
})

export type ColumnOptions = z.output<typeof columnOptions>
