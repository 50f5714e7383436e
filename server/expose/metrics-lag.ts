import type { CheckStanding, Motion } from '../evaluate/standing.ts'
import { isFresh } from './freshness.ts'
import type { CatalogPipeline, Snapshot } from './reads.ts'
import { isRaised } from './signals.ts'
import type { Sheet } from './sheet.ts'

export const secondsOf = (at: Date | undefined): number | undefined => (at ? at.getTime() / 1_000 : undefined)

/** Ends the help of what was measured some time ago. */
export const cached = '(cached; see tallyman_probe_last_success_timestamp_seconds)'

/**
 * The lag of every hop. Gauges go when their check has been silent for long; the watermark stays, so that
 * `time() - watermark` goes on growing whatever has died.
 */
export function writeLag(sheet: Sheet, { standing, catalog }: Snapshot, now: Date): void {
  const labels = ['pipeline', 'hop']
  const watermark = sheet.gauge(
    'tallyman_watermark_timestamp_seconds',
    'The target holds everything the source had by then. Lag is time() minus this.',
    ...labels,
  )
  const lag = sheet.gauge('tallyman_lag_seconds', `Best estimate of the lag when it was observed. ${cached}`, ...labels)
  const lower = sheet.gauge('tallyman_lag_lower_bound_seconds', `The lag is at least this. ${cached}`, ...labels)
  const upper = sheet.gauge(
    'tallyman_lag_upper_bound_seconds',
    `The lag is at most this; absent when only a lower bound is known. ${cached}`,
    ...labels,
  )
  const records = sheet.gauge(
    'tallyman_lag_records',
    `Records the source has and the target has not, where they are counted. ${cached}`,
    ...labels,
  )
  const method = sheet.gauge('tallyman_lag_method_info', 'How the seconds of the lag are known.', ...labels, 'method')
  const eta = sheet.gauge(
    'tallyman_catchup_eta_seconds',
    `Until the target has caught up; absent unless it is catching up. ${cached}`,
    ...labels,
  )
  const inRate = sheet.gauge(
    'tallyman_source_records_per_second',
    `Records that came into the source, a second. ${cached}`,
    ...labels,
  )
  const outRate = sheet.gauge(
    'tallyman_target_records_per_second',
    `Records that reached the target, a second. ${cached}`,
    ...labels,
  )
  const sourceTotal = sheet.counter(
    'tallyman_source_records_total',
    'Records that have come into the source.',
    ...labels,
  )
  const targetTotal = sheet.counter('tallyman_target_records_total', 'Records that have reached the target.', ...labels)

  const paused = new Set(catalog.pipelines.filter((pipeline) => pipeline.paused).map(({ id }) => id))
  const written = new Set<string>()
  for (const hop of standing.hops) {
    const who = { pipeline: hop.pipeline, hop: hop.hop }
    // Two checks on one hop would be one series twice: the first of the config speaks.
    const id = `${hop.pipeline} ${hop.hop}`
    if (written.has(id)) continue
    written.add(id)
    watermark(who, secondsOf(hop.watermark))
    sourceTotal(who, numberOf(hop.sourceTotal))
    targetTotal(who, numberOf(hop.targetTotal))
    const check = standing.checks.get(hop.check)
    if (paused.has(hop.pipeline) || check?.paused || !isFresh(check, now)) continue
    lag(who, hop.lag?.seconds)
    lower(who, hop.lag?.lowerSeconds)
    upper(who, hop.lag?.upperSeconds)
    records(who, numberOf(hop.records))
    if (hop.lag) method({ ...who, method: hop.lag.method }, 1)
    eta(who, hop.etaSeconds)
    inRate(who, hop.inPerSecond)
    outRate(who, hop.outPerSecond)
  }
}

/** Doubles lose whole numbers above 2^53, and prom-client takes no bigint; the difference was taken before. */
const numberOf = (value: bigint | undefined) => (value === undefined ? undefined : Number(value))

const motions = [
  'ok',
  'lagging',
  'stalled',
  'stopped',
  'rewound',
  'no_data',
  'paused',
  'unknown',
] as const satisfies readonly Motion[]

/** Who the pipelines are, what they promise, and how they move: exactly one state of each is 1. */
export function writePipelines(sheet: Sheet, { catalog, standing }: Snapshot, now: Date): void {
  const info = sheet.gauge(
    'tallyman_pipeline_info',
    'The pipelines of the config.',
    'pipeline',
    'source_system',
    'target_system',
    'tier',
    'team',
    'title',
  )
  const state = sheet.gauge(
    'tallyman_pipeline_state',
    'How the pipeline moves, judged without thresholds; one of the states is 1.',
    'pipeline',
    'state',
  )
  const slo = sheet.gauge('tallyman_slo_lag_seconds', 'The lag the pipeline should stay below.', 'pipeline')
  const drift = sheet.gauge('tallyman_slo_drift_ratio', 'The share of keys that may differ.', 'pipeline')
  for (const pipeline of catalog.pipelines) {
    const { id, tier, owner, title, route, targets } = pipeline
    info(
      { pipeline: id, source_system: route[0] ?? '', target_system: route.at(-1) ?? '', tier, team: owner, title },
      1,
    )
    slo({ pipeline: id }, targets.lag)
    // Binary fractions: 1 - 0.995 would be 0.0050000000000000044.
    drift({ pipeline: id }, Number((1 - targets.drift).toFixed(12)))
    const motion = motionOf({ catalog, standing }, pipeline, now)
    for (const each of motions) state({ pipeline: id, state: each }, Number(each === motion))
  }
}

const worst = ['rewound', 'stopped', 'stalled', 'no_data', 'unknown', 'lagging', 'ok'] as const

/** The worst of its hops; without any, whether its checks answer. */
function motionOf({ standing }: Pick<Snapshot, 'catalog' | 'standing'>, pipeline: CatalogPipeline, now: Date): Motion {
  if (pipeline.paused) return 'paused'
  const hops = standing.hops.filter((hop) => hop.pipeline === pipeline.id)
  const found = worst.find((motion) => hops.some((hop) => hop.motion === motion))
  if (found) return found
  if (hops.length > 0) return 'paused'
  const checks = pipeline.checks
    .filter(({ paused }) => !paused)
    .map(({ id }): CheckStanding | undefined => standing.checks.get(id))
  if (checks.length === 0 || !checks.every((check) => isFresh(check, now))) return 'unknown'
  return standing.alerts.some((alert) => alert.pipeline === pipeline.id && alert.signal === 'lag' && isRaised(alert))
    ? 'lagging'
    : 'ok'
}
