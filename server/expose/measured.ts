import type { Metric, Signal } from '../../checks/probe.ts'
import type { HopStanding, Standing } from '../evaluate/standing.ts'
import { isFresh } from './freshness.ts'
import type { CatalogCheck, CatalogPipeline } from './reads.ts'

/** One number that speaks for a signal: a reading of a check, with what its probe says of it. */
export interface Measured {
  readonly check: CatalogCheck
  readonly metric: string
  readonly about: Metric
  readonly value: number
  readonly at: Date
  readonly fresh: boolean
}

export const endToEnd = 'end_to_end'

/**
 * The readings of a pipeline that feed one signal, at most one a check and unit: a probe that reports several is
 * represented by the one a rule judges, else by the first it declares.
 */
export function measuredOf(
  standing: Standing,
  pipeline: CatalogPipeline,
  signal: Signal,
  now: Date,
): readonly Measured[] {
  return pipeline.checks.flatMap((check) => {
    const state = standing.checks.get(check.id)
    if (!state?.lastSuccessAt) return []
    const at = state.lastSuccessAt
    const judged = new Set(standing.rules.filter((rule) => rule.check === check.id).map(({ metric }) => metric))
    const found = Object.entries(check.metrics).flatMap(([metric, about]) => {
      const reading = state.readings.find((each) => each.metric === metric)
      if (about.signal !== signal || !reading) return []
      return [{ check, metric, about, value: reading.value, at, fresh: isFresh(state, now) }]
    })
    const byUnit = new Map<Metric['unit'], Measured>()
    for (const each of found) {
      const held = byUnit.get(each.about.unit)
      if (!held || (!judged.has(held.metric) && judged.has(each.metric))) byUnit.set(each.about.unit, each)
    }
    return [...byUnit.values()]
  })
}

/** Checks that are meant to feed a signal and have not answered once: what they would say is not known. */
export function silentChecks(standing: Standing, pipeline: CatalogPipeline, signal: Signal): readonly CatalogCheck[] {
  return pipeline.checks.filter((check) => {
    const feeds = Object.values(check.metrics).some((about) => about.signal === signal)
    return feeds && !check.paused && !standing.checks.get(check.id)?.lastSuccessAt
  })
}

/** The hop that stands for the lag of a pipeline: end to end where it is measured, else the one furthest behind. */
export function leadHop(standing: Standing, pipeline: string): HopStanding | undefined {
  const hops = standing.hops.filter((hop) => hop.pipeline === pipeline)
  const whole = hops.filter(({ hop }) => hop === endToEnd)
  return (whole.length > 0 ? whole : hops).toSorted((one, other) => behind(other) - behind(one))[0]
}

/** For ordering only: a lag that is not known sorts before all that are. */
const behind = ({ lag }: HopStanding) => (lag ? (lag.seconds ?? lag.lowerSeconds) : -Infinity)
