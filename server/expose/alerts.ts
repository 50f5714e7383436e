import type { z } from '@hono/zod-openapi'
import type { AlertRow, Catalog } from './reads.ts'
import type { alertsView, alertView } from './views.ts'

export type AlertView = z.output<typeof alertView>

const instant = (at: Date | undefined) => at?.toISOString() ?? null

/** One incident with who is responsible; a pipeline that has left the config keeps its id as title. */
export function alertOf(row: AlertRow, catalog: Catalog): AlertView {
  const pipeline = catalog.pipelines.find(({ id }) => id === row.pipeline)
  return {
    id: row.id,
    pipeline: row.pipeline,
    pipelineTitle: pipeline?.title ?? row.pipeline,
    rule: row.rule,
    signal: row.signal ?? null,
    kind: row.kind,
    severity: row.severity,
    status: row.status,
    since: row.since.toISOString(),
    firedAt: instant(row.firedAt),
    resolvedAt: instant(row.resolvedAt),
    value: row.value ?? null,
    threshold: row.threshold ?? null,
    unit: row.unit ?? null,
    why: row.why,
    owner: pipeline?.owner ?? '',
    runbook: pipeline?.runbook ?? null,
    acknowledged: row.acknowledged ? { ...row.acknowledged, at: row.acknowledged.at.toISOString() } : null,
    notices: row.notices.map((notice) => ({
      channel: notice.channel,
      event: notice.event,
      state: notice.state,
      attempts: notice.attempts,
      at: notice.at.toISOString(),
      error: notice.error ?? null,
    })),
  }
}

const severityRank = { crit: 0, warn: 1 } as const

/** Open ones critical first, then oldest first; the others as they ended, newest first. */
export function alertsOf(rows: readonly AlertRow[], catalog: Catalog, now: Date): z.output<typeof alertsView> {
  const open = rows.filter(({ status }) => status !== 'resolved')
  const over = rows.filter(({ status }) => status === 'resolved')
  return {
    now: now.toISOString(),
    open: open
      .toSorted(
        (one, other) =>
          severityRank[one.severity] - severityRank[other.severity] || one.since.getTime() - other.since.getTime(),
      )
      .map((row) => alertOf(row, catalog)),
    recent: over
      .toSorted((one, other) => (other.resolvedAt?.getTime() ?? 0) - (one.resolvedAt?.getTime() ?? 0))
      .map((row) => alertOf(row, catalog)),
  }
}
