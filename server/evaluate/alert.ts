import type { Signal } from '../../checks/probe.ts'
import type { Severity } from './rule.ts'
import type { AlertStatus } from './standing.ts'

/**
 * Where one alert stands; JSON as it is, times in epoch milliseconds. `samples` counts the observations that agreed
 * since the last change of status.
 */
export type AlertState =
  | { readonly status: 'quiet' }
  | { readonly status: 'pending'; readonly since: number; readonly samples: number }
  | { readonly status: 'firing'; readonly since: number; readonly firedAt: number }
  | {
      readonly status: 'recovering'
      readonly since: number
      readonly firedAt: number
      readonly clearSince: number
      readonly samples: number
    }

export type AlertEvent = 'fired' | 'resolved'

/** An alert as it is stored. Its identity is `rule` alone: editing a threshold never orphans an incident. */
export interface AlertRecord {
  /** Id of the rule, or `<check>.no-data`, `<check>.<hop>.motion` for the two siblings. Unique. */
  readonly rule: string
  /** New each time the alert leaves quiet: `<rule>.<since in base 36>`. */
  readonly incident: string
  readonly kind: 'value' | 'no-data' | 'motion'
  readonly pipeline: string
  readonly check: string
  readonly signal?: Signal
  readonly severity: Severity
  readonly state: AlertState
  readonly status: AlertStatus
  readonly since: Date
  readonly firedAt?: Date
  /** Set in the one record that ends the incident. */
  readonly resolvedAt?: Date
  readonly value?: number
  readonly threshold?: number
  readonly unit?: 'seconds' | 'records' | 'ratio' | 'per_second'
  readonly why: string
  /** Filled in by `recall` alone: acknowledging is written by whoever acknowledges, never by a turn. */
  readonly acknowledgedBy?: string
}

/** One thing to tell people, once per channel. Receivers drop a repeat by `id`. */
export interface Notice {
  /** `<incident>.<event>`. */
  readonly id: string
  readonly event: AlertEvent
  readonly at: Date
  readonly alert: AlertRecord
  /** The connections of the check, so that one dead system can be told as one fact. */
  readonly connections: readonly string[]
}
