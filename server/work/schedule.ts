import { randomUUID } from 'node:crypto'
import { schedule as tick } from 'node-cron'
import type { Mode } from '../reconcile/mode.ts'
import { nextDue, nextEvery } from './due.ts'

/** A pair that runs by the clock. */
export type Scheduled = {
  readonly pair: string
  readonly mode: Mode
  /** Tells schedules of one pair apart; absent for its main one. */
  readonly beside?: string
} & ({ readonly schedule: string; readonly timezone: string } | { readonly everyMs: number })

interface StoredDue {
  /** The pair; `pair/beside` for one of its schedules beside the main one. */
  readonly pairId: string
  readonly schedule: string
  readonly at: Date
  readonly occasion: string
}

export interface ScheduleSteps {
  dues(): Promise<readonly StoredDue[]>
  /** Moves a due time on; with `was`, only if it is still that. False: another process has been quicker. */
  setDue(due: StoredDue, was?: Date): Promise<boolean>
  keepDues(pairs: readonly string[]): Promise<void>
  /**
   * Queues a run; a second one for the same pair and occasion changes nothing, nor does one that would only do what another
   * that waits will do.
   */
  requestRun(run: { id: string; pair: string; mode: Mode; occasion: string }): Promise<void>
  now(): Date
  complain(message: string, cause: unknown): void
}

const nameOf = ({ pair, beside }: Scheduled) => (beside ? `${pair}/${beside}` : pair)

const everyFiveSeconds = '*/5 * * * * *'

/**
 * Queues runs as they fall due, in each pair's own time zone. The clock behind it ticks in UTC: node-cron's own time
 * zones skip and repeat runs when clocks change. A run missed while nobody was here is caught up once.
 *
 * @returns how to stop it.
 */
export function startSchedule(scheduled: () => readonly Scheduled[], steps: ScheduleSteps): () => void {
  const task = tick(
    everyFiveSeconds,
    () =>
      turnSchedule(scheduled(), steps).catch((cause: unknown) =>
        steps.complain('The schedule could not be looked at.', cause),
      ),
    { timezone: 'Etc/UTC', noOverlap: true, suppressMissedWarning: true, unref: true },
  )
  return () => void task.destroy()
}

/** One look at the clock: notes what is new in the config, queues what is due, forgets what is gone. */
export async function turnSchedule(scheduled: readonly Scheduled[], steps: ScheduleSteps): Promise<void> {
  const known = new Map((await steps.dues()).map((due) => [due.pairId, due]))
  const names = scheduled.map(nameOf)
  if ([...known.keys()].some((name) => !names.includes(name))) await steps.keepDues(names)

  const now = steps.now()
  for (const wanted of scheduled) {
    const { pair, mode, beside } = wanted
    const name = nameOf(wanted)
    const due = known.get(name)
    const every = 'everyMs' in wanted
    const text = every ? `every ${wanted.everyMs} ms` : `${wanted.schedule} ${wanted.timezone}`
    const after = every ? nextEvery(wanted.everyMs, now) : nextDue(wanted.schedule, wanted.timezone, now)
    if (!after) continue
    const next = { pairId: name, schedule: text, ...after }
    if (due?.schedule !== text) {
      await steps.setDue(next)
    } else if (due.at <= now) {
      // First the run, which its occasion keeps single, then the due time: a crash in between repeats nothing and loses nothing.
      const occasion = beside ? `${beside} ${due.occasion}` : due.occasion
      await steps.requestRun({ id: randomUUID(), pair, mode, occasion })
      await steps.setDue(next, due.at)
    }
  }
}
