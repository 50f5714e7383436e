import { collectDefaultMetrics, Counter, Histogram, Registry } from 'prom-client'
import { writeLag, writePipelines } from './metrics-lag.ts'
import { writeProbes, writeReadings } from './metrics-probe.ts'
import { writeReconcile } from './metrics-reconcile.ts'
import { writeAlerts, writeSelf } from './metrics-self.ts'
import { writeSignals } from './metrics-signals.ts'
import { Sheet, sheetLimits, type SheetLimits } from './sheet.ts'
import type { Snapshot } from './reads.ts'

export const metricsType = 'text/plain; version=0.0.4; charset=utf-8'

/** Gauges of prom-client that are called totals; the same numbers are in `nodejs_active_resources` and its kin. */
const misnamed = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

export interface Metrics {
  /**
   * The whole text. It awaits no I/O: everything is in the snapshot. Cost: about 3 µs a series.
   */
  render(snapshot: Snapshot, now: Date): Promise<string>
  /** Tells that a check has run; kept by system and kind only. */
  ran(check: { readonly system: string; readonly kind: string }, seconds: number): void
}

/**
 * The text served at /metrics, built anew from the newest snapshot at every scrape, so that a check that was removed
 * or has gone stale disappears. What this process counts about itself is kept in a registry of its own; the content
 * type of neither is ever changed, because prom-client would rename counters for good.
 */
export function createMetrics(limits: SheetLimits = sheetLimits): Metrics {
  const kept = new Registry()
  collectDefaultMetrics({ register: kept })
  for (const name of misnamed) kept.removeSingleMetric(name)
  const durations = new Histogram({
    name: 'tallyman_probe_run_duration_seconds',
    help: 'How long runs of checks took.',
    labelNames: ['system', 'kind'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers: [kept],
  })
  const dropped = new Counter({
    name: 'tallyman_exporter_series_dropped_total',
    help: 'Series left out of an answer because a limit was reached.',
    labelNames: ['family'],
    registers: [kept],
  })
  let lastScrapeSeconds: number | undefined

  return {
    async render(snapshot, now) {
      const began = performance.now()
      const fresh = new Registry()
      const sheet = new Sheet(fresh, limits)
      // First, so that they are never what a limit leaves out.
      writeSelf(sheet, snapshot, process.versions.node)
      sheet.gauge('tallyman_scrape_duration_seconds', 'How long the answer before this one took.')(
        {},
        lastScrapeSeconds,
      )
      if (snapshot.monitor.leader) writeShown(sheet, snapshot, now)
      for (const [family, count] of sheet.dropped) dropped.inc({ family }, count)
      const counted = sheet.series
      sheet.gauge('tallyman_exporter_series', 'Series of this answer, without those of the process itself.')(
        {},
        counted,
      )
      // Node reports its event loop as NaN until it has measured it once; a comparison with NaN silences alerts.
      const own = (await kept.metrics()).replaceAll(/^\S+ nan\n/gim, '')
      const text = `${await fresh.metrics()}\n${own}`
      lastScrapeSeconds = (performance.now() - began) / 1_000
      return text
    },
    ran: (check, seconds) => durations.observe({ ...check }, seconds),
  }
}

function writeShown(sheet: Sheet, snapshot: Snapshot, now: Date): void {
  writePipelines(sheet, snapshot, now)
  writeLag(sheet, snapshot, now)
  writeProbes(sheet, snapshot)
  writeReconcile(sheet, snapshot)
  writeAlerts(sheet, snapshot)
  writeSignals(sheet, snapshot, now)
  writeReadings(sheet, snapshot, now)
}
