import type { Readiness } from '../expose/reads.ts'
import type { Store } from '../store/open.ts'
import type { Monitor } from '../watch/monitor.ts'
import { timers } from './timers.ts'

/** The scheduler is told to stand still when no turn has ended for this long. */
const stillMs = 120_000
const kinds = { embedded: 'embedded: for one process and for trying out; production is Postgres', postgres: 'Postgres' }

/** Whether the store answers and the scheduler moves. One small statement. */
export async function readiness(store: Store, monitor: Monitor): Promise<Readiness> {
  const answered = await store.ping().then(
    () => true,
    () => false,
  )
  const { lastTurnAt } = monitor.vitals()
  const moves = lastTurnAt === undefined || timers.now().getTime() - lastTurnAt.getTime() <= stillMs
  return {
    store: { ok: answered, detail: answered ? kinds[store.kind] : 'the store does not answer' },
    scheduler: { ok: moves, detail: lastTurnAt ? `last turn at ${lastTurnAt.toISOString()}` : 'no turn has ended yet' },
  }
}
