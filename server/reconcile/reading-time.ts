interface Clock {
  now(): number
  sleep(ms: number, signal: AbortSignal): Promise<void>
}

/** Milliseconds in which at least one slice was being read: what a run waits between slices takes none of it. */
export interface ReadingTime {
  /** Counts until this slice was read. */
  during<T>(work: () => Promise<T>): Promise<T>
  ms(): number
}

/**
 * @param beforeMs what was spent before, which counts.
 * @param ring called once the time spent reading reaches `limitMs`, while a slice is still being read.
 */
export function openReadingTime(
  { now, sleep }: Clock,
  limitMs: number | undefined,
  beforeMs: number,
  ring: () => void,
): ReadingTime {
  let open = 0
  let sinceMs = 0
  let spentMs = beforeMs
  let timer = new AbortController()
  const arm = () => {
    if (limitMs === undefined) return
    const { signal } = (timer = new AbortController())
    void sleep(Math.max(0, limitMs - spentMs), signal).then(
      () => {
        if (!signal.aborted) ring()
      },
      () => {},
    )
  }
  const begin = () => {
    open += 1
    if (open > 1) return
    sinceMs = now()
    arm()
  }
  const end = () => {
    open -= 1
    if (open > 0) return
    spentMs += now() - sinceMs
    timer.abort()
  }
  return {
    during(work) {
      begin()
      return work().finally(end)
    },
    ms: () => spentMs + (open > 0 ? now() - sinceMs : 0),
  }
}
