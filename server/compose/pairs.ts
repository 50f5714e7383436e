import { probes } from '../../checks/registry.ts'
import type { Config, Pipeline } from '../config/schema.ts'
import type { Standing } from '../evaluate/standing.ts'
import { Fault } from '../fault.ts'
import type { PairSpec } from '../reconcile/pair.ts'
import type { RunVerbs } from '../reconcile/run.ts'
import { openSide } from '../sides/open.ts'
import type { OpenPair } from '../work/runner.ts'
import type { Systems } from './systems.ts'

export interface PlacedPair {
  readonly pipeline: string
  readonly paused: boolean
  readonly spec: PairSpec
  /** The check whose positions say how far its target is; all of the pipeline's do where absent. */
  readonly lagCheck?: string
}

/** Every pair of a config, in the order of the file. */
export const pairsOf = ({ pipelines }: Pick<Config, 'pipelines'>): readonly PlacedPair[] =>
  Object.entries(pipelines).flatMap(([pipeline, { pairs, paused, checks }]) =>
    pairs.map((spec) => {
      const check = spec.settle.check ?? watcherOf(spec, checks)
      return { pipeline, paused, spec, ...(check === undefined ? {} : { lagCheck: `${pipeline}.${check}` }) }
    }),
  )

/** The one check that measures the lag between the two tables of a pair; undefined where several do. */
function watcherOf({ source, target }: PairSpec, checks: Pipeline['checks']): string | undefined {
  const tables = JSON.stringify([source.table, target.table])
  const watching = checks.filter(
    (check) =>
      !check.paused &&
      probes.some(({ name, positions }) => name === check.probe && positions) &&
      JSON.stringify([check.target['source'], check.target['target']]) === tables,
  )
  return watching.length === 1 ? watching[0]!.id : undefined
}

/** @throws Fault `not_found` listing the pairs there are. */
export function pairNamed(pairs: readonly PlacedPair[], id: string): PlacedPair {
  const found = pairs.find(({ spec }) => spec.id === id)
  if (found) return found
  const known = pairs.map(({ spec }) => spec.id).join(', ') || 'none'
  throw new Fault('not_found', `There is no pair "${id}".`, { hint: `The config has: ${known}.` })
}

/** What a run can ask of the clock, and of the monitor where there is one. */
export interface Surroundings {
  readonly sleep: RunVerbs['sleep']
  standing?(): Standing
}

/** Opens both sides of a pair, and what the pipeline's own checks know of its lag. */
export function openPair(placed: PlacedPair, systems: Systems, { sleep, standing }: Surroundings): OpenPair {
  const { spec } = placed
  return {
    spec,
    source: openSide(systems.client(spec.source.table.connection)),
    target: openSide(systems.client(spec.target.table.connection)),
    verbs: {
      now: () => performance.now(),
      sleep,
      ...(standing ? lagVerbs(placed, standing) : {}),
    },
  }
}

/** How far the target of a pair is, and whether its pipeline is well, by what the pipeline's checks have measured. */
export function lagVerbs(
  { pipeline, lagCheck }: Pick<PlacedPair, 'pipeline' | 'lagCheck'>,
  standing: () => Standing,
): Pick<RunVerbs, 'settled' | 'lag'> {
  const hops = () => {
    const all = standing().hops.filter((hop) => hop.pipeline === pipeline)
    const own = all.filter(({ check }) => check === lagCheck)
    // Another table of the pipeline that is behind says nothing of this one.
    if (own.length > 0) return own
    // The whole way where it is measured; a part of it says less.
    const whole = all.filter(({ hop }) => hop === 'end_to_end')
    return whole.length > 0 ? whole : all
  }
  if (hops().length === 0) return {}
  return {
    async settled(firstLookMs) {
      const lookedAt = Date.now() - (performance.now() - firstLookMs)
      const marks = hops().map(({ watermark }) => watermark?.getTime() ?? -Infinity)
      return Math.min(...marks) >= lookedAt
    },
    async lag() {
      const alarm = standing().alerts.find(
        (alert) =>
          alert.pipeline === pipeline &&
          alert.signal === 'lag' &&
          alert.severity === 'crit' &&
          alert.status === 'firing',
      )
      return alarm
        ? { healthy: false, detail: alarm.why }
        : { healthy: true, detail: 'no critical lag alert is firing' }
    },
  }
}
