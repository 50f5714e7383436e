/** A part of every day by a clock on the wall: minutes since midnight, `from` included, `to` not; over midnight when later. */
export interface Window {
  readonly from: number
  readonly to: number
}

const minuteMs = 60_000
const minutesDay = 1_440
/** A day has 25 hours at most, and one that clocks skip an hour of may have no such hour at all. */
const minutesMax = 60 * 51

const form = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$/

/** Reads `22:00-06:00`; undefined when it is no window. */
export function windowOf(text: string): Window | undefined {
  const [from, fromMinute, to, toMinute] = (form.exec(text) ?? []).slice(1).map(Number)
  if (from === undefined) return undefined
  const window = { from: from * 60 + fromMinute!, to: to! * 60 + toMinute! }
  return window.from === window.to ? undefined : window
}

const within = ({ from, to }: Window, minute: number) =>
  from < to ? minute >= from && minute < to : minute >= from || minute < to

/**
 * Answers the first instant from a given one on at which the clock of the timezone is within the window, in epoch
 * milliseconds; the given one when it is. An hour that comes twice is open twice; a window whose hours are skipped opens
 * the day after.
 */
export function openingsOf(window: Window, timezone: string): (atMs: number) => number {
  const clock = new Intl.DateTimeFormat('en-GB', { timeZone: timezone, hour: '2-digit', minute: '2-digit' })
  const minuteOf = (ms: number) => {
    const [hour, minute] = clock.format(ms).split(':').map(Number)
    return hour! * 60 + minute!
  }
  return (atMs) => {
    if (within(window, minuteOf(atMs))) return atMs
    const first = Math.floor(atMs / minuteMs) + 1
    // On most days it is as far off as the clock says; where it is not, clocks change on the way.
    const ahead = (window.from - minuteOf(first * minuteMs) + minutesDay) % minutesDay
    const plain = (first + ahead) * minuteMs
    if (minuteOf(plain) === window.from) return plain
    for (let step = 0; step < minutesMax; step++) {
      if (within(window, minuteOf((first + step) * minuteMs))) return (first + step) * minuteMs
    }
    return (first + minutesMax) * minuteMs
  }
}
