import type { PositionPair } from './hop-state.ts'
import type { Motion } from './standing.ts'
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

/** What is remembered of how a hop moves. Times in epoch milliseconds. */
export interface Track {
  /** The first time both ends were seen, since the last start of history. */
  readonly firstAt: number
  readonly targetMovedAt: number
  readonly caughtUpAt?: number | undefined
  /** The highest the target has been, while it is below that. */
  readonly rewoundFrom?: bigint | undefined
}

/** Adds one pair to the track; `before` is the pair that was seen last. */
export function advanceTrack(track: Track | undefined, before: PositionPair | undefined, pair: PositionPair): Track {
  const { at, source, target } = pair
  const caughtUpAt = target >= source ? at : track?.caughtUpAt
  if (!track || !before) return { firstAt: at, targetMovedAt: at, ...(caughtUpAt !== undefined && { caughtUpAt }) }

  const high = track.rewoundFrom ?? before.target
  const rewoundFrom = target < high && target < source ? high : undefined
  return {
    firstAt: track.firstAt,
    targetMovedAt: target === before.target ? track.targetMovedAt : at,
    ...(caughtUpAt !== undefined && { caughtUpAt }),
    ...(rewoundFrom !== undefined && { rewoundFrom }),
  }
}

/**
 * How a hop moves, without thresholds, in this order:
 * caught up now: ok · the target fell back and has not recovered: rewound · caught up within the window: ok ·
 * the target stood still for the window: stalled, and stopped once that is also longer than it was ever seen to move ·
 * the gap has not shrunk once in the window: lagging · else it is catching up: ok.
 * Before the hop has been watched for one window it is unknown: a first look cannot tell behind from falling behind.
 */
export function motionOf(track: Track, pairs: readonly PositionPair[], stillMs: number): Motion {
  const newest = pairs.at(-1)
  if (!newest) return 'no_data'
  if (newest.target >= newest.source) return 'ok'
  if (track.rewoundFrom !== undefined) return 'rewound'
  if (track.caughtUpAt !== undefined && newest.at - track.caughtUpAt < stillMs) return 'ok'

  const stoodMs = newest.at - track.targetMovedAt
  if (stoodMs >= stillMs) {
    const movedMs = track.targetMovedAt - track.firstAt
    return stoodMs >= 2 * stillMs && stoodMs > movedMs ? 'stopped' : 'stalled'
  }
  if (shrank(pairs, newest.at - stillMs)) return 'ok'
  return newest.at - track.firstAt < stillMs ? 'unknown' : 'lagging'
}

/** Whether the gap became smaller between any two neighbours of the window. */
function shrank(pairs: readonly PositionPair[], from: number): boolean {
  const window = pairs.filter(({ at }) => at >= from)
  return window.some(({ source, target }, index) => {
    const before = window[index - 1]
    return before !== undefined && source - target < before.source - before.target
  })
}
