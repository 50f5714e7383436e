import type { Side } from '../sides/side.ts'

const lanesMax = 4
/** Keys that differed, held by all slices that wait for them to settle; a slice that begins may add its own to them. */
const looksHeldMax = 100_000

/** A place among those that read. Let go of once, however often it is asked to. */
export interface Lane {
  release(): void
}

export interface Lanes {
  /** Waits for a place, and for room for what it may find. */
  take(signal: AbortSignal): Promise<Lane>
  /** Counts what a slice holds while it waits for it to settle. */
  holding<T>(looks: number, work: () => Promise<T>): Promise<T>
}

/** Slices that are read at once: each needs a connection a side, and both from one client where both sides are in it. */
export function lanesOf({ source, target }: { readonly source: Side; readonly target: Side }): number {
  const most =
    source.name === target.name ? Math.floor(source.connections / 2) : Math.min(source.connections, target.connections)
  return Math.max(1, Math.min(lanesMax, most))
}

export function openLanes(count: number): Lanes {
  let free = count
  let held = 0
  const waiting: (() => void)[] = []
  const wake = () => {
    while (waiting.length > 0 && free > 0 && held < looksHeldMax) {
      free -= 1
      waiting.shift()!()
    }
  }
  return {
    async take(signal) {
      signal.throwIfAborted()
      await new Promise<void>((resolve, reject) => {
        const taken = () => {
          signal.removeEventListener('abort', aborted)
          resolve()
        }
        const aborted = () => {
          const place = waiting.indexOf(taken)
          if (place !== -1) waiting.splice(place, 1)
          reject(signal.reason as Error)
        }
        signal.addEventListener('abort', aborted, { once: true })
        waiting.push(taken)
        wake()
      })
      let mine = true
      return {
        release() {
          if (mine) free += 1
          mine = false
          wake()
        },
      }
    },
    async holding(looks, work) {
      held += looks
      try {
        return await work()
      } finally {
        held -= looks
        wake()
      }
    },
  }
}
