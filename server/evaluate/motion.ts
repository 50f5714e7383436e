import type { Tier } from './target.ts'

const stillIntervals = 8
const stillMsMin = 60_000

/**
 * How long a target may stand still with work to do before that is called stalled: eight observations and a minute.
 * What works in batches stands still between them, so there it is the promised lag.
 */
export function stillMsOf(pipeline: { pattern: string; tier: Tier; lagSeconds: number }, everyMs: number): number {
  const window = Math.max(stillMsMin, stillIntervals * everyMs)
  const batched = pipeline.pattern === 'batch' || pipeline.tier === 'reference'
  return batched ? Math.max(window, pipeline.lagSeconds * 1_000) : window
}
