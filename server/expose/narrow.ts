import type { SampleBucket, SeriesKey, Snapshot, StateRow } from './reads.ts'

/** What the store was asked to draw, by what it is looked up by. */
export interface Drawn {
  readonly sparks: ReadonlyMap<string, readonly SampleBucket[]>
  readonly strips: ReadonlyMap<string, readonly StateRow[]>
}

export const sparkId = ({ check, metric }: SeriesKey): string => `${check} ${metric}`

export const drawnOf = (sparks: readonly SampleBucket[], strips: readonly StateRow[]): Drawn => ({
  sparks: grouped(sparks, sparkId),
  strips: grouped(strips, ({ pipeline }) => pipeline),
})

/**
 * The same snapshot with one pipeline's hops, alerts, rules and pairs. Everything is grouped once, so that a page of
 * five hundred pipelines costs one pass and not five hundred.
 */
export function narrowed(snapshot: Snapshot): (pipeline: string) => Snapshot {
  const { standing, pairs } = snapshot
  const hops = grouped(standing.hops, ({ pipeline }) => pipeline)
  const alerts = grouped(standing.alerts, ({ pipeline }) => pipeline)
  const rules = grouped(standing.rules, ({ pipeline }) => pipeline)
  const pairsOf = grouped(pairs, ({ pipeline }) => pipeline)
  return (pipeline) => ({
    ...snapshot,
    pairs: pairsOf.get(pipeline) ?? [],
    standing: {
      ...standing,
      hops: hops.get(pipeline) ?? [],
      alerts: alerts.get(pipeline) ?? [],
      rules: rules.get(pipeline) ?? [],
    },
  })
}

function grouped<T>(rows: readonly T[], by: (row: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>()
  for (const row of rows) {
    const id = by(row)
    const group = groups.get(id)
    if (group) group.push(row)
    else groups.set(id, [row])
  }
  return groups
}
