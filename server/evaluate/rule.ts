import { z } from 'zod'
import type { Metric, Signal } from '../../checks/probe.ts'
import { duration } from '../connect/duration.ts'
import type { Targets, Tier } from './target.ts'

export type Severity = 'warn' | 'crit'

/**
 * What is expected of one number of one pipeline. A rule from the config and a default one are the same thing.
 * It fires beyond `threshold` for `holdMs`, and calms down only when the value is back past `recover` for `recoverMs`.
 */
export interface Rule {
  /** Stable across edits of its numbers: `<pipeline>.<check>.<metric>.<severity>`; an edit never orphans an incident. */
  readonly id: string
  readonly pipeline: string
  /** The check whose readings it judges; `<pipeline>.reconcile` for the verdicts of runs. */
  readonly check: string
  readonly metric: string
  readonly signal?: Signal
  readonly severity: Severity
  readonly when: 'above' | 'below'
  readonly threshold: number
  readonly recover: number
  readonly holdMs: number
  readonly recoverMs: number
  /** What the value should be, for display; a warning rule's own threshold when it has no other. */
  readonly target: number
  readonly unit: 'seconds' | 'records' | 'ratio' | 'per_second'
}

/** The pseudo check of a pipeline, whose readings are the verdicts of runs; no check may be named so. */
export const reconcileId = (pipeline: string): string => `${pipeline}.reconcile`
export const isReconcile = (check: string): boolean => check.endsWith('.reconcile')

const threshold = z.union([z.number(), duration.transform((ms) => ms / 1_000)])

/** A rule as people write it under a check: `{ metric: lag_seconds, above: 5m, for: 30s, severity: crit }`. */
export const ruleSchema = z
  .strictObject({
    metric: z.string().describe('A number the probe of this check reports.'),
    above: threshold.optional().describe('Fires above this, in the unit of the metric; a duration means seconds.'),
    below: threshold.optional().describe('Fires below this.'),
    recover: threshold.optional().describe('Calms down only past this; one fifth inside the threshold when left out.'),
    for: duration.optional().describe('How long it must last before it fires; 0s fires on the first observation.'),
    recoverFor: duration.optional().describe('How long it must be well before it is called resolved.'),
    severity: z.enum(['warn', 'crit']).default('warn').describe('How loud it is: crit is to wake somebody.'),
  })
  .refine(({ above, below }) => (above === undefined) !== (below === undefined), {
    error: 'write either `above` or `below`',
  })
  .refine(
    ({ above, below, recover }) =>
      recover === undefined || (above === undefined ? recover >= (below ?? recover) : recover <= above),
    { path: ['recover'], error: 'must lie on the well side of the threshold' },
  )

export type WrittenRule = z.output<typeof ruleSchema>

/** What rules are made of. */
export interface RuleSource {
  readonly pipeline: string
  readonly check: string
  readonly metrics: Readonly<Record<string, Metric>>
  readonly tier: Tier
  readonly targets: Targets
  readonly rules: readonly WrittenRule[]
}

/** A hold so short that a realtime pipeline is told within half a minute, and so long that a batch may breathe. */
const holds: Readonly<Record<Tier, { readonly holdMs: number; readonly recoverMs: number }>> = {
  realtime: { holdMs: 15_000, recoverMs: 60_000 },
  operational: { holdMs: 120_000, recoverMs: 300_000 },
  reference: { holdMs: 600_000, recoverMs: 600_000 },
}

const daySeconds = 86_400
const errorRatioMax = 0.01
const deadLettersMax = 10
const recoverShare = 0.8

/** The rules of one check: the default ones of its signals, replaced by those written for the same metric and severity. */
export function rulesOf(source: RuleSource): readonly Rule[] {
  const rules = new Map<string, Rule>()
  for (const [metric, about] of Object.entries(source.metrics)) {
    for (const written of defaultsOf(about, source.targets)) {
      const rule = ruleOf(source, { ...written, metric }, about)
      rules.set(rule.id, rule)
    }
  }
  for (const written of source.rules) {
    const about = source.metrics[written.metric]
    if (!about) continue
    const rule = ruleOf(source, written, about)
    rules.set(rule.id, rule)
  }
  return [...rules.values()]
}

/** What is wrong with the rules written under a check, each by its index. */
export function ruleProblems(
  metrics: Readonly<Record<string, Metric>>,
  rules: readonly WrittenRule[],
): readonly { readonly path: readonly [number, string]; readonly message: string }[] {
  const seen = new Set<string>()
  return rules.flatMap(({ metric, severity }, index) => {
    // A rule on a metric nobody reports would never fire, and would look like health.
    if (!Object.hasOwn(metrics, metric)) {
      const known = Object.keys(metrics).join(', ')
      return [{ path: [index, 'metric'] as const, message: `no metric "${metric}" here; have: ${known}` }]
    }
    const name = `${metric}.${severity}`
    if (seen.has(name)) return [{ path: [index, 'metric'] as const, message: `a second ${severity} rule on ${metric}` }]
    seen.add(name)
    return []
  })
}

type Limit = Pick<WrittenRule, 'above' | 'below' | 'severity' | 'for' | 'recoverFor' | 'recover'>

function ruleOf(source: RuleSource, written: Limit & { readonly metric: string }, about: Metric): Rule {
  const { pipeline, check, tier, targets } = source
  const hold = isReconcile(check) ? { holdMs: 0, recoverMs: 0 } : holds[tier]
  const when = written.above === undefined ? 'below' : 'above'
  const threshold = (written.above ?? written.below)!
  return {
    id: `${check}.${written.metric}.${written.severity}`,
    pipeline,
    check,
    metric: written.metric,
    ...(about.signal && { signal: about.signal }),
    severity: written.severity,
    when,
    threshold,
    recover: written.recover ?? recoverOf(when, threshold, about.unit),
    holdMs: written.for ?? hold.holdMs,
    recoverMs: written.recoverFor ?? hold.recoverMs,
    target: targetOf(about, targets) ?? threshold,
    unit: about.unit,
  }
}

/** Ratios that should be high live near 1, so the fifth is taken of what is missing to 1. */
function recoverOf(when: Rule['when'], threshold: number, unit: Rule['unit']): number {
  if (when === 'above') return threshold > 0 ? threshold * recoverShare : threshold
  if (unit === 'ratio') return 1 - (1 - threshold) * recoverShare
  return threshold / recoverShare
}

function targetOf({ signal, unit }: Metric, targets: Targets): number | undefined {
  if (signal === 'lag' && unit === 'seconds') return targets.lag
  if (signal === 'errors' && unit === 'ratio') return targets.errors
  if (signal === 'dead-letters' && unit === 'records') return targets.deadLetters
  if (signal === 'duplicates' && unit === 'records') return targets.duplicates
  if (signal === 'drift' && unit === 'ratio') return targets.drift
  return undefined
}

function defaultsOf({ signal, unit }: Metric, targets: Targets): readonly Limit[] {
  if (signal === 'lag' && unit === 'seconds') {
    return [
      { severity: 'warn', above: targets.lag },
      { severity: 'crit', above: targets.lag * 2 },
    ]
  }
  if (signal === 'errors' && unit === 'ratio') {
    return [
      { severity: 'warn', above: targets.errors },
      { severity: 'crit', above: Math.max(errorRatioMax, targets.errors) },
    ]
  }
  if (signal === 'dead-letters' && unit === 'records') {
    return [
      { severity: 'warn', above: targets.deadLetters },
      { severity: 'crit', above: Math.max(deadLettersMax, targets.deadLetters) },
    ]
  }
  if (signal === 'dead-letters' && unit === 'seconds') return [{ severity: 'crit', above: daySeconds }]
  if (signal === 'duplicates' && unit === 'records') return [{ severity: 'warn', above: targets.duplicates }]
  if (signal === 'drift' && unit === 'ratio') return [{ severity: 'warn', below: targets.drift }]
  return []
}
