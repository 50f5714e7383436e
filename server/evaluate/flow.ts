import type { PositionPair } from './hop-state.ts'

/** How far back pairs are kept, and how close together. */
const flowWindowMs = 30 * 60_000
const spacingMs = 15_000
const shortWindowMs = 5 * 60_000
const spanMsMin = 10_000
/** Kept however old, for checks that run less often than the windows are long. */
const pairsMin = 8

/** What passes through a hop. What cannot be told yet is absent. */
export interface Flow {
  readonly inPerSecond?: number
  readonly outPerSecond?: number
  /** Seconds until the target has caught up; absent unless 5 and 30 minutes agree that it is catching up. */
  readonly etaSeconds?: number
  /** How many seconds the lag grows each second, over 5 minutes; negative while it shrinks. */
  readonly growth?: number
}

/** Adds a pair, keeping the newest always and older ones at least `spacingMs` apart: at most 130 pairs. */
export function advancePairs(pairs: readonly PositionPair[], pair: PositionPair): readonly PositionPair[] {
  const last = pairs.at(-1)
  const beforeLast = pairs.at(-2)
  const crowded = last && beforeLast && last.at - beforeLast.at < spacingMs
  const kept = crowded ? pairs.slice(0, -1) : pairs
  const recent = kept.filter(({ at }) => at >= pair.at - flowWindowMs && at < pair.at)
  return [...(recent.length < pairsMin ? kept.filter(({ at }) => at < pair.at).slice(-pairsMin) : recent), pair]
}

/** Rates over 5 minutes, and when the target will have caught up. Pairs are oldest first. */
export function flowOf(pairs: readonly PositionPair[]): Flow {
  const newest = pairs.at(-1)
  if (!newest) return {}
  const short = startOf(pairs, newest)
  const inPerSecond = rate(short, newest, ({ sourceTotal }) => sourceTotal)
  const outPerSecond = rate(short, newest, ({ targetTotal }) => targetTotal)
  const growth = growthOf(short, newest)
  const etaSeconds = etaOf(pairs, short, newest)
  return {
    ...(inPerSecond !== undefined && { inPerSecond }),
    ...(outPerSecond !== undefined && { outPerSecond }),
    ...(growth !== undefined && { growth }),
    ...(etaSeconds !== undefined && { etaSeconds }),
  }
}

/** The pair 5 minutes back, or the one before the newest where observations are further apart than that. */
function startOf(pairs: readonly PositionPair[], newest: PositionPair): PositionPair | undefined {
  const within = pairs.find(({ at }) => at >= newest.at - shortWindowMs)
  return within === newest ? pairs.at(-2) : within
}

function rate(
  oldest: PositionPair | undefined,
  newest: PositionPair,
  of: (pair: PositionPair) => bigint | undefined,
): number | undefined {
  if (!oldest || newest.at - oldest.at < spanMsMin) return undefined
  const from = of(oldest)
  const to = of(newest)
  // A counter that fell has been reset: what passed in between is not known.
  if (from === undefined || to === undefined || to < from) return undefined
  return Number(to - from) / ((newest.at - oldest.at) / 1_000)
}

function growthOf(oldest: PositionPair | undefined, newest: PositionPair): number | undefined {
  if (!oldest || newest.at - oldest.at < spanMsMin) return undefined
  if (oldest.lagSeconds === undefined || newest.lagSeconds === undefined) return undefined
  return (newest.lagSeconds - oldest.lagSeconds) / ((newest.at - oldest.at) / 1_000)
}

function etaOf(
  pairs: readonly PositionPair[],
  short: PositionPair | undefined,
  newest: PositionPair,
): number | undefined {
  if (newest.target >= newest.source) return undefined
  const overShort = closing(short, newest)
  const overLong = closing(pairs[0], newest)
  if (overShort === undefined || overLong === undefined || overShort <= 0 || overLong <= 0) return undefined
  return Number(newest.source - newest.target) / overShort
}

/** By how much the gap closes each second, in whatever one step of a position is. */
function closing(oldest: PositionPair | undefined, newest: PositionPair): number | undefined {
  if (!oldest || newest.at - oldest.at < spanMsMin) return undefined
  const before = oldest.source - oldest.target
  const now = newest.source - newest.target
  return Number(before - now) / ((newest.at - oldest.at) / 1_000)
}
