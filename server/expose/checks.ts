import type { z } from '@hono/zod-openapi'
import type { CheckStanding } from '../evaluate/standing.ts'
import { isFresh } from './freshness.ts'
import type { CatalogCheck, Snapshot } from './reads.ts'
import { isRaised } from './signals.ts'
import type { checkView } from './views.ts'

export type CheckView = z.output<typeof checkView>

/** One check with its last readings, however old. The standing may be newer than the snapshot's: `Run now` has one. */
export function checkOf(
  { standing }: Snapshot,
  check: CatalogCheck,
  now: Date,
  state: CheckStanding | undefined = standing.checks.get(check.id),
): CheckView {
  const raised = standing.alerts.filter(
    (alert) => alert.check === check.id && isRaised(alert) && alert.kind !== 'no-data',
  )
  const fault = state?.answered === false ? state.fault : undefined
  return {
    id: check.id,
    name: check.name,
    probe: check.probe,
    everyMs: check.everyMs,
    timeoutMs: check.timeoutMs,
    state: check.paused
      ? 'paused'
      : state?.lastRunAt === undefined
        ? 'unmeasured'
        : !isFresh(state, now)
          ? 'nodata'
          : raised.some(({ severity }) => severity === 'crit')
            ? 'crit'
            : raised.length > 0
              ? 'warn'
              : 'ok',
    lastAt: state?.lastRunAt?.toISOString() ?? null,
    lastSuccessAt: state?.lastSuccessAt?.toISOString() ?? null,
    tookMs: state?.tookMs ?? null,
    nextAt: state?.nextAt?.toISOString() ?? null,
    fault: fault ? { code: fault.code, message: fault.message, hint: fault.hint } : null,
    readings: (state?.readings ?? []).flatMap(({ metric, value }) => {
      const about = check.metrics[metric]
      return about ? [{ metric, help: about.help, unit: about.unit, value }] : []
    }),
  }
}
