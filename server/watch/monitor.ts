import type { Standing } from '../evaluate/standing.ts'
import type { Check, Observation } from './check.ts'
import type { Steps, Timers } from './steps.ts'

/** The last verdict of each pair of a pipeline, as its runs told it. */
export interface PairVerdict {
  readonly pair: string
  readonly at: Date
  /** Absent when the run could not tell: unknown is neither a match nor drift. */
  readonly matchRatio?: number
  readonly differingRecords?: number
}

export interface CheckRun {
  readonly observation: Observation
  /** What was asked and answered, in order. */
  readonly trace: readonly string[]
}

/** Runs all checks on time and knows where everything stands. */
export interface Monitor {
  /** Immutable, replaced whole after every turn. Cheap. */
  standing(): Standing
  /** Called after every change with the pipelines it touched; returns how to stop listening. */
  subscribe(listener: (pipelines: readonly string[]) => void): () => void
  /** Takes over a new config: what is remembered is kept by check id, what is gone is resolved and forgotten. */
  replace(checks: readonly Check[]): Promise<void>
  /**
   * One check, now, with a trace. Joins the run that is already under way, if there is one.
   * @throws Fault `not_found`.
   */
  runNow(check: string): Promise<CheckRun>
  /** Judges what runs of a pipeline's pairs found, under the pseudo check `<pipeline>.reconcile`. */
  judgeRuns(pipeline: string, verdicts: readonly PairVerdict[]): Promise<void>
  /** Shows an acknowledgement that has been stored; undefined takes it back. */
  acknowledge(incident: string, by: string | undefined): void
  /** Reads again what other processes have recorded of checks that this one does not run. */
  refresh(): Promise<void>
  /** Resolves once every run under way has ended after the signal aborted. */
  readonly ended: Promise<void>
}

export interface OpenMonitor {
  readonly checks: readonly Check[]
  readonly steps: Steps
  readonly timers: Timers
  /** Stops the monitor. */
  readonly signal: AbortSignal
  /** Checks under way at once. */
  readonly concurrency?: number
}

/** Recalls what is remembered, then starts. Resolves when the first standing is there; nothing has been run by then. */
export async function openMonitor(_options: OpenMonitor): Promise<Monitor> {
  throw new Error('not built yet')
}
