import type { Readiness } from '../expose/reads.ts'
import type { Store } from '../store/open.ts'
import type { Monitor } from '../watch/monitor.ts'
import type { Leader } from './leader.ts'
import { timers } from './timers.ts'

/** The scheduler stands still when no turn has ended for this long, and for three intervals of its busiest check. */
const stillMsMin = 120_000
const kinds = { embedded: 'embedded: for one process and for trying out; production is Postgres', postgres: 'Postgres' }

/** Whether the store answers and the scheduler moves. One small statement. */
export async function readiness(store: Store, monitor: Monitor, leader: Leader): Promise<Readiness> {
  const answered = await store.ping().then(
    () => true,
    () => false,
  )
  return {
    store: { ok: answered, detail: answered ? kinds[store.kind] : 'the store does not answer' },
    scheduler: moves(monitor, leader),
  }
}

function moves(monitor: Monitor, leader: Leader): Readiness['scheduler'] {
  if (!leader.isLeader()) return { ok: true, detail: 'another process runs the checks' }
  const { lastTurnAt } = monitor.vitals()
  if (!lastTurnAt) return { ok: true, detail: 'no turn has ended yet' }
  const everyMs = [...monitor.standing().checks.values()].map((check) => check.everyMs)
  const stillMs = Math.max(stillMsMin, 3 * Math.min(...everyMs))
  return {
    ok: timers.now().getTime() - lastTurnAt.getTime() <= stillMs,
    detail: `last turn at ${lastTurnAt.toISOString()}`,
  }
}
