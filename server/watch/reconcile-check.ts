import { reconcileMetrics } from '../evaluate/derived.ts'
import { reconcileId, type Rule } from '../evaluate/rule.ts'
import { Fault } from '../fault.ts'
import type { Check, Observation } from './check.ts'

/** The last verdict of one pair of a pipeline, as its run told it. */
export interface PairVerdict {
  readonly pair: string
  readonly at: Date
  /** Absent when the run could not tell: unknown is neither a match nor drift. */
  readonly matchRatio?: number
  readonly differingRecords?: number
}

/** The probe name of the pseudo checks that read the verdicts of runs. They are told, and never scheduled. */
export const reconcileProbe = 'reconcile'

const nominalMs = 86_400_000

/** The pseudo check of a pipeline with pairs: its readings are what runs found, judged by rules as any other. */
export const reconcileCheck = (pipeline: string, rules: readonly Rule[], paused = false): Check => ({
  id: reconcileId(pipeline),
  pipeline,
  probe: reconcileProbe,
  everyMs: nominalMs,
  timeoutMs: nominalMs,
  paused,
  connections: [],
  rules,
  metrics: reconcileMetrics,
  stillMs: nominalMs,
  measure: () => Promise.reject(notMeasured(pipeline)),
})

export const notMeasured = (pipeline: string) =>
  new Fault('bad_request', `${reconcileId(pipeline)} is told by runs and cannot be run by itself.`, {
    hint: 'Start a run of one of its pairs instead.',
  })

/** The last verdicts of all pairs as one observation: the worst match, and all that differs. */
export function observationOf(pipeline: string, verdicts: readonly PairVerdict[], at: Date): Observation {
  const base = { check: reconcileId(pipeline), at, tookMs: 0 }
  const ratios = verdicts.flatMap(({ matchRatio }) => matchRatio ?? [])
  if (ratios.length === 0) return { ...base, answered: false, fault: untold(pipeline) }
  const differing = verdicts.flatMap(({ differingRecords }) => differingRecords ?? [])
  return {
    ...base,
    answered: true,
    readings: [
      { metric: 'match_ratio', value: Math.min(...ratios) },
      ...(differing.length > 0
        ? [{ metric: 'differing_records', value: differing.reduce((sum, each) => sum + each, 0) }]
        : []),
    ],
  }
}

const untold = (pipeline: string) =>
  new Fault('not_ready', `No run of ${pipeline} could tell whether its copies agree.`, {
    hint: 'Open the last run: it says which side failed or which limit was reached.',
  })
