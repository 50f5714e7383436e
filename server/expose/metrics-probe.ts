import { derived } from '../evaluate/derived.ts'
import { isFresh } from './freshness.ts'
import { byReason } from './reason.ts'
import type { Snapshot } from './reads.ts'
import { cached, secondsOf } from './metrics-lag.ts'
import type { Sheet, Write } from './sheet.ts'

const skips = ['overlap', 'backoff', 'paused', 'leader'] as const

export const readingName = (probe: string, metric: string): string => `tallyman_${probe.replaceAll('-', '_')}_${metric}`

/** How each check fares. `probe` is the kind, `check` the one that runs; a paused one says nothing of itself. */
export function writeProbes(sheet: Sheet, { catalog, standing }: Snapshot): void {
  const labels = ['pipeline', 'probe', 'check']
  const info = sheet.gauge('tallyman_probe_info', 'The checks of the config.', ...labels, 'system', 'kind')
  const success = sheet.gauge('tallyman_probe_success', '1 if the last run of the check answered.', ...labels)
  const duration = sheet.gauge(
    'tallyman_probe_duration_seconds',
    'How long the last run took, failed ones too.',
    ...labels,
  )
  const timeout = sheet.gauge('tallyman_probe_timeout_seconds', 'How long a run may take.', ...labels)
  const interval = sheet.gauge('tallyman_probe_interval_seconds', 'How often the check runs.', ...labels)
  const lastRun = sheet.gauge('tallyman_probe_last_run_timestamp_seconds', 'When the check last ran.', ...labels)
  const lastSuccess = sheet.gauge(
    'tallyman_probe_last_success_timestamp_seconds',
    'When the check last answered.',
    ...labels,
  )
  const runs = sheet.counter('tallyman_probe_runs_total', 'Runs of the check.', ...labels)
  const failures = sheet.counter(
    'tallyman_probe_failures_total',
    'Runs that did not answer, by reason.',
    ...labels,
    'reason',
  )
  const skipped = sheet.counter(
    'tallyman_probe_skipped_total',
    'Runs that were due and did not begin, by reason.',
    ...labels,
    'reason',
  )

  for (const pipeline of catalog.pipelines) {
    for (const check of pipeline.checks) {
      const who = { pipeline: pipeline.id, probe: check.probe, check: check.id }
      const state = standing.checks.get(check.id)
      info({ ...who, system: check.system, kind: check.probe }, 1)
      runs(who, state?.runs ?? 0)
      for (const [reason, count] of byReason(Object.entries(state?.failures ?? {}))) failures({ ...who, reason }, count)
      for (const reason of skips) skipped({ ...who, reason }, state?.skipped[reason] ?? 0)
      if (check.paused || pipeline.paused) continue
      success(who, state?.answered === undefined ? undefined : Number(state.answered))
      duration(who, state?.tookMs === undefined ? undefined : state.tookMs / 1_000)
      timeout(who, check.timeoutMs / 1_000)
      interval(who, check.everyMs / 1_000)
      lastRun(who, secondsOf(state?.lastRunAt))
      lastSuccess(who, secondsOf(state?.lastSuccessAt))
    }
  }
}

/** What every check last read, for as long as that may be taken as how things are. */
export function writeReadings(sheet: Sheet, { catalog, standing }: Snapshot, now: Date): void {
  const families = new Map<string, Write>()
  for (const pipeline of catalog.pipelines) {
    for (const check of pipeline.checks) {
      const state = standing.checks.get(check.id)
      if (!state || check.paused || pipeline.paused || !isFresh(state, now)) continue
      for (const { metric, value } of state.readings) {
        const about = check.metrics[metric]
        // Derived numbers have families of their own, the same for every system.
        if (!about || metric in derived) continue
        const name = readingName(check.probe, metric)
        let write = families.get(name)
        if (!write) {
          if (sheet.has(name)) continue
          const open = metric.endsWith('_total') ? 'counter' : 'gauge'
          write = sheet[open](name, `${about.help} ${cached}`, 'pipeline', 'check')
          families.set(name, write)
        }
        write({ pipeline: pipeline.id, check: check.id }, value)
      }
    }
  }
}
