import type { ApplyOutcome, Key } from '../sides/side.ts'

export type Kind = 'missing' | 'extra' | 'changed'
export type RunVerdict = 'match' | 'drift' | 'unknown'
export type Counts = Readonly<Record<Kind, number>>

type Values = Readonly<Record<string, string | null>>

/** One row that differs. `missing`: only in the source; `extra`: only in the target. */
export interface Difference {
  readonly kind: Kind
  readonly key: Key
  /** The row by the source's column names; absent when there is none. */
  readonly source?: Values
  readonly target?: Values
  /** Compared columns (source names) whose values differ; empty for missing and extra. */
  readonly fields: readonly string[]
  /** The key stands several times on a side, so that no single row can be named: never written without a person. */
  readonly duplicated: boolean
  /** A fully identical row stands beside this one on its own side: removing either is the same. */
  readonly copy: boolean
}

/** How one field was decided, by which rule, in words a data owner reads. */
export interface FieldDecision {
  readonly column: string
  readonly winner: 'source' | 'target' | 'review'
  readonly rule: string
}

/** What one difference calls for. */
export interface Decision {
  readonly action: 'insert' | 'update' | 'delete' | 'hold' | 'review'
  readonly on: 'source' | 'target'
  readonly fields: readonly FieldDecision[]
  /** Values to write, by the written side's column names; empty for delete, hold and review. */
  readonly values: Values
  readonly reason: string
}

export type CorrectionState = 'proposed' | 'approved' | 'rejected' | 'applying' | ApplyOutcome['state'] | 'interrupted'

export interface SliceResult {
  readonly ordinal: number
  readonly from: string
  readonly to: string
  readonly state: 'verified' | 'differing' | 'unknown'
  readonly rows: { readonly source: number; readonly target: number }
  readonly counts: Counts
  readonly inFlight: number
  /** Rows that differed in another way at every look: neither equal nor a difference. */
  readonly unsettled: number
  readonly fault?: { readonly code: string; readonly message: string; readonly hint: string }
}

export interface Guard {
  readonly name: string
  readonly state: 'ok' | 'warn' | 'fail'
  /** The value and its limit in words: `866 of 1 000`. */
  readonly detail: string
}
