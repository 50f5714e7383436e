import type { Positions } from '../../checks/probe.ts'
import { advancePairs, flowOf, type Flow } from './flow.ts'
import type { Hop, HopMemory, PositionPair } from './hop-state.ts'
import { advancePoints, estimateLag, type LagEstimate } from './lag.ts'
import { advanceTrack, motionOf } from './motion.ts'
import type { HopStanding, Motion } from './standing.ts'
import { explainExact, explainLag } from './words.ts'

export interface HopPlace {
  readonly pipeline: string
  readonly check: string
  readonly stillMs: number
}

type Lag = NonNullable<HopStanding['lag']>

/** A hop and its flow, which words need and nobody stores. */
export interface MeasuredHop extends Hop {
  readonly flow: Flow
}

/**
 * Everything one look at both ends of a hop tells, from what was remembered of it.
 *
 * Where positions start over (another epoch) all history is void; where only the source fell back, its points and
 * rates are. Lag is never negative: a target ahead of its source has caught up.
 */
export function measureHop(before: Hop | undefined, positions: Positions, place: HopPlace): MeasuredHop {
  const known = before && before.memory.epoch === positions.epoch ? before.memory : undefined
  // A clock that is set back must not make lag negative: time stands still until it has caught up.
  const at = Math.max(positions.observedAt.getTime(), known?.pairs.at(-1)?.at ?? 0, known?.points.at(-1)?.lastSeen ?? 0)
  const { source, target } = positions
  if (source === undefined || target === undefined) return oneEnded(known, positions, place, at)

  const fellBack = known?.pairs.at(-1) && source < known.pairs.at(-1)!.source
  const points = advancePoints(known?.points ?? [], { source, target, at })
  const estimate = estimateLag(points, target, at)
  const lag = lagOf(positions, estimate, at)
  const pair = pairOf(positions, source, target, at, lag)
  const pairs = advancePairs(fellBack ? [] : (known?.pairs ?? []), pair)
  const track = advanceTrack(known, known?.pairs.at(-1), pair)
  const watermark =
    watermarkOf(lag, positions, estimate, at) ?? (track.rewoundFrom === undefined ? known?.watermark : undefined)

  const flow = flowOf(pairs)
  const memory: HopMemory = { ...track, epoch: positions.epoch, points, pairs, watermark }
  const motion = motionOf(track, pairs, place.stillMs)
  return { memory, standing: standingOf(positions, place, { lag, flow, watermark, motion }), flow }
}

/** One end is not known: an empty table, a consumer that has committed nothing. What was learnt before is kept. */
function oneEnded(known: HopMemory | undefined, positions: Positions, place: HopPlace, at: number): MeasuredHop {
  const lag = positions.exact && exactLag(positions.exact)
  const watermark = lag?.seconds === undefined ? known?.watermark : at - lag.seconds * 1_000
  const memory: HopMemory = {
    points: [],
    pairs: [],
    firstAt: at,
    targetMovedAt: at,
    ...known,
    epoch: positions.epoch,
    watermark,
  }
  const motion: Motion = lag === undefined ? 'no_data' : lag.seconds === 0 ? 'ok' : 'unknown'
  return { memory, standing: standingOf(positions, place, { lag, flow: {}, watermark, motion }), flow: {} }
}

function lagOf(positions: Positions, estimate: LagEstimate, at: number): Lag {
  if (positions.exact) return exactLag(positions.exact)
  const { seconds, lowerSeconds, upperSeconds } = estimate
  return {
    ...(seconds !== undefined && { seconds }),
    lowerSeconds,
    ...(upperSeconds !== undefined && { upperSeconds }),
    method: 'interpolated',
    explained: explainLag(positions, estimate, at),
  }
}

function exactLag(exact: NonNullable<Positions['exact']>): Lag {
  const seconds = Math.max(0, exact.seconds)
  const { method } = exact
  const explained = explainExact({ ...exact, seconds })
  return exact.floor
    ? { lowerSeconds: seconds, method, explained }
    : { seconds, lowerSeconds: seconds, upperSeconds: seconds, method, explained }
}

function pairOf({ unit, counters }: Positions, source: bigint, target: bigint, at: number, lag: Lag): PositionPair {
  const counted = unit === 'records'
  const sourceTotal = counters?.source ?? (counted ? source : undefined)
  const targetTotal = counters?.target ?? (counted ? target : undefined)
  return {
    at,
    source,
    target,
    ...(sourceTotal !== undefined && { sourceTotal }),
    ...(targetTotal !== undefined && { targetTotal }),
    ...(lag.seconds !== undefined && { lagSeconds: lag.seconds }),
  }
}

function watermarkOf(lag: Lag, { exact }: Positions, estimate: LagEstimate, at: number): number | undefined {
  if (!exact) return estimate.watermark
  return lag.seconds === undefined ? undefined : at - lag.seconds * 1_000
}

interface Derived {
  readonly lag: Lag | undefined
  readonly flow: Flow
  readonly watermark: number | undefined
  readonly motion: Motion
}

function standingOf(positions: Positions, place: HopPlace, { lag, flow, watermark, motion }: Derived): HopStanding {
  const { source, target, unit, counters } = positions
  const counted = unit === 'records' && source !== undefined && target !== undefined
  const records = positions.records ?? (counted ? atLeastZero(source - target) : undefined)
  const sourceTotal = counters?.source ?? (unit === 'records' ? source : undefined)
  const targetTotal = counters?.target ?? (unit === 'records' ? target : undefined)
  return {
    pipeline: place.pipeline,
    check: place.check,
    hop: positions.hop,
    at: positions.observedAt,
    unit: positions.unit,
    ...(source !== undefined && { sourcePosition: source }),
    ...(target !== undefined && { targetPosition: target }),
    ...(lag && { lag }),
    ...(records !== undefined && { records }),
    ...(watermark !== undefined && { watermark: new Date(watermark) }),
    ...(sourceTotal !== undefined && { sourceTotal }),
    ...(targetTotal !== undefined && { targetTotal }),
    ...(flow.inPerSecond !== undefined && { inPerSecond: flow.inPerSecond }),
    ...(flow.outPerSecond !== undefined && { outPerSecond: flow.outPerSecond }),
    ...(flow.etaSeconds !== undefined && { etaSeconds: flow.etaSeconds }),
    motion,
  }
}

const atLeastZero = (value: bigint) => (value < 0n ? 0n : value)
