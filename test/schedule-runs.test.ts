import { describe, expect, it } from 'vitest'
import { nextDue } from '../server/work/due.ts'
import { turnSchedule, type Scheduled } from '../server/work/schedule.ts'

/** Every occasion of a schedule from one instant up to another. */
function occasions(schedule: string, timezone: string, from: string, to: string): string[] {
  const found: string[] = []
  let at = new Date(from)
  for (;;) {
    const due = nextDue(schedule, timezone, at)
    if (!due || due.at > new Date(to)) return found
    found.push(`${due.occasion} (${due.at.toISOString().slice(5, 16)}Z)`)
    at = due.at
  }
}

describe('a nightly schedule in its own time zone', () => {
  it('keeps its local time when the clocks go forward and back', () => {
    expect(occasions('0 2 * * *', 'Europe/Berlin', '2027-01-01T12:00Z', '2027-01-02T12:00Z')).toEqual([
      '2027-01-02 02:00 (01-02T01:00Z)',
    ])
    expect(occasions('0 2 * * *', 'Europe/Berlin', '2027-07-01T12:00Z', '2027-07-02T12:00Z')).toEqual([
      '2027-07-02 02:00 (07-02T00:00Z)',
    ])
  })

  it('runs once in the night in which its time does not exist', () => {
    expect(occasions('30 2 * * *', 'Europe/Rome', '2027-03-27T12:00Z', '2027-03-29T12:00Z')).toEqual([
      '2027-03-28 03:00 (03-28T01:00Z)',
      '2027-03-29 02:30 (03-29T00:30Z)',
    ])
  })

  it('runs once in the night in which its time comes twice', () => {
    const nights = occasions('30 2 * * *', 'Europe/Rome', '2027-10-30T12:00Z', '2027-11-01T12:00Z')
    const dates = nights.map((night) => night.slice(0, 10))
    expect(new Set(dates)).toEqual(new Set(['2027-10-31', '2027-11-01']))
    expect(new Set(nights.map((night) => night.slice(0, 16))).size).toBe(2)
  })
})

/** A schedule with its store in a map, and the runs it asked for. */
function clockwork(scheduled: readonly Scheduled[]) {
  const dues = new Map<string, { pairId: string; schedule: string; at: Date; occasion: string }>()
  const runs = new Set<string>()
  const look = (at: string, wanted = scheduled, fails = false) =>
    turnSchedule(wanted, {
      dues: async () => [...dues.values()],
      async setDue(due, was) {
        if (fails) throw new Error('the store went away')
        if (was && dues.get(due.pairId)?.at.getTime() !== was.getTime()) return false
        dues.set(due.pairId, due)
        return true
      },
      async keepDues(pairs) {
        for (const pair of dues.keys()) if (!pairs.includes(pair)) dues.delete(pair)
      },
      requestRun: async ({ pair, mode, occasion }) =>
        void runs.add(`${pair} ${mode === 'full' ? '' : `${mode} `}${occasion}`),
      now: () => new Date(at),
      complain() {},
    })
  return { look, runs, dues }
}

const nightly = { pair: 'customers', mode: 'full', schedule: '0 2 * * *', timezone: 'UTC' } as const

describe('the schedule of a pair', () => {
  it('runs when it is due, and not before', async () => {
    const { look, runs } = clockwork([nightly])
    for (const at of ['2027-01-01T12:00Z', '2027-01-02T01:59:59Z']) await look(at)
    expect([...runs]).toEqual([])
    await look('2027-01-02T02:00:03Z')
    await look('2027-01-02T02:00:08Z')
    expect([...runs]).toEqual(['customers 2027-01-02 02:00'])
  })

  it('catches a missed night up once, however many were missed', async () => {
    const { look, runs } = clockwork([nightly])
    await look('2027-01-01T12:00Z')
    await look('2027-01-05T09:00Z')
    await look('2027-01-05T09:00:05Z')
    expect([...runs]).toEqual(['customers 2027-01-02 02:00'])
  })

  it('asks for the same occasion again when it died before it could note the next, and for no other', async () => {
    const { look, runs } = clockwork([nightly])
    await look('2027-01-01T12:00Z')
    await expect(look('2027-01-02T02:00:03Z', [nightly], true)).rejects.toThrow('the store went away')
    await look('2027-01-02T02:00:08Z')
    expect([...runs]).toEqual(['customers 2027-01-02 02:00'])
  })

  it('runs in other modes beside, each at its own times', async () => {
    const often = { pair: 'customers', mode: 'incremental', schedule: '*/5 * * * *', timezone: 'UTC' } as const
    const weekly = { ...nightly, beside: 'full', schedule: '0 12 * * 5' }
    const scrub = { pair: 'customers', mode: 'scrub', beside: 'scrub', everyMs: 900_000 } as const
    const { look, runs, dues } = clockwork([often, weekly, scrub])
    await look('2027-01-01T11:58Z')
    for (const at of ['2027-01-01T12:00:01Z', '2027-01-01T12:00:06Z', '2027-01-01T12:05:01Z']) await look(at)
    expect([...runs]).toEqual([
      'customers incremental 2027-01-01 12:00',
      'customers full 2027-01-01 12:00',
      'customers scrub scrub 2027-01-01T12:00:00.000Z',
      'customers incremental 2027-01-01 12:05',
    ])
    await look('2027-01-01T12:06Z', [often])
    expect([...dues.keys()]).toEqual(['customers'])
  })

  it('starts anew when it is changed, and is forgotten when it is gone', async () => {
    const { look, runs, dues } = clockwork([nightly])
    await look('2027-01-01T12:00Z')
    await look('2027-01-01T12:00:05Z', [{ ...nightly, schedule: '0 14 * * *' }])
    await look('2027-01-01T14:00:05Z', [{ ...nightly, schedule: '0 14 * * *' }])
    expect([...runs]).toEqual(['customers 2027-01-01 14:00'])
    await look('2027-01-01T15:00Z', [])
    expect(dues.size).toBe(0)
  })
})
