import type { Config } from '../config/schema.ts'
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
}

/** Every pair of a config, in the order of the file. */
export const pairsOf = ({ pipelines }: Pick<Config, 'pipelines'>): readonly PlacedPair[] =>
  Object.entries(pipelines).flatMap(([pipeline, { pairs, paused }]) =>
    pairs.map((spec) => ({ pipeline, paused, spec })),
  )

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
export function openPair(
  { spec, pipeline }: PlacedPair,
  systems: Systems,
  { sleep, standing }: Surroundings,
): OpenPair {
  return {
    spec,
    source: openSide(systems.client(spec.source.table.connection)),
    target: openSide(systems.client(spec.target.table.connection)),
    verbs: {
      now: () => performance.now(),
      sleep,
      ...(standing ? lagVerbs(pipeline, standing) : {}),
    },
  }
}

function lagVerbs(pipeline: string, standing: () => Standing): Pick<RunVerbs, 'settled' | 'lag'> {
  // The whole way where it is measured; a part of it says less.
  const hops = () => {
    const own = standing().hops.filter((hop) => hop.pipeline === pipeline)
    const whole = own.filter(({ hop }) => hop === 'end_to_end')
    return whole.length > 0 ? whole : own
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
