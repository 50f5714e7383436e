import type { Signal } from '../../checks/probe.ts'
import type { Verdict } from './judge.ts'
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

type AlertEvent = 'fired' | 'resolved'

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

/** How long, and for how many observations, something must be so before it counts. */
export interface Hold {
  readonly holdMs: number
  readonly recoverMs: number
}

export interface AlertStep {
  readonly state: AlertState
  readonly event?: AlertEvent
}

/** A hold of 0 acts on one observation; every other one waits for a second, however long the hold. */
const samplesMin = 2

/**
 * Advances one alert by one verdict. Pure: the caller stores the state and sends the event.
 *
 *     quiet ──breach──▶ pending ──held──▶ firing ──pass──▶ recovering ──held──▶ quiet
 *                          └──pass──▶ quiet    ◀──breach──────┘ (the same incident, told no one)
 *
 * @param at epoch milliseconds of the observation.
 */
export function advance(state: AlertState, verdict: Verdict, at: number, hold: Hold): AlertStep {
  // A blind monitor may neither raise the alarm nor call it off; nor may a value between threshold and recovery.
  if (verdict === 'unknown' || verdict === 'between') return { state }

  if (verdict === 'breach') {
    if (state.status === 'firing') return { state }
    if (state.status === 'recovering') {
      return { state: { status: 'firing', since: state.since, firedAt: state.firedAt } }
    }
    const since = state.status === 'pending' ? state.since : at
    const samples = state.status === 'pending' ? state.samples + 1 : 1
    return served(since, samples, at, hold.holdMs)
      ? { state: { status: 'firing', since, firedAt: at }, event: 'fired' }
      : { state: { status: 'pending', since, samples } }
  }

  if (state.status === 'quiet' || state.status === 'pending') return { state: { status: 'quiet' } }
  const clearSince = state.status === 'recovering' ? state.clearSince : at
  const samples = state.status === 'recovering' ? state.samples + 1 : 1
  return served(clearSince, samples, at, hold.recoverMs)
    ? { state: { status: 'quiet' }, event: 'resolved' }
    : { state: { status: 'recovering', since: state.since, firedAt: state.firedAt, clearSince, samples } }
}

const served = (since: number, samples: number, at: number, holdMs: number) =>
  at - since >= holdMs && samples >= (holdMs === 0 ? 1 : samplesMin)
