import type { Signal } from '../../checks/probe.ts'

export type Severity = 'warn' | 'crit'

/**
 * What is expected of one number of one pipeline. A rule from the config and a default one are the same thing.
 * It fires beyond `threshold` for `holdMs`, and calms down only when the value is back past `recover` for `recoverMs`.
 */
export interface Rule {
  /** Stable across edits of its numbers: `<pipeline>.<check>.<metric>.<severity>`; an edit never orphans an incident. */
  readonly id: string
  readonly pipeline: string
  /** The check whose readings it judges; `reconcile` for the verdicts of runs. */
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
