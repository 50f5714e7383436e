import { setTimeout as wait } from 'node:timers/promises'
import type { Timers } from '../watch/steps.ts'

/** The only clock and the only timers of the process; everybody else is handed them. */
export const timers = {
  now: () => new Date(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
  every(ms: number, callback: () => void) {
    const timer = setInterval(callback, ms)
    return () => clearInterval(timer)
  },
  sleep: (ms: number, signal: AbortSignal) => wait(ms, undefined, { signal }).catch(() => signal.throwIfAborted()),
} satisfies Timers & Record<string, unknown>
