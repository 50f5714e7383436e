import { Cron } from 'croner'

/** When a schedule is next due, and the name of that occasion: one a local minute, whatever the clocks do. */
export interface Due {
  readonly at: Date
  /** The local date and time in the schedule's own zone: at most one run carries it. */
  readonly occasion: string
}

/**
 * The next time a schedule is due strictly after an instant. A local time that does not exist on that day (clocks go
 * forward) comes at the first instant that does; one that comes twice (clocks go back) is due once.
 */
export function nextDue(schedule: string, timezone: string, after: Date): Due | undefined {
  const at = new Cron(schedule, { timezone, paused: true }).nextRun(after)
  return at ? { at, occasion: localMinute(at, timezone) } : undefined
}

/** The next time something is due that comes round every so often, at the same times in every process. */
export function nextEvery(everyMs: number, after: Date): Due {
  const at = new Date((Math.floor(after.getTime() / everyMs) + 1) * everyMs)
  return { at, occasion: at.toISOString() }
}

function localMinute(at: Date, timezone: string): string {
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone: timezone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  }).formatToParts(at)
  const part = (type: string) => parts.find((found) => found.type === type)?.value
  return `${part('year')}-${part('month')}-${part('day')} ${part('hour')}:${part('minute')}`
}
