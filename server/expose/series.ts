import type { z } from '@hono/zod-openapi'
import type { Signal } from '../../checks/probe.ts'
import type { Rule } from '../evaluate/rule.ts'
import { staleAfterMs } from '../evaluate/standing.ts'
import { leadHop } from './measured.ts'
import { sparkId } from './narrow.ts'
import type { AlertRow, CatalogPipeline, RunRow, SampleBucket, SeriesKey, SilenceRow, Snapshot } from './reads.ts'
import { happeningsOf } from './happenings.ts'
import { judgeSignals, type Judged } from './signals.ts'
import type { seriesView } from './views.ts'

export type Series = z.output<typeof seriesView>
type Track = Series['tracks'][number]
type Line = Track['lines'][number]

/** A line has at most this many points: two a part, so that no peak is lost, and a gap takes an empty part. */
export const pointsMax = 600

/** More marks than this in one lane cannot be told apart; the newest are kept. */
const eventsMax = 100

/** The length of a part that keeps a line within `pointsMax`, in whole seconds. */
export const bucketFor = (from: Date, to: Date): number =>
  Math.max(1, Math.ceil((to.getTime() - from.getTime()) / (pointsMax / 2 - 1) / 1_000)) * 1_000

const titles = {
  lag: ['Lag', 'behind the source'],
  errors: ['Errors', 'share of records'],
  'dead-letters': ['Dead letters', 'records'],
  duplicates: ['Duplicates', 'surplus records'],
  drift: ['Drift', 'keys equal on both sides'],
} as const satisfies Record<Signal, readonly [title: string, caption: string]>

interface Drawing {
  readonly id: string
  readonly title: string
  readonly caption: string
  readonly unit: Track['unit']
  readonly judged?: Judged
  readonly keys: readonly (SeriesKey & { readonly name: string; readonly role: Line['role'] })[]
}

/** What a pipeline's page draws, top to bottom; the snapshot is already narrowed to it. */
export function drawingsOf(snapshot: Snapshot, pipeline: CatalogPipeline, now: Date): readonly Drawing[] {
  const judged = judgeSignals(snapshot, pipeline, now).filter(({ drawnFrom }) => drawnFrom.length > 0)
  const nameOf = (check: string) => pipeline.checks.find(({ id }) => id === check)?.name ?? 'reconciliation'
  const tracks = judged.map((each): Drawing => {
    const [title, caption] = titles[each.view.signal]
    const keys = each.drawnFrom.map((key) => ({ ...key, name: nameOf(key.check), role: 'ink' as const }))
    return { id: each.view.signal, title, caption, unit: each.view.unit, judged: each, keys }
  })
  const hop = leadHop(snapshot.standing, pipeline.id)
  if (!hop) return tracks
  const flow: Drawing = {
    id: 'throughput',
    title: 'In and out',
    caption: 'records per second',
    unit: 'per_second',
    keys: [
      { check: hop.check, metric: 'in_per_second', name: 'in', role: 'source' },
      { check: hop.check, metric: 'out_per_second', name: 'out', role: 'target' },
    ],
  }
  const place = tracks.findIndex(({ id }) => id === 'lag') + 1
  return [...tracks.slice(0, place), flow, ...tracks.slice(place)]
}

export interface SeriesRows {
  readonly samples: readonly SampleBucket[]
  readonly silences: readonly SilenceRow[]
  readonly alerts: readonly AlertRow[]
  readonly runs: readonly RunRow[]
}

export interface Span {
  readonly from: Date
  readonly to: Date
}

export function seriesOf(
  snapshot: Snapshot,
  pipeline: CatalogPipeline,
  drawings: readonly Drawing[],
  rows: SeriesRows,
  { from, to }: Span,
): Series {
  const bucketMs = bucketFor(from, to)
  const byKey = new Map<string, SampleBucket[]>()
  for (const sample of rows.samples) {
    const id = sparkId(sample)
    byKey.set(id, [...(byKey.get(id) ?? []), sample])
  }
  const inside = ({ at }: { at: string }) => at >= from.toISOString() && at < to.toISOString()
  return {
    from: from.toISOString(),
    to: to.toISOString(),
    tracks: drawings.map((drawing) => ({
      ...limitsOf(snapshot.standing.rules, drawing),
      id: drawing.id,
      title: drawing.title,
      caption: drawing.caption,
      unit: drawing.unit,
      lines: drawing.keys.map(({ name, role, ...key }) => {
        const check = pipeline.checks.find(({ id }) => id === key.check)
        // Verdicts come when runs do: between two nights there is no silence to draw.
        const gapMs = check ? staleAfterMs(check.everyMs) : Infinity
        return { name, role, points: pointsOf(byKey.get(sparkId(key)) ?? [], { gapMs, bucketMs }) }
      }),
    })),
    gaps: rows.silences.map((silence) => ({
      from: silence.from.toISOString(),
      to: silence.to.toISOString(),
      label: `${pipeline.checks.find(({ id }) => id === silence.check)?.name ?? silence.check}: ${silence.message}`,
    })),
    events: happeningsOf(rows.alerts, rows.runs)
      .filter(inside)
      .slice(0, eventsMax)
      .map(({ at, state, title }) => ({ at, state, label: title })),
  }
}

function limitsOf(
  rules: readonly Rule[],
  { judged, keys, unit }: Drawing,
): Pick<Track, 'fire' | 'recover' | 'target' | 'better'> {
  const own = rules.filter((rule) => keys.some(({ check, metric }) => rule.check === check && rule.metric === metric))
  const critical = own.find((rule) => rule.severity === 'crit' && rule.unit === unit)
  return {
    fire: critical?.threshold ?? null,
    recover: critical?.recover ?? null,
    target: judged?.view.target ?? null,
    better: judged?.view.better ?? 'higher',
  }
}

/**
 * The line through the parts, oldest first: the smallest and the largest value of each, in the order that leads to its
 * last. A silence longer than `gapMs` lifts the pen.
 */
export function pointsOf(
  samples: readonly SampleBucket[],
  { gapMs, bucketMs }: { gapMs: number; bucketMs: number },
): Line['points'] {
  const points: Line['points'] = []
  let before: number | undefined
  for (const { at, min, max, last } of samples) {
    const ms = at.getTime()
    // Two samples in neighbouring parts are never a gap: a null then would take the line past its limit.
    const apart = before !== undefined && Math.floor(ms / bucketMs) - Math.floor(before / bucketMs) > 1
    if (before !== undefined && apart && ms - before > gapMs) points.push([before + 1, null])
    before = Math.max(ms, (points.at(-1)?.[0] ?? -Infinity) + 1)
    if (min === max) {
      points.push([before, last])
      continue
    }
    const rising = max - last < last - min
    points.push([before, rising ? min : max], [before + 1, rising ? max : min])
    before += 1
  }
  return points
}
