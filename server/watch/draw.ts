import type { AlertRecord } from '../evaluate/alert.ts'
import { assemble, type AlertStanding, type CheckStanding, type Standing } from '../evaluate/standing.ts'
import type { Check } from './check.ts'
import type { CheckMemory } from './turn.ts'

/** What is known of a check nobody has run yet. */
export const blank = ({ id, pipeline, probe }: Check): CheckMemory => ({
  record: { id, pipeline, probe, readings: [], runs: 0, failures: {}, skipped: {} },
  hops: new Map(),
  alerts: new Map(),
})

/** Draws the standing from what each check carries. Cost: linear in checks, hops, open alerts and rules. */
export function draw(
  at: Date,
  checks: ReadonlyMap<string, Check>,
  memories: ReadonlyMap<string, CheckMemory>,
  acknowledged: ReadonlyMap<string, string>,
  nextAt: (id: string) => Date | undefined,
): Standing {
  const drawn = [...checks.values()].map((check) => ({ check, memory: memories.get(check.id) ?? blank(check) }))
  const standings = drawn.map(({ check, memory }) => checkStanding(check, memory, nextAt(check.id)))
  const hops = drawn.flatMap(({ memory }) => [...memory.hops.values()].map(({ standing }) => standing))
  const alerts = drawn.flatMap(({ memory }) => [...memory.alerts.values()].map((alert) => shown(alert, acknowledged)))
  const rules = drawn.flatMap(({ check }) => check.rules)
  return assemble(at, new Map(standings.map((each) => [each.id, each])), hops, alerts, rules)
}

function checkStanding(check: Check, { record }: CheckMemory, nextAt: Date | undefined): CheckStanding {
  const { everyMs, timeoutMs, paused, metrics } = check
  return { ...record, everyMs, timeoutMs, paused, metrics, ...(nextAt && { nextAt }) }
}

function shown(alert: AlertRecord, acknowledged: ReadonlyMap<string, string>): AlertStanding {
  const { incident, rule, pipeline, check, signal, kind, severity, status, since, value, threshold, why } = alert
  const by = acknowledged.get(incident)
  return {
    incident,
    rule,
    pipeline,
    check,
    ...(signal && { signal }),
    kind,
    severity,
    status,
    since,
    ...(value !== undefined && { value }),
    ...(threshold !== undefined && { threshold }),
    why,
    ...(by !== undefined && { acknowledgedBy: by }),
  }
}
