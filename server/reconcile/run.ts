import type { Side } from '../sides/side.ts'
import type { Journal } from './journal.ts'
import type { Lease } from './lease.ts'
import type { Pace, Waiting } from './pace.ts'
import type { PairSpec } from './pair.ts'
import type { CorrectionState, Counts, Guard, RunVerdict, SliceResult } from './records.ts'
import type { Coverage, Scope } from './scope.ts'

export type RunStep = 'plan' | 'digest' | 'settle' | 'resolve' | 'correct' | 'verify' | 'done'

export interface RunProgress {
  readonly step: RunStep
  readonly slicesDone: number
  /** Those that were dealt out and those that are left, about: how large they get shows while they are read. */
  readonly slicesTotal: number
  readonly rowsDone: number
  readonly rowsEstimate: number
  /** Why it does not go on at the moment; absent while it does. */
  readonly waiting?: Waiting
}

/** What a run asks of the rest of the house. */
export interface RunVerbs {
  /** Epoch milliseconds. */
  now(): number
  /** Rejects with the reason of the signal when it aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
  /** Whether the pipeline's target has passed what the source held at this moment; absent when nobody measures it. */
  settled?(firstLookMs: number): Promise<boolean>
  /** Whether the pipeline is in a state in which a difference means something; absent when nobody measures it. */
  lag?(): Promise<{ readonly healthy: boolean; readonly detail: string }>
}

export interface RunInput {
  readonly pair: PairSpec
  readonly source: Side
  readonly target: Side
  readonly journal: Journal
  readonly verbs: RunVerbs
  readonly signal: AbortSignal
  /**
   * Who approves what this run finds, right away: corrections in mode `auto` are approved by the config itself, `--apply`
   * names the person. Absent in mode `propose`: corrections wait.
   */
  readonly approvedBy?: string
  /** What the run is held by; absent where nobody can take it over. */
  readonly lease?: Lease
  /** Asked before each slice; absent when nothing holds the run back. */
  readonly pace?: Pace
  /** How much of the pair is compared; all of it when absent. */
  readonly scope?: Scope
  progress?(progress: RunProgress): void
}

/** What one run found, and did. */
export interface RunResult {
  readonly run: string
  readonly pair: string
  readonly verdict: RunVerdict
  readonly rows: { readonly source: number; readonly target: number }
  readonly differences: Counts
  /** Keys equal on both sides by keys on either side, 0 to 1; null when it could not be told. */
  readonly matchRatio: number | null
  /** How much the verdict speaks for. */
  readonly coverage: Coverage
  readonly kept: number
  readonly truncated: boolean
  readonly method: 'native' | 'canonical'
  readonly notes: readonly string[]
  readonly timingsMs: Readonly<Record<string, number>>
  readonly bytesRead: number
  readonly queries: number
  readonly inFlight: number
  readonly unsettled: number
  readonly slices: readonly SliceResult[]
  readonly guards: readonly Guard[]
  readonly corrections: Readonly<Partial<Record<CorrectionState, number>>>
  /** The corrected keys, compared again after writing; absent when nothing was written. */
  readonly after?: { readonly verdict: RunVerdict } & Counts
}
