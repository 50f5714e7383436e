import type { LagMethod, Positions, Metric, Reading, Signal } from '../../checks/probe.ts'
import type { Fault } from '../fault.ts'
import type { Rule, Severity } from './rule.ts'

/** How a pipeline moves, judged without thresholds (the StateSet of `tallyman_pipeline_state`). */
export type Motion = 'ok' | 'lagging' | 'stalled' | 'stopped' | 'rewound' | 'no_data' | 'paused' | 'unknown'

/** What is known of the lag of one hop. What is unknown is absent: never 0, -1 or NaN. */
export interface HopStanding {
  readonly pipeline: string
  readonly check: string
  readonly hop: string
  readonly at: Date
  /** What one step of the positions is; absent in what an older build stored. */
  readonly unit?: Positions['unit']
  readonly sourcePosition?: bigint
  readonly targetPosition?: bigint
  readonly lag?: {
    /** Absent when only a lower bound is known. */
    readonly seconds?: number
    readonly lowerSeconds: number
    readonly upperSeconds?: number
    readonly method: LagMethod
    /** In words and numbers, one sentence a line, for "How the lag is known". */
    readonly explained: readonly string[]
  }
  readonly records?: bigint
  /** The target holds everything the source had by then. */
  readonly watermark?: Date
  readonly sourceTotal?: bigint
  readonly targetTotal?: bigint
  readonly inPerSecond?: number
  readonly outPerSecond?: number
  readonly etaSeconds?: number
  readonly motion: Motion
}

/** Where one check stands: its last run, and its last readings however old. */
export interface CheckStanding {
  readonly id: string
  readonly pipeline: string
  readonly probe: string
  readonly everyMs: number
  readonly timeoutMs: number
  readonly paused: boolean
  readonly lastRunAt?: Date
  readonly lastSuccessAt?: Date
  readonly tookMs?: number
  readonly answered?: boolean
  readonly fault?: Fault
  readonly readings: readonly Reading[]
  /** Help and unit of every number it may report. */
  readonly metrics: Readonly<Record<string, Metric>>
  readonly runs: number
  readonly failures: Readonly<Record<string, number>>
  readonly skipped: Readonly<Record<string, number>>
  readonly nextAt?: Date
}

export type AlertStatus = 'quiet' | 'pending' | 'firing' | 'recovering'

/** One alert that is not quiet, or was and has just resolved. */
export interface AlertStanding {
  /** The incident: new each time the alert leaves quiet. */
  readonly incident: string
  readonly rule: string
  readonly pipeline: string
  readonly check: string
  readonly signal?: Signal
  readonly kind: 'value' | 'no-data' | 'motion'
  readonly severity: Severity
  readonly status: AlertStatus
  readonly since: Date
  readonly value?: number
  readonly threshold?: number
  readonly why: string
  readonly acknowledgedBy?: string
}

/** Everything `/metrics` and the overview need, immutable, replaced whole after every turn. */
export interface Standing {
  readonly at: Date
  readonly checks: ReadonlyMap<string, CheckStanding>
  readonly hops: readonly HopStanding[]
  readonly alerts: readonly AlertStanding[]
  readonly rules: readonly Rule[]
}

const staleIntervals = 2.5
const staleMsMin = 60_000

/** A failing check is forgiven this long before what it last said counts as past, in milliseconds. */
export const staleAfterMs = (everyMs: number): number => Math.max(staleMsMin, staleIntervals * everyMs)

/** What stands, as of `at`: the hops of checks that are paused or have been silent for long say so. */
export function assemble(
  at: Date,
  checks: ReadonlyMap<string, CheckStanding>,
  hops: readonly HopStanding[],
  alerts: readonly AlertStanding[],
  rules: readonly Rule[],
): Standing {
  const moving = hops.map((hop): HopStanding => {
    const check = checks.get(hop.check)
    if (check?.paused) return { ...hop, motion: 'paused' }
    return check && isStale(check, at) ? { ...hop, motion: 'unknown' } : hop
  })
  return { at, checks, hops: moving, alerts, rules }
}

const isStale = ({ answered, everyMs, lastSuccessAt }: CheckStanding, at: Date) =>
  answered === false && at.getTime() - (lastSuccessAt?.getTime() ?? 0) > staleAfterMs(everyMs)
