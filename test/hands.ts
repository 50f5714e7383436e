import type { Timers } from '../server/watch/steps.ts'

/** A clock whose hands the test turns: timers ring in order, and what they start is awaited. */
export interface Hands extends Timers {
  turn(ms: number): Promise<void>
  /** How many timers are waiting. */
  readonly waiting: number
}

export function handClock(start = Date.UTC(2026, 0, 1)): Hands {
  let now = start
  let rings: { at: number; callback: () => void }[] = []
  const settled = async () => {
    for (let i = 0; i < 25; i++) await Promise.resolve()
  }
  return {
    now: () => new Date(now),
    after(ms, callback) {
      const ring = { at: now + Math.max(0, ms), callback }
      rings.push(ring)
      return () => {
        rings = rings.filter((each) => each !== ring)
      }
    },
    async turn(ms) {
      const until = now + ms
      for (;;) {
        await settled()
        const next = rings.filter(({ at }) => at <= until).sort((one, other) => one.at - other.at)[0]
        if (!next) break
        rings = rings.filter((each) => each !== next)
        now = Math.max(now, next.at)
        next.callback()
      }
      now = until
      await settled()
    },
    get waiting() {
      return rings.length
    },
  }
}
