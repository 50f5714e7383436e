import type { Metric, Probe } from '../../checks/probe.ts'

/** Numbers no probe reports: every check that reports positions has them, from the one lag model. */
export const derived = {
  lag_seconds: {
    help: 'Age of the oldest record of the source that the target does not have; the worst hop of the check.',
    unit: 'seconds',
    signal: 'lag',
  },
  lag_lower_bound_seconds: { help: 'The lag is at least this; told when no more is known.', unit: 'seconds' },
  lag_records: {
    help: 'Records of the source that the target does not have, where they are counted.',
    unit: 'records',
  },
  in_per_second: { help: 'Records a second that came into the source over 5 minutes.', unit: 'per_second' },
  out_per_second: { help: 'Records a second that reached the target over 5 minutes.', unit: 'per_second' },
} as const satisfies Record<string, Metric>

/** Every number a rule on a check of this probe, aimed at this (parsed) target, may judge. */
export const metricsOf = (probe: Probe, target: Parameters<Probe['run']>[0]): Readonly<Record<string, Metric>> => ({
  ...probe.metrics,
  ...probe.declares?.(target),
  ...(probe.positions ? derived : {}),
})

/** The numbers of the pseudo check `<pipeline>.reconcile`. */
export const reconcileMetrics = {
  match_ratio: {
    help: 'Keys equal on both sides, of the keys on either, at the last verdict; the worst pair of the pipeline.',
    unit: 'ratio',
    signal: 'drift',
  },
  differing_records: { help: 'Missing, extra and changed records at the last verdicts of all pairs.', unit: 'records' },
} as const satisfies Record<string, Metric>
