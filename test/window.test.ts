import { describe, expect, it } from 'vitest'
import { openingsOf, windowOf } from '../server/reconcile/window.ts'

const opening = (window: string, timezone: string, at: string) =>
  new Date(openingsOf(windowOf(window)!, timezone)(Date.parse(at))).toISOString()

describe('a time window', () => {
  it.each(['', '22-06', '22:00', '24:00-06:00', '22:60-06:00', '22:00-22:00', ' 22:00-06:00', '22:00-06:00x'])(
    'is not %j',
    (text) => expect(windowOf(text)).toBeUndefined(),
  )

  it.each([
    ['is open from its first minute', '08:00-18:00', 'UTC', '2026-03-10T08:00:00Z', '2026-03-10T08:00:00.000Z'],
    ['is open to the end of its last minute', '08:00-18:00', 'UTC', '2026-03-10T17:59:59Z', '2026-03-10T17:59:59.000Z'],
    ['is closed at its end', '08:00-18:00', 'UTC', '2026-03-10T18:00:00Z', '2026-03-11T08:00:00.000Z'],
    ['goes over midnight', '22:00-06:00', 'UTC', '2026-03-10T02:30:00Z', '2026-03-10T02:30:00.000Z'],
    ['opens in the evening', '22:00-06:00', 'UTC', '2026-03-10T06:00:00Z', '2026-03-10T22:00:00.000Z'],
    [
      'goes by the clock of its timezone',
      '22:00-06:00',
      'Asia/Kathmandu',
      '2026-03-10T12:00:00Z',
      '2026-03-10T16:15:00.000Z',
    ],
    [
      'opens an hour sooner after the clocks went forward',
      '22:00-06:00',
      'Europe/Berlin',
      '2026-03-29T12:00:00Z',
      '2026-03-29T20:00:00.000Z',
    ],
    [
      'opened an hour later the day before',
      '22:00-06:00',
      'Europe/Berlin',
      '2026-03-28T12:00:00Z',
      '2026-03-28T21:00:00.000Z',
    ],
    [
      'ends an hour sooner in the night they do',
      '22:00-06:00',
      'Europe/Berlin',
      '2026-03-29T04:00:00Z',
      '2026-03-29T20:00:00.000Z',
    ],
    [
      'lasts an hour longer in the night they go back',
      '22:00-06:00',
      'Europe/Berlin',
      '2026-10-25T04:59:00Z',
      '2026-10-25T04:59:00.000Z',
    ],
    [
      'is open in both hours that are called the same',
      '02:00-03:00',
      'Europe/Berlin',
      '2026-10-25T01:30:00Z',
      '2026-10-25T01:30:00.000Z',
    ],
    [
      'opens the day after one whose hour is skipped',
      '02:00-03:00',
      'Europe/Berlin',
      '2026-03-28T12:00:00Z',
      '2026-03-30T00:00:00.000Z',
    ],
    [
      'opens within the skipped hour at the first instant there is',
      '02:30-03:30',
      'Europe/Berlin',
      '2026-03-28T12:00:00Z',
      '2026-03-29T01:00:00.000Z',
    ],
  ])('%s', (_, window, timezone, at, opens) => expect(opening(window, timezone, at)).toBe(opens))

  it('opens at the first minute of the day that is within, for any window, zone and instant', () => {
    const zones = ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Pacific/Chatham']
    const pad = (value: number) => String(value).padStart(2, '0')
    const clock = (minute: number) => `${pad(Math.floor(minute / 60))}:${pad(minute % 60)}`
    for (let seed = 1; seed <= 60; seed++) {
      const [from, to] = [(seed * 7_919) % 1_440, (seed * 104_729 + 1) % 1_440]
      const timezone = zones[seed % zones.length]!
      const at = Date.UTC(2026, 0, 1) + ((seed * 2_654_435_761) % 31_536_000) * 1_000
      if (from === to) continue
      const wall = new Intl.DateTimeFormat('sv', { timeZone: timezone, hour: '2-digit', minute: '2-digit' })
      const local = (ms: number) => wall.format(ms)
      const inside = (ms: number) =>
        from < to
          ? local(ms) >= clock(from) && local(ms) < clock(to)
          : local(ms) >= clock(from) || local(ms) < clock(to)
      const opens = openingsOf({ from, to }, timezone)(at)
      expect(inside(opens)).toBe(true)
      expect(opens).toBeGreaterThanOrEqual(at)
      for (let ms = at; ms < opens; ms += 60_000) expect(inside(ms)).toBe(false)
    }
  })
})
