import type { z } from '@hono/zod-openapi'
import { inWords } from '../evaluate/words.ts'
import type { AlertRow, RunRow } from './reads.ts'
import { grouped } from './signals.ts'
import type { happeningView } from './views.ts'

export type Happening = z.output<typeof happeningView>

/** As many as the page of a pipeline lists. */
export const happeningsMax = 30

const words = {
  lag: 'Lag',
  errors: 'Errors',
  'dead-letters': 'Dead letters',
  duplicates: 'Duplicates',
  drift: 'Drift',
} as const

/** What alerts and runs did, newest first. */
export const happeningsOf = (alerts: readonly AlertRow[], runs: readonly RunRow[]): Happening[] =>
  [...alerts.flatMap(ofAlert), ...runs.flatMap(ofRun)].toSorted((one, other) =>
    one.at < other.at ? 1 : one.at > other.at ? -1 : 0,
  )

function ofAlert(alert: AlertRow): Happening[] {
  const subject = alert.kind === 'no-data' ? 'No data' : alert.signal ? words[alert.signal] : alert.rule
  const state = alert.kind === 'no-data' ? 'nodata' : alert.severity
  const href = '/alerts'
  const told: Happening[] = []
  if (alert.firedAt)
    told.push({ at: alert.firedAt.toISOString(), state, title: `${subject}: alert`, detail: alert.why, href })
  if (alert.acknowledged) {
    const { by, at, comment } = alert.acknowledged
    told.push({
      at: at.toISOString(),
      state,
      title: `${by} acknowledged: ${subject.toLowerCase()}`,
      detail: comment,
      href,
    })
  }
  if (alert.firedAt && alert.resolvedAt) {
    const lasted = (alert.resolvedAt.getTime() - alert.firedAt.getTime()) / 1_000
    told.push({
      at: alert.resolvedAt.toISOString(),
      state: 'ok',
      title: `${subject}: resolved`,
      detail: `It lasted ${inWords(lasted)}.`,
      href,
    })
  }
  return told
}

function ofRun(run: RunRow): Happening[] {
  const href = `/runs/${run.id}`
  const by = run.trigger === 'schedule' ? 'by schedule' : `by ${run.requestedBy}`
  if (!run.endedAt && run.state !== 'waiting') {
    const at = (run.startedAt ?? run.createdAt).toISOString()
    if (run.waiting) {
      return [{ at, state: 'paused', title: `${run.pair}: the run holds back`, detail: run.waiting.why, href }]
    }
    return [{ at, state: 'ok', title: `${run.pair} is being compared`, detail: `${run.step}, ${by}`, href }]
  }
  const at = (run.endedAt ?? run.startedAt ?? run.createdAt).toISOString()
  if (run.state === 'cancelled') return [{ at, state: 'paused', title: `${run.pair}: run cancelled`, detail: by, href }]
  if (run.verdict === undefined || run.verdict === 'unknown') {
    return [{ at, state: 'nodata', title: `${run.pair} could not be told`, detail: by, href }]
  }
  const { missing, extra, changed } = run.counts ?? { missing: 0, extra: 0, changed: 0 }
  const detail = [
    ...(run.coverage && run.coverage.mode !== 'full' ? [run.coverage.mode] : []),
    by,
    ...(run.proposed > 0 ? [`${grouped(run.proposed)} corrections wait`] : []),
    ...(run.applied > 0 ? [`${grouped(run.applied)} corrected`] : []),
  ].join(', ')
  return run.verdict === 'match'
    ? [{ at, state: 'ok', title: `${run.pair} matches`, detail, href }]
    : [{ at, state: 'warn', title: `${run.pair}: ${grouped(missing + extra + changed)} rows differ`, detail, href }]
}
