import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { firstDue, nextDue, phaseOf } from '../server/watch/schedule.ts'
import { openScheduler, type Scheduled } from '../server/watch/scheduler.ts'
import { handClock } from './hands.ts'

const second = 1_000
const start = Date.UTC(2026, 0, 1)

/** A scheduler whose runs last as long as the test says, and a log of what it did. */
function playground(concurrency = 10, lastsMs: (id: string) => number = () => 0) {
  const clock = handClock(start)
  const stop = new AbortController()
  const log: string[] = []
  const skipped: string[] = []
  let now = 0
  let most = 0
  const scheduler = openScheduler<number>({
    timers: clock,
    signal: stop.signal,
    concurrency,
    skipped: (id) => skipped.push(id),
    async run(id) {
      most = Math.max(most, ++now)
      const at = clock.now().getTime() - start
      log.push(`${id}@${at}`)
      const ms = lastsMs(id)
      if (ms > 0) await new Promise<void>((done) => clock.after(ms, done))
      now--
      return at
    },
  })
  const begin = (checks: readonly Scheduled[], last: (id: string) => Date | undefined = () => undefined) =>
    scheduler.replace(checks, last)
  return { clock, stop, log, skipped, scheduler, begin, most: () => most }
}

const every = (id: string, seconds: number, paused = false): Scheduled => ({ id, everyMs: seconds * second, paused })
const times = (log: readonly string[], id: string) =>
  log.filter((line) => line.startsWith(`${id}@`)).map((line) => Number(line.split('@')[1]))
const gaps = (at: readonly number[]) => at.slice(1).map((each, index) => each - at[index]!)

describe('when a check is due', () => {
  it('is after now, within an interval, always at the same place in it', () => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1_000, max: 86_400_000 }), fc.nat(), (id, everyMs, after) => {
        const due = nextDue(id, everyMs, after)
        expect(due).toBeGreaterThan(after)
        expect(due - after).toBeLessThanOrEqual(everyMs)
        expect(due % everyMs).toBe(phaseOf(id, everyMs))
        expect(nextDue(id, everyMs, due)).toBe(due + everyMs)
      }),
    )
  })

  it('is spread over the interval by its id', () => {
    const phases = Array.from({ length: 1_000 }, (_, i) => phaseOf(`orders.check-${i}`, 60_000))
    const perTenth = Array.from(
      { length: 10 },
      (_, part) => phases.filter((ms) => Math.floor(ms / 6_000) === part).length,
    )
    expect(Math.min(...perTenth)).toBeGreaterThan(60)
    expect(Math.max(...perTenth)).toBeLessThan(140)
  })

  it('is soon for one that is new or overdue, and as ever for one that ran on time', () => {
    const now = start + 12_345
    expect(firstDue('a', 900_000, now, undefined) - now).toBeLessThan(2_000)
    expect(firstDue('a', 900_000, now, now - 3_600_000) - now).toBeLessThan(2_000)
    expect(firstDue('a', 900_000, now, now - 1)).toBe(nextDue('a', 900_000, now))
  })
})

describe('a scheduler', () => {
  it('runs every check on its interval, and a slow one does not drift', async () => {
    const { clock, log, begin } = playground(10, (id) => (id === 'slow' ? 3 * second : 0))
    begin([every('fast', 5), every('slow', 10)])
    await clock.turn(100 * second)
    expect(new Set(gaps(times(log, 'fast').slice(1)))).toEqual(new Set([5 * second]))
    expect(new Set(gaps(times(log, 'slow').slice(1)))).toEqual(new Set([10 * second]))
  })

  it('never runs one twice at once, and counts what it left out', async () => {
    const { clock, log, skipped, begin, most } = playground(10, () => 12 * second)
    begin([every('a', 5)])
    await clock.turn(61 * second)
    expect(most()).toBe(1)
    expect(gaps(times(log, 'a').slice(1)).every((gap) => gap === 15 * second)).toBe(true)
    expect(skipped.length).toBeGreaterThanOrEqual(7)
  })

  it('runs no more at once than it may, and each in its turn', async () => {
    const ids = ['a', 'b', 'c', 'd', 'e', 'f']
    const { clock, log, begin, most } = playground(2, () => 1 * second)
    begin(ids.map((id) => every(id, 3_600)))
    await clock.turn(30 * second)
    expect(most()).toBe(2)
    expect(ids.map((id) => times(log, id).length)).toEqual([1, 1, 1, 1, 1, 1])
  })

  it('is not held up by one that hangs', async () => {
    const { clock, log, begin } = playground(10, (id) => (id === 'hung' ? 1e9 : 0))
    begin([every('hung', 5), every('well', 5)])
    await clock.turn(60 * second)
    expect(times(log, 'hung')).toHaveLength(1)
    expect(times(log, 'well').length).toBeGreaterThanOrEqual(12)
  })

  it('tells how late it runs', async () => {
    const { clock, scheduler, begin } = playground(1, () => 4 * second)
    begin(['a', 'b', 'c'].map((id) => every(id, 3_600)))
    await clock.turn(30 * second)
    expect(scheduler.lagMs).toBeGreaterThanOrEqual(4 * second)
  })

  it('runs nothing that is paused, and says when the others are next', async () => {
    const { clock, log, scheduler, begin } = playground()
    begin([every('a', 5), every('paused', 5, true)])
    await clock.turn(60 * second)
    expect(times(log, 'paused')).toEqual([])
    expect(scheduler.nextAt('paused')).toBeUndefined()
    expect(scheduler.nextAt('a')!.getTime() - clock.now().getTime()).toBeLessThanOrEqual(5 * second)
  })

  it('runs at once when asked, and joins a run that is under way', async () => {
    const { clock, log, scheduler, begin } = playground(1, () => 2 * second)
    begin([every('a', 3_600)], () => new Date(start))
    const first = scheduler.runNow('a')
    const second_ = scheduler.runNow('a')
    await clock.turn(3 * second)
    expect(await first).toBe(await second_)
    expect(times(log, 'a')).toHaveLength(1)
  })

  it('takes over another list, and lets what is under way end', async () => {
    const { clock, log, begin } = playground(10, () => 3 * second)
    begin([every('old', 5), every('kept', 5)])
    await clock.turn(20 * second)
    begin([every('kept', 10), every('new', 5)], (id) => (id === 'kept' ? clock.now() : undefined))
    const before = times(log, 'old').length
    await clock.turn(60 * second)
    expect(times(log, 'old')).toHaveLength(before)
    expect(new Set(gaps(times(log, 'kept').slice(-4)))).toEqual(new Set([10 * second]))
    expect(times(log, 'new').length).toBeGreaterThan(10)
  })

  it('stops on its signal, and ends when the last run does', async () => {
    const { clock, log, stop, scheduler, begin } = playground(10, () => 3 * second)
    begin([every('a', 5)])
    await clock.turn(6 * second)
    stop.abort()
    let ended = false
    void scheduler.ended().then(() => (ended = true))
    const before = log.length
    await clock.turn(4 * second)
    expect(ended).toBe(true)
    await clock.turn(60 * second)
    expect(log).toHaveLength(before)
    expect(clock.waiting).toBe(0)
  })

  it('sleeps for longer than a timer can', async () => {
    const { clock, log, begin } = playground()
    const month = 40 * 86_400
    begin([every('monthly', month)], () => new Date(start))
    await clock.turn(2 * month * second)
    expect(times(log, 'monthly').length).toBeGreaterThanOrEqual(1)
    expect(times(log, 'monthly').length).toBeLessThanOrEqual(2)
  })
})
