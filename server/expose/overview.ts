import type { z } from '@hono/zod-openapi'
import type { AlertStanding } from '../evaluate/standing.ts'
import { leadHop } from './measured.ts'
import { narrowed, sparkId, type Drawn } from './narrow.ts'
import type { CatalogPipeline, Monitor, SeriesKey, Snapshot, StateRow } from './reads.ts'
import { isRaised, judgeSignals, weightOf, type Judged } from './signals.ts'
import type { overviewView, pipelineRow } from './views.ts'

export type PipelineRow = z.output<typeof pipelineRow>
export type Overview = z.output<typeof overviewView>

/** The last hour in 40 parts, for sparklines; the last six hours in 90, for strips. */
export const sparkSpan = { bucketMs: 90_000, buckets: 40 } as const
export const stripSpan = { bucketMs: 240_000, buckets: 90 } as const

/** The whole parts of a span that ends now, so that bars do not wander between two looks. */
export function spanOf(
  { bucketMs, buckets }: { bucketMs: number; buckets: number },
  now: Date,
): { from: Date; to: Date } {
  const to = (Math.floor(now.getTime() / bucketMs) + 1) * bucketMs
  return { from: new Date(to - bucketMs * buckets), to: new Date(to) }
}

/** Every number the rows draw a sparkline of. */
export const sparkKeys = (
  snapshot: Snapshot,
  pipelines: readonly CatalogPipeline[],
  now: Date,
): readonly SeriesKey[] => {
  const only = narrowed(snapshot)
  return pipelines.flatMap((pipeline) => [
    ...judgeSignals(only(pipeline.id), pipeline, now).flatMap(({ drawnFrom }) => drawnFrom),
    ...throughputKeys(only(pipeline.id), pipeline),
  ])
}

/** Worst first, then longest so, then by title. Pure: draws on nothing but its arguments. */
export function overviewOf(snapshot: Snapshot, drawn: Drawn, now: Date): Overview {
  const only = narrowed(snapshot)
  const pipelines = snapshot.catalog.pipelines
    .map((pipeline) => rowOf(only(pipeline.id), pipeline, drawn, now))
    .toSorted(
      (one, other) =>
        rank[one.state] - rank[other.state] || earlier(one.since, other.since) || (one.title < other.title ? -1 : 1),
    )
  const count = (state: PipelineRow['state']) => pipelines.filter((row) => row.state === state).length
  return {
    now: now.toISOString(),
    timezone: snapshot.catalog.timezone,
    monitor: monitorOf(snapshot.monitor),
    counts: {
      crit: count('crit'),
      warn: count('warn'),
      nodata: count('nodata'),
      paused: count('paused'),
      ok: count('ok') + count('unmeasured'),
    },
    pipelines,
  }
}

const rank: Readonly<Record<PipelineRow['state'], number>> = {
  crit: 0,
  warn: 1,
  nodata: 2,
  paused: 3,
  ok: 4,
  unmeasured: 4,
}
const earlier = (one: string | null, other: string | null) => (one ?? '~').localeCompare(other ?? '~')

const monitorOf = (monitor: Monitor): Overview['monitor'] => ({
  startedAt: monitor.startedAt.toISOString(),
  lastCycleAt: monitor.lastCycleAt?.toISOString() ?? null,
  schedulerLagMs: monitor.schedulerLagMs ?? null,
  noticesWaiting: monitor.noticesWaiting,
  store: monitor.store,
  demo: monitor.demo,
  configFault: monitor.configFault ?? null,
})

/** One pipeline as the overview and its own page show it; the snapshot is already narrowed to it. */
export function rowOf(snapshot: Snapshot, pipeline: CatalogPipeline, drawn: Drawn, now: Date): PipelineRow {
  const judged = judgeSignals(snapshot, pipeline, now)
  const raised = worstFirst(
    snapshot.standing.alerts.filter((alert) => alert.pipeline === pipeline.id && isRaised(alert)),
  )
  const lead = raised[0]
  const hop = leadHop(snapshot.standing, pipeline.id)
  return {
    id: pipeline.id,
    title: pipeline.title,
    owner: pipeline.owner,
    tier: pipeline.tier,
    pattern: pipeline.pattern,
    runbook: pipeline.runbook ?? null,
    route: [...pipeline.route],
    ...verdictOf(snapshot, pipeline, judged, raised),
    signals: judged.map(({ view, drawnFrom }) => ({
      ...view,
      spark: sparkOf(drawn, drawnFrom, view.signal, now),
    })),
    throughput: {
      inPerSecond: hop?.inPerSecond ?? null,
      outPerSecond: hop?.outPerSecond ?? null,
      spark: sparkOf(drawn, throughputKeys(snapshot, pipeline), 'lag', now),
    },
    strip: stripOf(drawn, pipeline.id, now),
    incident: lead?.incident ?? null,
    acknowledgedBy: lead?.acknowledgedBy ?? null,
    reviewRun: snapshot.pairs.find(({ pipeline: id, review }) => id === pipeline.id && review)?.review ?? null,
  }
}

/** A value that is wrong before one that is unknown, critical first, what nobody has taken first, oldest first. */
const worstFirst = (alerts: readonly AlertStanding[]) =>
  alerts.toSorted(
    (one, other) =>
      Number(one.kind === 'no-data') - Number(other.kind === 'no-data') ||
      Number(weightOf(one) === 'warn') - Number(weightOf(other) === 'warn') ||
      Number(one.acknowledgedBy !== undefined) - Number(other.acknowledgedBy !== undefined) ||
      one.since.getTime() - other.since.getTime(),
  )

function verdictOf(
  { standing }: Snapshot,
  pipeline: CatalogPipeline,
  judged: readonly Judged[],
  raised: readonly AlertStanding[],
) {
  if (pipeline.paused)
    return { state: 'paused', since: null, why: 'Paused in the config: nothing is measured.' } as const
  const wrong = raised.filter(({ kind }) => kind !== 'no-data')
  const blind = raised.filter(({ kind }) => kind === 'no-data')
  const since = (alerts: readonly AlertStanding[]) =>
    alerts.length > 0 ? new Date(Math.min(...alerts.map((alert) => alert.since.getTime()))).toISOString() : null
  const lead = wrong[0]
  if (lead) {
    const weight = weightOf(lead)
    const alike = wrong.filter((alert) => weightOf(alert) === weight)
    // One sentence a signal: two checks that see the same lag are one thing to say.
    const told = wrong.filter(
      (one, index) => !one.signal || wrong.findIndex(({ signal }) => signal === one.signal) === index,
    )
    const sentences = [...new Set(told.map(({ why }) => why))].slice(0, 2)
    return { state: weight, since: since(alike), why: sentences.join(' ') } as const
  }
  const silent = judged.filter(({ view }) => view.state === 'nodata')
  if (blind.length > 0 || silent.length > 0) {
    const lastAt = silent.flatMap(({ view }) => (view.at ? [view.at] : [])).toSorted()[0]
    return {
      state: 'nodata',
      since: since(blind) ?? lastAt ?? null,
      why: blind[0]?.why ?? silent[0]?.view.why ?? null,
    } as const
  }
  const measured = judged.some(({ view }) => view.state !== 'unmeasured')
  if (measured || pipeline.checks.some(({ id }) => standing.checks.get(id)?.answered)) {
    return { state: 'ok', since: null, why: null } as const
  }
  return { state: 'unmeasured', since: null, why: 'Nothing has been measured yet.' } as const
}

function throughputKeys({ standing }: Snapshot, pipeline: CatalogPipeline): readonly SeriesKey[] {
  const hop = leadHop(standing, pipeline.id)
  return hop ? [{ check: hop.check, metric: 'out_per_second' }] : []
}

/** One value a part: the numbers of several checks are folded as the signal itself is. */
function sparkOf(
  { sparks }: Drawn,
  keys: readonly SeriesKey[],
  signal: Judged['view']['signal'],
  now: Date,
): (number | null)[] {
  const own = keys.flatMap((key) => sparks.get(sparkId(key)) ?? [])
  if (own.length === 0) return []
  const { from } = spanOf(sparkSpan, now)
  const line: (number | null)[] = Array.from({ length: sparkSpan.buckets }, () => null)
  for (const { at, last } of own) {
    const bucket = Math.floor((at.getTime() - from.getTime()) / sparkSpan.bucketMs)
    const held = line[bucket]
    if (held === undefined) continue
    line[bucket] = held === null ? last : fold[signal](held, last)
  }
  return line
}

const add = (one: number, other: number) => one + other
const fold = { lag: Math.max, errors: Math.max, 'dead-letters': add, duplicates: add, drift: Math.min } as const

const letters: Readonly<Record<StateRow['state'], string>> = {
  ok: 'o',
  warn: 'w',
  crit: 'c',
  nodata: 'n',
  paused: 'p',
  unmeasured: '-',
}

function stripOf({ strips }: Drawn, pipeline: string, now: Date): PipelineRow['strip'] {
  const states = Array.from({ length: stripSpan.buckets }, () => '-')
  for (const { bucket, state } of strips.get(pipeline) ?? []) if (bucket in states) states[bucket] = letters[state]
  return { from: spanOf(stripSpan, now).from.toISOString(), bucketMs: stripSpan.bucketMs, states: states.join('') }
}
