import type { z } from '@hono/zod-openapi'
import type { HopStanding } from '../evaluate/standing.ts'
import { checkOf } from './checks.ts'
import { isFresh } from './freshness.ts'
import { happeningsMax, happeningsOf } from './happenings.ts'
import { endToEnd } from './measured.ts'
import type { Drawn } from './narrow.ts'
import { rowOf } from './overview.ts'
import type { AlertRow, CatalogPair, CatalogPipeline, RunRow, Snapshot } from './reads.ts'
import { summaryOf } from './run.ts'
import { isRaised, weightOf } from './signals.ts'
import type { hopView, pairView, pipelineView } from './views.ts'

export type PipelineView = z.output<typeof pipelineView>
type PairView = z.output<typeof pairView>
type HopView = z.output<typeof hopView>

export interface PipelineRows extends Drawn {
  /** Newest first. */
  readonly runs: readonly RunRow[]
  readonly alerts: readonly AlertRow[]
}

/** Everything the page of one pipeline shows but its charts; the snapshot is already narrowed to it. */
export const pipelineOf = (
  snapshot: Snapshot,
  pipeline: CatalogPipeline,
  rows: PipelineRows,
  now: Date,
): PipelineView => ({
  ...rowOf(snapshot, pipeline, rows, now),
  now: now.toISOString(),
  timezone: snapshot.catalog.timezone,
  checks: pipeline.checks.map((check) => checkOf(snapshot, check, now)),
  pairs: pipeline.pairs.map((pair) => pairOf(snapshot, pair, rows.runs)),
  hops: snapshot.standing.hops.map((hop) => hopOf(snapshot, pipeline, hop, now)),
  happenings: happeningsOf(rows.alerts, rows.runs).slice(0, happeningsMax),
})

function pairOf({ pairs }: Snapshot, pair: CatalogPair, runs: readonly RunRow[]): PairView {
  const standing = pairs.find((each) => each.pair === pair.id)
  const last = runs.find((run) => run.pair === pair.id) ?? standing?.last
  return {
    id: pair.id,
    source: pair.source,
    target: pair.target,
    key: [...pair.key],
    schedule: pair.schedule ?? null,
    timezone: pair.timezone,
    runMode: pair.runMode,
    fullSchedule: pair.fullSchedule ?? null,
    scrubEverySeconds: pair.scrubEveryMs === undefined ? null : pair.scrubEveryMs / 1_000,
    unverifiedSince: standing?.unverifiedSince?.toISOString() ?? null,
    nextAt: standing?.nextAt?.toISOString() ?? null,
    mode: pair.mode,
    deletes: pair.deletes,
    authority: pair.authority,
    lastRun: last ? summaryOf(last) : null,
  }
}

function hopOf({ standing }: Snapshot, pipeline: CatalogPipeline, hop: HopStanding, now: Date): HopView {
  const [source, target] = endsOf(pipeline, hop.hop)
  const raised = standing.alerts.filter(
    (alert) => alert.check === hop.check && (alert.signal === 'lag' || alert.kind === 'motion') && isRaised(alert),
  )
  const known = hop.lag !== undefined && isFresh(standing.checks.get(hop.check), now)
  const severity = raised.some((alert) => weightOf(alert) === 'crit') ? 'crit' : raised.length > 0 ? 'warn' : undefined
  return {
    name: hop.hop,
    source: { name: source, position: positionText(hop.unit, hop.sourcePosition) },
    target: { name: target, position: positionText(hop.unit, hop.targetPosition) },
    state: pipeline.paused ? 'paused' : !known ? 'nodata' : (severity ?? 'ok'),
    lagSeconds: hop.lag?.seconds ?? null,
    lowerSeconds: hop.lag?.lowerSeconds ?? null,
    upperSeconds: hop.lag?.upperSeconds ?? null,
    records: hop.records === undefined ? null : Number(hop.records),
    inPerSecond: hop.inPerSecond ?? null,
    outPerSecond: hop.outPerSecond ?? null,
    etaSeconds: hop.etaSeconds ?? null,
    motion: hop.motion,
    explained: [...(hop.lag?.explained ?? [])],
  }
}

/** A position as a person reads it: a time where positions are times, to the millisecond in UTC. */
function positionText(unit: HopStanding['unit'], position: bigint | undefined): string | null {
  if (position === undefined) return null
  return unit === 'microseconds' ? new Date(Number(position / 1_000n)).toISOString() : String(position)
}

/** A hop named `kafka-to-erp` says its own ends; the whole way takes those of the pipeline. */
function endsOf({ route }: CatalogPipeline, hop: string): [source: string, target: string] {
  const [from, to, ...more] = hop.split(/\s*(?:->|→|-to-)\s*/)
  if (hop !== endToEnd && from && to && more.length === 0) return [from, to]
  return [route[0] ?? 'source', route.at(-1) ?? 'target']
}
