import { z } from 'zod'
import { durationForm, durationMs } from './duration-text.ts'

const words = 'write a duration such as 500ms, 15s, 5m, 2h or 1d'

/** A length of time in the config; milliseconds once parsed. */
export const duration = z
  .string(words)
  .regex(durationForm, words)
  .transform((text) => durationMs(text)!)
