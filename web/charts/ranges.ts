/** The stretches of time a chart can show, shortest first. The slower ones are asked for less often. */
export const ranges = [
  { id: '1h', label: '1 h', title: 'Last hour', ms: 3_600_000, everyMs: 15_000 },
  { id: '6h', label: '6 h', title: 'Last 6 hours', ms: 21_600_000, everyMs: 60_000 },
  { id: '24h', label: '24 h', title: 'Last 24 hours', ms: 86_400_000, everyMs: 120_000 },
  { id: '14d', label: '14 d', title: 'Last 14 days', ms: 1_209_600_000, everyMs: 300_000 },
] as const

export type Range = (typeof ranges)[number]

export const rangeOf = (id: string | null): Range => ranges.find((range) => range.id === id) ?? ranges[0]
