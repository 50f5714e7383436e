import type { Fault } from '../fault.ts'
import type { PaceLimits } from './pair.ts'
import type { Window } from './window.ts'

/** Why a run waits, as a closed list: it is a metric label and an API value. */
export const waitReasons = [
  'paused',
  'window',
  'rows_per_second',
  'sessions',
  'replica_lag',
  'query',
  'unanswered',
] as const
export type WaitReason = (typeof waitReasons)[number]

export interface Wait {
  readonly reason: WaitReason
  /** A sentence for people. */
  readonly why: string
  /** Epoch milliseconds when it ends by itself, where that is known. */
  readonly untilMs?: number
}

/** What is asked of a side before a slice; the run waits while the answer is above. */
export type Question = { readonly side: 'source' | 'target'; readonly above: number } & (
  | { readonly kind: 'sessions' }
  /** Seconds. */
  | { readonly kind: 'replica_lag' }
  | { readonly kind: 'query'; readonly sql: string }
)

export type Answer = { readonly question: Question; readonly name: string } & (
  { readonly value: number; readonly fault?: undefined } | { readonly fault: Fault; readonly value?: undefined }
)

/** Whether a run has to wait by what costs no question: who paused it, the clock, the cap. Pure. */
export function judgeFree(now: {
  readonly limits: PaceLimits
  readonly timezone: string
  readonly atMs: number
  readonly pausedBy: string | undefined
  /** When the time window opens; now or earlier when it is open. */
  readonly opensMs: number
  /** When the next slice is earned under the cap. */
  readonly earnedMs: number
}): Wait | undefined {
  const { limits, timezone, atMs, pausedBy, opensMs, earnedMs } = now
  if (pausedBy !== undefined) return { reason: 'paused', why: `Paused by ${pausedBy}.` }
  if (limits.window && opensMs > atMs) {
    const why = `Outside the time window ${windowText(limits.window)} (${timezone}).`
    return { reason: 'window', why, untilMs: opensMs }
  }
  if (limits.rowsPerSecond === undefined || earnedMs <= atMs) return undefined
  const why = `No more than ${limits.rowsPerSecond} rows a second are to be read.`
  return { reason: 'rows_per_second', why, untilMs: earnedMs }
}

/** Whether a run has to wait by what the sides answered: what is too much first, then what nobody answered. Pure. */
export function judgeAnswers(answers: readonly Answer[]): Wait | undefined {
  const tooMuch = answers.find(({ question, value }) => value !== undefined && !(value <= question.above))
  if (tooMuch) return { reason: tooMuch.question.kind, why: wordsOf(tooMuch) }
  const failed = answers.find(({ fault }) => fault)
  return failed && { reason: 'unanswered', why: `How busy it is could not be asked. ${failed.fault!.message}` }
}

const rounded = (value: number) => Number(value.toPrecision(6))
const counted = (count: number, thing: string) => `${rounded(count)} ${thing}${count === 1 ? '' : 's'}`

function wordsOf({ question, name, value = NaN }: Answer): string {
  const { kind, above } = question
  if (kind === 'sessions') return `${name} has ${counted(value, 'active session')} besides ours; ${above} are allowed.`
  if (kind === 'query') return `${name} answers ${rounded(value)} to pace.wait; ${above} is allowed.`
  if (value === Infinity) return `A replica of ${name} is catching up; ${above} s of lag are allowed.`
  return `A replica of ${name} is ${rounded(value)} s behind; ${above} s are allowed.`
}

const clock = (minute: number) =>
  `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`

const windowText = ({ from, to }: Window) => `${clock(from)}-${clock(to)}`
