import { Fault } from '../fault.ts'
import type { Side } from '../sides/side.ts'
import type { PaceLimits } from './pair.ts'
import { judgeAnswers, judgeFree, type Answer, type Question, type Wait } from './wait.ts'
import { openingsOf } from './window.ts'

/** Asked before every slice: a run goes on only while that harms nobody. */
export interface Pace {
  /** Rows a slice should not go far beyond, so that a cap is not a burst and a long silence. Absent without a cap. */
  readonly rowsMax?: number
  /**
   * Resolves once the next slice may be read, at once when nothing speaks against it. May take hours.
   * @throws Fault when how busy a side is could not be asked for too long: all that is left is then unknown. The signal's
   * reason when it aborts.
   */
  turn(signal: AbortSignal): Promise<void>
  /** Told once after each turn that resolved, whether the slice could be read or not. */
  took(rows: number, ms: number): void
}

/** Why a run does not go on at the moment. */
export interface Waiting extends Wait {
  /** Epoch milliseconds since when it has not moved. */
  readonly sinceMs: number
}

export interface PaceParts {
  readonly limits: PaceLimits
  /** Whose clock the window goes by. */
  readonly timezone: string
  readonly sides: { readonly source: Side; readonly target: Side }
  /** Epoch milliseconds. */
  now(): number
  sleep(ms: number, signal: AbortSignal): Promise<void>
  /** Who paused the run; undefined when nobody did. */
  pausedBy(): string | undefined
  /** Called whenever the reason to wait changes; with undefined once the run goes on. */
  told(waiting: Waiting | undefined): void
}

/** How soon a pause, a resume or the clock is noticed. */
const lookAgainMs = 1_000
/** Between two questions to a busy side: doubled each time, to this at most. */
const askAgainMs = { first: 1_000, most: 30_000 }
/** Lanes that come within this time share one answer. */
const freshMs = 1_000
/** A side that does not say for this long how busy it is is not read any more. */
const unansweredMaxMs = 120_000
/** What a slice reads at most under a cap. */
const cappedSliceMs = 1_000

/** The pace of one run. Costs one small statement a limit and side before a slice, none when nothing is limited. */
export function openPace(parts: PaceParts): Pace & { underWay(): number } {
  const { limits, timezone, now, sleep } = parts
  const questions = questionsOf(limits, parts.sides)
  const opening = limits.window ? openingsOf(limits.window, timezone) : () => -Infinity
  const cap = rowCap(limits.rowsPerSecond, now)
  const asked = { quietSinceMs: -Infinity, nextMs: -Infinity, waitMs: askAgainMs.first, failingSinceMs: Infinity }
  let answer: Wait | undefined
  let givenUp: Fault | undefined
  let underWay = 0
  let line: Promise<void> = Promise.resolve()

  const ask = async (signal: AbortSignal): Promise<Wait | undefined> => {
    if (questions.length === 0 || now() - asked.quietSinceMs < freshMs) return undefined
    if (now() < asked.nextMs) return answer
    const answers = await Promise.all(questions.map((question) => answerTo(question, parts.sides, signal)))
    answer = judgeAnswers(answers)
    const fault = answers.find((one) => one.fault)?.fault
    asked.failingSinceMs = fault ? Math.min(asked.failingSinceMs, now()) : Infinity
    if (fault && now() - asked.failingSinceMs >= unansweredMaxMs) throw (givenUp = unanswered(fault))
    if (!answer) {
      Object.assign(asked, { quietSinceMs: now(), nextMs: -Infinity, waitMs: askAgainMs.first })
      return undefined
    }
    asked.nextMs = now() + asked.waitMs
    asked.waitMs = Math.min(askAgainMs.most, asked.waitMs * 2)
    return answer
  }

  const pass = async (signal: AbortSignal) => {
    let sinceMs: number | undefined
    let told = ''
    for (;;) {
      signal.throwIfAborted()
      if (givenUp) throw givenUp
      const clocks = { atMs: now(), opensMs: opening(now()), earnedMs: cap.earnedMs() }
      const wait = judgeFree({ limits, timezone, pausedBy: parts.pausedBy(), ...clocks }) ?? (await ask(signal))
      if (!wait) break
      sinceMs ??= now()
      if (wait.why !== told) parts.told({ ...wait, sinceMs })
      told = wait.why
      await sleep(Math.max(1, Math.min(lookAgainMs, (wait.untilMs ?? Infinity) - now())), signal)
    }
    if (sinceMs !== undefined) parts.told(undefined)
    cap.charge()
    underWay += 1
  }

  return {
    ...(limits.rowsPerSecond ? { rowsMax: Math.ceil((limits.rowsPerSecond * cappedSliceMs) / 1_000) } : {}),
    turn(signal) {
      // One after the other: lanes that come together ask once, and what one may do the next must not have counted on.
      const mine = line.then(() => pass(signal))
      line = mine.catch(() => {})
      return mine
    },
    took(rows) {
      underWay -= 1
      cap.settle(rows)
    },
    underWay: () => underWay,
  }
}

/** A debt of rows that the clock pays off. What a slice will read is charged by what the one before it read. */
function rowCap(rowsPerSecond: number | undefined, now: () => number) {
  const charged: number[] = []
  let typical = 0
  let owed = 0
  let atMs = now()
  const pay = () => {
    const ms = now() - atMs
    atMs += ms
    owed = Math.max(0, owed - (ms * (rowsPerSecond ?? Infinity)) / 1_000)
  }
  return {
    /** When the next slice is earned, in epoch milliseconds. */
    earnedMs(): number {
      if (!rowsPerSecond) return -Infinity
      pay()
      return atMs + (owed * 1_000) / rowsPerSecond
    },
    charge() {
      charged.push(typical)
      owed += typical
    },
    settle(rows: number) {
      if (!rowsPerSecond) return
      pay()
      owed += rows - (charged.shift() ?? 0)
      typical = rows
    },
  }
}

function questionsOf({ sessions, replicaLag, wait }: PaceLimits, sides: PaceParts['sides']): readonly Question[] {
  const named = sides.source.name === sides.target.name ? (['source'] as const) : (['source', 'target'] as const)
  return [
    ...named.flatMap((side): Question[] => [
      ...(sessions === undefined ? [] : [{ kind: 'sessions' as const, side, above: sessions }]),
      ...(replicaLag === undefined ? [] : [{ kind: 'replica_lag' as const, side, above: replicaLag / 1_000 }]),
    ]),
    ...wait.map(({ side, sql, above }): Question => ({ kind: 'query', side, sql, above })),
  ]
}

/** What a side answers; a question that fails is an answer too, and never taken for a good one. */
async function answerTo(question: Question, sides: PaceParts['sides'], signal: AbortSignal): Promise<Answer> {
  const side = sides[question.side]
  const named = { question, name: side.name }
  try {
    const value =
      question.kind === 'query' ? await side.number(question.sql, signal) : await side.load(question.kind, signal)
    if (value !== null) return { ...named, value }
    const hint = 'Make the statement of pace.wait answer one number whatever it finds: coalesce(…, 0).'
    return { ...named, fault: new Fault('system_error', `${side.name}: the statement answered no number.`, { hint }) }
  } catch (thrown) {
    signal.throwIfAborted()
    if (!(thrown instanceof Fault)) throw thrown
    return { ...named, fault: thrown }
  }
}

const unanswered = (fault: Fault) =>
  new Fault(fault.code, `How busy it is could not be asked for ${unansweredMaxMs / 60_000} minutes. ${fault.message}`, {
    hint: fault.hint,
    cause: fault,
  })
