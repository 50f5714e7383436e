import { createHash } from 'node:crypto'

/** Checks that are overdue at the start are spread over this long, so that a restart is no stampede. */
const startSpreadMs = 2_000

/** Where in its interval a check runs: by its id alone, so that checks are spread out and a restart moves none. */
export function phaseOf(id: string, everyMs: number): number {
  return createHash('sha256').update(id).digest().readUInt32BE(0) % everyMs
}

/** The first due time after `after` (epoch milliseconds). Counted from the epoch: late runs never shift later ones. */
export function nextDue(id: string, everyMs: number, after: number): number {
  const phase = phaseOf(id, everyMs)
  return (Math.floor((after - phase) / everyMs) + 1) * everyMs + phase
}

/** When a check runs first after a start: soon when it is overdue or was never run, else when it is due anyway. */
export function firstDue(id: string, everyMs: number, now: number, lastRunAt: number | undefined): number {
  const due = nextDue(id, everyMs, now)
  const overdue = lastRunAt === undefined || nextDue(id, everyMs, lastRunAt) <= now
  return overdue ? Math.min(due, now + phaseOf(id, startSpreadMs)) : due
}

/** The due time after a run at `now`: one that is nearly due again, after a start or a stall, waits for the one after. */
export function dueAfter(id: string, everyMs: number, now: number): number {
  const due = nextDue(id, everyMs, now)
  return due - now < everyMs / 2 ? due + everyMs : due
}
