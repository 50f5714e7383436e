import type { ProbeContext, Reading } from '../../checks/probe.ts'
import type { AlertRecord, Notice } from '../evaluate/alert.ts'
import type { HopRecord } from '../evaluate/hop-state.ts'
import type { Fault } from '../fault.ts'
import type { Observation } from './check.ts'

/** One stored number. Metrics of a probe under their own name, and what is derived of its positions beside them. */
export interface Sample {
  readonly check: string
  readonly metric: string
  readonly at: Date
  readonly value: number
}

/** What outlives the process of one check: its last run, its last readings however old, and its counters. */
export interface CheckRecord {
  readonly id: string
  readonly pipeline: string
  readonly probe: string
  readonly lastRunAt?: Date
  readonly lastSuccessAt?: Date
  readonly tookMs?: number
  readonly answered?: boolean
  readonly fault?: Fault
  readonly readings: readonly Reading[]
  readonly runs: number
  /** By fault code. */
  readonly failures: Readonly<Record<string, number>>
  /** By reason: `overlap`, `leader`. */
  readonly skipped: Readonly<Record<string, number>>
}

/** All that one turn of one check leaves behind. */
export interface TurnRecord {
  /** Absent when nothing was measured: rules that were removed from the config leave their alerts resolved. */
  readonly observation?: Observation
  readonly check?: CheckRecord
  readonly samples: readonly Sample[]
  readonly hops: readonly HopRecord[]
  /** Alerts that are open or have just ended: one whose status is `quiet` is over. */
  readonly alerts: readonly AlertRecord[]
  readonly notices: readonly Notice[]
}

/** What the store remembers of some checks. What it never saw is absent. */
export interface Remembered {
  readonly checks: readonly CheckRecord[]
  readonly hops: readonly HopRecord[]
  /** Every alert that is not quiet. */
  readonly alerts: readonly AlertRecord[]
}

/** The verbs a turn needs from other rooms. */
export interface Steps {
  /**
   * Writes everything a turn leaves behind in ONE transaction: a crash may repeat a notice and never loses one.
   * Called once a turn. When it throws, alerts stay as they were and the same step is taken again next turn.
   */
  record(turn: TurnRecord): Promise<void>
  /** What is remembered of these checks, for a start and for taking a check over from another process. */
  recall(checks: readonly string[]): Promise<Remembered>
  /** Open alerts of checks other than these: what the config no longer names is told to be over. Absent: none. */
  strays?(checks: readonly string[]): Promise<readonly AlertRecord[]>
  /** Whether this process runs the check now; absent when there is only one process. Never slow: asked every turn. */
  claim?(check: string): Promise<boolean>
  /** The open client of a connection named in the config. */
  readonly connection: ProbeContext['connection']
  /** A bug or a failing store, for the log. Never a failed probe: that is an observation. */
  complain(message: string, cause: unknown): void
}

/** Timers as a parameter, so that tests turn the hands of the clock themselves. */
export interface Timers {
  now(): Date
  /** Calls back once after `ms`; the returned function calls it off. */
  after(ms: number, callback: () => void): () => void
}
