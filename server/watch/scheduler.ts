import { dueAfter, firstDue } from './schedule.ts'
import type { Timers } from './steps.ts'

/** What is run on time: a check, as far as a scheduler cares. */
export interface Scheduled {
  readonly id: string
  readonly everyMs: number
  readonly paused: boolean
}

export interface Scheduler<Run> {
  /** Runs this list from now on. What is under way is left to end; what is gone is not run again. */
  replace(checks: readonly Scheduled[], lastRunAt: (id: string) => Date | undefined): void
  /** Runs now, at once, or joins the run that is under way. */
  runNow(id: string): Promise<Run>
  nextAt(id: string): Date | undefined
  /** How late the newest run began, in milliseconds: above a second, the process or its databases are overloaded. */
  readonly lagMs: number | undefined
  /** Resolves when nothing is under way any more; nothing begins after the signal aborted. */
  ended(): Promise<void>
}

export interface OpenScheduler<Run> {
  readonly timers: Timers
  readonly signal: AbortSignal
  /** Runs under way at once; the rest wait their turn. */
  readonly concurrency: number
  /** Never rejects. */
  run(id: string): Promise<Run>
  /** A due time that passed while the run before it was still under way or waiting. */
  skipped(id: string): void
}

interface Entry {
  readonly check: Scheduled
  dueAt: number
  callOff: () => void
}

/** Timers hold at most 2^31 ms; longer sleeps are taken in parts. */
const sleepMsMax = 2 ** 30

/** Runs checks on time: never one twice at once, never more than `concurrency`, and a late run moves no other. */
export function openScheduler<Run>(options: OpenScheduler<Run>): Scheduler<Run> {
  const { timers, signal, concurrency } = options
  const entries = new Map<string, Entry>()
  const underWay = new Map<string, Promise<Run>>()
  /** By id, in order of coming: when they were due. */
  const waiting = new Map<string, number>()
  let lagMs: number | undefined

  const begin = (id: string): Promise<Run> => {
    const run = options.run(id).finally(() => {
      underWay.delete(id)
      drain()
    })
    underWay.set(id, run)
    return run
  }

  const drain = () => {
    for (const [id, dueAt] of waiting) {
      if (signal.aborted || underWay.size >= concurrency) return
      waiting.delete(id)
      if (underWay.has(id)) continue
      lagMs = Math.max(0, timers.now().getTime() - dueAt)
      void begin(id)
    }
  }

  const due = (entry: Entry) => {
    const { id, everyMs } = entry.check
    const now = timers.now().getTime()
    if (now < entry.dueAt) return sleep(entry)
    if (underWay.has(id) || waiting.has(id)) options.skipped(id)
    else waiting.set(id, entry.dueAt)
    drain()
    entry.dueAt = dueAfter(id, everyMs, now)
    sleep(entry)
  }

  const sleep = (entry: Entry) => {
    const ms = Math.max(0, entry.dueAt - timers.now().getTime())
    entry.callOff = timers.after(Math.min(ms, sleepMsMax), () => due(entry))
  }

  const forget = (entry: Entry) => {
    entry.callOff()
    entries.delete(entry.check.id)
  }
  const stop = () => {
    for (const entry of [...entries.values()]) forget(entry)
    waiting.clear()
  }
  signal.addEventListener('abort', stop, { once: true })

  return {
    replace(checks, lastRunAt) {
      stop()
      if (signal.aborted) return
      const now = timers.now().getTime()
      for (const check of checks) {
        if (check.paused) continue
        const dueAt = firstDue(check.id, check.everyMs, now, lastRunAt(check.id)?.getTime())
        const entry: Entry = { check, dueAt, callOff() {} }
        entries.set(check.id, entry)
        sleep(entry)
      }
    },
    runNow: (id) => underWay.get(id) ?? begin(id),
    nextAt: (id) => {
      const entry = entries.get(id)
      return entry && new Date(entry.dueAt)
    },
    get lagMs() {
      return lagMs
    },
    async ended() {
      while (underWay.size > 0) await Promise.allSettled(underWay.values())
    },
  }
}
