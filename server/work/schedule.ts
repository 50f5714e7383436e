import { randomUUID } from 'node:crypto'
import { schedule as tick } from 'node-cron'
import { nextDue } from './due.ts'

/** A pair that runs by the clock. */
export interface Scheduled {
  readonly pair: string
  readonly schedule: string
  readonly timezone: string
}

interface StoredDue {
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
  /** Queues a run; a second one for the same pair and occasion changes nothing. */
  requestRun(run: { id: string; pair: string; occasion: string }): Promise<void>
  now(): Date
  complain(message: string, cause: unknown): void
}

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
  const gone = [...known.keys()].some((pair) => !scheduled.some((wanted) => wanted.pair === pair))
  if (gone) await steps.keepDues(scheduled.map(({ pair }) => pair))

  const now = steps.now()
  for (const { pair, schedule, timezone } of scheduled) {
    const due = known.get(pair)
    const text = `${schedule} ${timezone}`
    const after = nextDue(schedule, timezone, now)
    if (!after) continue
    const next = { pairId: pair, schedule: text, ...after }
    if (due?.schedule !== text) {
      await steps.setDue(next)
    } else if (due.at <= now) {
      // First the run, which its occasion keeps single, then the due time: a crash in between repeats nothing and loses nothing.
      await steps.requestRun({ id: randomUUID(), pair, occasion: due.occasion })
      await steps.setDue(next, due.at)
    }
  }
}
