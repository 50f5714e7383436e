const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const
export const durationForm = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/

/** Milliseconds of a length of time as people write it (`15s`, `1.5h`); undefined when it is none. */
export function durationMs(text: string): number | undefined {
  const [, count, unit] = durationForm.exec(text) ?? []
  return count === undefined ? undefined : Math.round(Number(count) * unitMs[unit as keyof typeof unitMs])
}
