import type { Key } from '../sides/side.ts'
import type { Ends } from './intervals.ts'
import type { Aim } from './scope.ts'
import type { CorrectionState, Decision, Difference, Guard, SliceResult } from './records.ts'

/** The plan as it is written down before the first slice: JSON all through, so that any store can hold it. */
export interface Planned {
  readonly method: 'native' | 'canonical'
  /** How the intervals are to be read: of parts of keys that were found changed, as hashes. */
  readonly strategy: 'range' | 'hash'
  /** Text that changes when the tables, their columns or the way of comparing do. */
  readonly fingerprint: string
  readonly columns: readonly { readonly source: string; readonly target: string; readonly class: string }[]
  /** What the run compares of the pair; all of it where absent. */
  readonly aim?: Aim
  /** What was left out or compared in a special way, a sentence each. */
  readonly notes: readonly string[]
  readonly rowsEstimate: number
  /** What is to be compared, as `endsOf` writes it: dealt out in slices while the run goes on. */
  readonly intervals: readonly Ends[]
}

/** A difference that was kept, and what it calls for. The id is stable when a slice is read again after a crash. */
export interface Judged {
  readonly id: string
  readonly difference: Difference
  readonly decision: Decision
}

/** What a run has to go on with after it was interrupted. */
export interface Checkpoint {
  readonly planned: Planned
  /** Slices that were told, each with its own ends. */
  readonly slices: readonly SliceResult[]
  /** Differences kept of them. */
  readonly kept: number
  /** Slices that were not told, of which differences were kept all the same: they are taken back before anything is read. */
  readonly begun: readonly number[]
  /** Milliseconds it had spent reading when the last of the slices was told. */
  readonly readMs: number
  /** True once `open` was called: nothing is compared again, only corrections go on. */
  readonly compared: boolean
}

export interface DecisionCount {
  readonly on: Decision['on']
  readonly action: Decision['action']
  readonly rows: number
}

type Values = Readonly<Record<string, string | null>>

/** One correction as it stands. Its id is the id of its difference, and its idempotency key. */
export interface Correction extends Judged {
  readonly state: CorrectionState
  readonly decidedBy: string | null
}

/** One line of the audit: a decision before the write, an outcome after it. Never changed, never deleted. */
export interface AuditEntry {
  readonly event: CorrectionState
  readonly on: 'source' | 'target'
  readonly action: Decision['action']
  readonly key: Key
  /** The row as it was judged; null when there was none. */
  readonly before: Values | null
  /** The row as it is written; null when it is deleted. */
  readonly after: Values | null
  readonly reason: string
  readonly by: string
}

/** One change of state, made only when the correction is still in `from`. */
export interface Step {
  readonly id: string
  readonly from: CorrectionState
  readonly to: CorrectionState
  /** Why it failed or was left alone; null when there is nothing to say. */
  readonly message: string | null
  readonly audit: AuditEntry
}

/** Where one run writes down what it did, so that a killed run goes on and nothing is written twice. */
export interface Journal {
  readonly run: string
  /** Undefined when the run was never planned. */
  recall(): Promise<Checkpoint | undefined>
  plan(planned: Planned): Promise<void>
  /** Differences of a slice that is still being read, where there are too many to hold until it is told. */
  keep(ordinal: number, kept: readonly Judged[]): Promise<void>
  /**
   * The outcome of one slice and the last of its differences, in one transaction. A slice told again replaces its outcome;
   * an unknown one has no differences.
   * @param readMs how long the run has been reading so far, before it was interrupted included.
   */
  slice(result: SliceResult, kept: readonly Judged[], readMs: number): Promise<void>
  /** Takes slices back, with all that was kept of them: they are read again. */
  forget(ordinals: readonly number[]): Promise<void>
  guards(guards: readonly Guard[]): Promise<void>
  /** How many kept differences call for each action, by the side it would be done on. */
  decisions(): Promise<readonly DecisionCount[]>
  /** Turns every judged difference that calls for a write into a correction in this state, once. Resolves to how many. */
  open(state: 'proposed' | 'approved', by: string): Promise<number>
  /** At most `rowsMax` corrections in this state and of this action, in the order of their ids, from after this id. */
  corrections(
    state: CorrectionState,
    action: 'insert' | 'update' | 'delete',
    rowsMax: number,
    after?: string,
  ): Promise<readonly Correction[]>
  /**
   * Moves each correction that is still in its `from` and writes its audit entry, all in one transaction. Resolves to the
   * ids that moved; the others are somebody else's by now.
   */
  advance(steps: readonly Step[]): Promise<ReadonlySet<string>>
  /** How many corrections stand in each state. */
  tally(): Promise<Readonly<Partial<Record<CorrectionState, number>>>>
}
