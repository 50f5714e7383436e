import { z } from 'zod'
import { duration } from '../connect/duration.ts'

export const tiers = ['realtime', 'operational', 'reference'] as const
export type Tier = (typeof tiers)[number]

/** What a pipeline promises, signal by signal. */
export interface Targets {
  /** Seconds. */
  readonly lag: number
  /** Failed ÷ handled, from 0 to 1. */
  readonly errors: number
  readonly deadLetters: number
  readonly duplicates: number
  /** The smallest match ratio, from 0 to 1. */
  readonly drift: number
}

const promised = { errors: 0.001, deadLetters: 0, duplicates: 0, drift: 0.995 } as const

export const tierTargets: Readonly<Record<Tier, Targets>> = {
  realtime: { lag: 5, ...promised },
  operational: { lag: 15 * 60, ...promised },
  reference: { lag: 2 * 60 * 60, ...promised },
}

/** `targets:` of a pipeline in the config: what it promises beside or above its tier. */
export const targetsSchema = z.strictObject({
  lag: duration.optional().describe('The oldest record the target may be missing, such as 5m.'),
  errors: z.number().min(0).max(1).optional().describe('Failed of all handled records, from 0 to 1.'),
  'dead-letters': z.int().min(0).optional().describe('Dead letters that may lie there.'),
  duplicates: z.int().min(0).optional().describe('Surplus records that may lie there.'),
  drift: z.number().min(0).max(1).optional().describe('The smallest match ratio, from 0 to 1.'),
})

/** The tier's targets, overridden by the pipeline's own. */
export function targetsOf(tier: Tier, own: z.output<typeof targetsSchema> = {}): Targets {
  const inherited = tierTargets[tier]
  return {
    lag: own.lag === undefined ? inherited.lag : own.lag / 1_000,
    errors: own.errors ?? inherited.errors,
    deadLetters: own['dead-letters'] ?? inherited.deadLetters,
    duplicates: own.duplicates ?? inherited.duplicates,
    drift: own.drift ?? inherited.drift,
  }
}
