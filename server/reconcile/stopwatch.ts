export interface Stopwatch {
  /** Runs a step and adds its time to what that step has taken. */
  timed<T>(step: string, work: () => Promise<T>): Promise<T>
  /** Milliseconds by step, and `total` since the stopwatch was started. */
  timingsMs(): Record<string, number>
}

export function stopwatch(now: () => number): Stopwatch {
  const startMs = now()
  const spent = new Map<string, number>()
  return {
    async timed(step, work) {
      const from = now()
      try {
        return await work()
      } finally {
        spent.set(step, (spent.get(step) ?? 0) + now() - from)
      }
    },
    timingsMs: () =>
      Object.fromEntries([...spent, ['total', now() - startMs] as const].map(([step, ms]) => [step, Math.round(ms)])),
  }
}
