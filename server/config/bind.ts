import type { Probe, Signal } from '../../checks/probe.ts'
import { metricsOf, reconcileMetrics } from '../evaluate/derived.ts'
import { stillMsOf } from '../evaluate/motion.ts'
import { rulesOf, type Rule } from '../evaluate/rule.ts'
import { targetsOf } from '../evaluate/target.ts'
import type { Check } from '../watch/check.ts'
import type { Config, Pipeline, WrittenCheck } from './schema.ts'

/** Every check of the config, its probe bound to its target, in the order of the file. */
export function bindChecks(config: Pick<Config, 'pipelines'>, probes: readonly Probe[]): readonly Check[] {
  const probeNamed = new Map(probes.map((probe) => [probe.name, probe]))
  return Object.entries(config.pipelines).flatMap(([id, pipeline]) => {
    // The config was parsed by these same probes, so every check has its own.
    const probeOf = (check: WrittenCheck) => probeNamed.get(check.probe)!
    // The first check that tells positions speaks for the lag of the pipeline: two alarms for one delay are one too many.
    const speaker = pipeline.checks.find((check) => probeOf(check).positions)
    return pipeline.checks.map((check) => bind(id, pipeline, check, probeOf(check), check === speaker))
  })
}

function bind(pipeline: string, written: Pipeline, check: WrittenCheck, probe: Probe, tellsLag: boolean): Check {
  const { tier, pattern } = written
  const { target, everyMs, timeoutMs } = check
  const id = `${pipeline}.${check.id}`
  const metrics = metricsOf(probe, target)
  const targets = targetsOf(tier, written.targets)
  return {
    id,
    pipeline,
    probe: probe.name,
    everyMs,
    timeoutMs,
    paused: written.paused || check.paused,
    connections: [...new Set(probe.needs(target).map(({ connection }) => connection))],
    rules: rulesOf({
      pipeline,
      check: id,
      metrics: tellsLag ? metrics : withoutSignal(metrics, 'lag'),
      tier,
      targets,
      rules: check.rules,
    }),
    metrics,
    stillMs: stillMsOf({ pattern, tier, lagSeconds: targets.lag }, everyMs),
    measure: (context) => probe.run(target, context),
  }
}

/** The same numbers, told apart from a signal: no default rule judges them, and one that is written still does. */
const withoutSignal = (metrics: Check['metrics'], signal: Signal): Check['metrics'] =>
  Object.fromEntries(
    Object.entries(metrics).map(([name, { signal: own, ...metric }]) => [
      name,
      own === undefined || own === signal ? metric : { ...metric, signal: own },
    ]),
  )

/** The rules on the verdicts of the pairs, pipeline by pipeline; a pipeline without pairs has none. */
export const bindReconcileRules = ({ pipelines }: Pick<Config, 'pipelines'>): readonly Rule[] =>
  Object.entries(pipelines).flatMap(([pipeline, { tier, targets, rules, pairs }]) =>
    pairs.length
      ? rulesOf({
          pipeline,
          check: `${pipeline}.reconcile`,
          metrics: reconcileMetrics,
          tier,
          targets: targetsOf(tier, targets),
          rules,
        })
      : [],
  )
