import { z } from 'zod'

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const form = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/

const words = 'write a duration such as 500ms, 15s, 5m, 2h or 1d'

/** A length of time as people write it in the config (`15s`, `1.5h`); milliseconds once parsed. */
export const duration = z
  .string(words)
  .regex(form, words)
  .transform((text) => {
    const [, count, unit] = form.exec(text)!
    return Math.round(Number(count) * unitMs[unit as keyof typeof unitMs])
  })
