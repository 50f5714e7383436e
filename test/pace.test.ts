import { describe, expect, it } from 'vitest'
import { Fault } from '../server/fault.ts'
import { openPace, type Waiting } from '../server/reconcile/pace.ts'
import { pairSchema, type PairInput } from '../server/reconcile/pair.ts'
import type { Side } from '../server/sides/side.ts'

type Load = Side['load']
type Number = Side['number']

/** A run's pace on a clock that only sleeping moves. */
function paced(pace: PairInput['pace'], answers: { load?: Load; number?: Number; same?: boolean } = {}) {
  const spec = pairSchema.parse({
    id: 'pair',
    source: { table: 'crm.t' },
    target: { table: 'billing.t' },
    key: ['id'],
    timezone: 'Europe/Berlin',
    pace,
  })
  const asked: { at: number; what: string }[] = []
  const told: (Waiting | undefined)[] = []
  const clock = { ms: Date.parse('2026-03-10T12:00:00Z') }
  const startMs = clock.ms
  let pausedBy: string | undefined
  const side = (name: string) =>
    ({
      name,
      load(of: 'sessions' | 'replica_lag', signal?: AbortSignal) {
        asked.push({ at: clock.ms - startMs, what: `${name} ${of}` })
        return answers.load?.(of, signal) ?? Promise.resolve(0)
      },
      number(sql: string, signal?: AbortSignal) {
        asked.push({ at: clock.ms - startMs, what: `${name} ${sql}` })
        return answers.number?.(sql, signal) ?? Promise.resolve(0)
      },
    }) as Side
  const opened = openPace({
    limits: spec.pace,
    timezone: spec.timezone,
    sides: { source: side('crm'), target: side(answers.same ? 'crm' : 'billing') },
    now: () => clock.ms,
    async sleep(ms, signal) {
      await new Promise((resolve) => setImmediate(resolve))
      signal.throwIfAborted()
      clock.ms += ms
    },
    pausedBy: () => pausedBy,
    told: (waiting) => void told.push(waiting),
  })
  const stop = new AbortController()
  return {
    pace: opened,
    turn: () => opened.turn(stop.signal),
    stop,
    asked,
    told,
    clock,
    elapsed: () => clock.ms - startMs,
    pause: (by: string | undefined) => void (pausedBy = by),
  }
}

const busyFor = (answers: number[]) => async () => answers.shift() ?? 0

describe('a run at its pace', () => {
  it('goes on at once, and asks nothing, when nothing is limited', async () => {
    const { turn, asked, told, elapsed } = paced({})
    await turn()
    expect({ asked, told, elapsed: elapsed() }).toEqual({ asked: [], told: [], elapsed: 0 })
  })

  it('asks both sides, and a server that both are on once', async () => {
    const two = paced({ sessions: 3, replicaLag: '5s' })
    await two.turn()
    expect(two.asked.map(({ what }) => what)).toEqual([
      'crm sessions',
      'crm replica_lag',
      'billing sessions',
      'billing replica_lag',
    ])
    const one = paced({ sessions: 3 }, { same: true })
    await one.turn()
    expect(one.asked.map(({ what }) => what)).toEqual(['crm sessions'])
  })

  it.each([
    [
      'sessions',
      { sessions: 20 },
      { load: busyFor([31, 0]) },
      'crm has 31 active sessions besides ours; 20 are allowed.',
    ],
    [
      'replica_lag',
      { replicaLag: '5s' },
      { load: busyFor([7.25, 0]) },
      'A replica of crm is 7.25 s behind; 5 s are allowed.',
    ],
    [
      'replica_lag',
      { replicaLag: '5s' },
      { load: busyFor([Infinity]) },
      'A replica of crm is catching up; 5 s of lag are allowed.',
    ],
    [
      'query',
      { wait: [{ side: 'target', sql: 'select 4', above: 3 }] },
      { number: busyFor([4]) },
      'billing answers 4 to pace.wait; 3 is allowed.',
    ],
  ] as const)('waits for %s, in words', async (reason, pace, answers, why) => {
    const { turn, told, clock } = paced(pace as PairInput['pace'], answers)
    const sinceMs = clock.ms
    await turn()
    expect(told).toEqual([{ reason, why, sinceMs }, undefined])
  })

  it('goes on at exactly what is allowed', async () => {
    const { turn, told } = paced(
      { sessions: 20, replicaLag: '5s' },
      { load: async (of) => (of === 'sessions' ? 20 : 5) },
    )
    await turn()
    expect(told).toEqual([])
  })

  it('takes what is no number for too much', async () => {
    const { turn, told } = paced({ sessions: 20 }, { load: busyFor([NaN]) })
    await turn()
    expect(told[0]?.reason).toBe('sessions')
  })

  it('asks a busy side less and less often, and at least every half minute', async () => {
    const { turn, asked } = paced({ sessions: 0 }, { load: busyFor(Array(9).fill(1)), same: true })
    await turn()
    const gaps = asked.slice(1).map(({ at }, place) => at - asked[place]!.at)
    expect(gaps).toEqual([1, 2, 4, 8, 16, 30, 30, 30, 30].map((s) => s * 1_000))
  })

  it('begins with short waits again once it has gone on', async () => {
    const answers = [1, 1, 1, 0, 1, 0]
    const { turn, asked, clock } = paced({ sessions: 0 }, { load: busyFor(answers), same: true })
    await turn()
    clock.ms += 5_000
    const before = asked.length
    await turn()
    expect(asked[before + 1]!.at - asked[before]!.at).toBe(1_000)
  })

  it('lets lanes that come together share one answer, and asks again a second later', async () => {
    const { turn, asked, clock } = paced({ sessions: 5 }, { same: true })
    await Promise.all([turn(), turn(), turn(), turn()])
    expect(asked.length).toBe(1)
    clock.ms += 999
    await turn()
    expect(asked.length).toBe(1)
    clock.ms += 1
    await turn()
    expect(asked.length).toBe(2)
  })

  it('waits for its time window, and says until when', async () => {
    const { turn, told, clock } = paced({ window: '22:00-06:00' })
    await turn()
    expect(new Date(clock.ms).toISOString()).toBe('2026-03-10T21:00:00.000Z')
    expect(told).toEqual([
      {
        reason: 'window',
        why: 'Outside the time window 22:00-06:00 (Europe/Berlin).',
        untilMs: Date.parse('2026-03-10T21:00:00Z'),
        sinceMs: Date.parse('2026-03-10T12:00:00Z'),
      },
      undefined,
    ])
  })

  it('asks no busy question outside its window or while it is paused', async () => {
    const { turn, asked, pause, clock, told } = paced({ window: '14:00-15:00', sessions: 1 }, { same: true })
    pause('ada')
    const going = turn()
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(asked).toEqual([])
    pause(undefined)
    clock.ms = Math.max(clock.ms, Date.parse('2026-03-11T13:30:00Z'))
    await going
    expect(told[0]).toMatchObject({ reason: 'paused', why: 'Paused by ada.' })
    expect(asked.length).toBe(1)
  })

  it('holds the rows it reads to the cap, over one lane or four', async () => {
    for (const lanes of [1, 4]) {
      const { pace, stop, elapsed, clock } = paced({ rowsPerSecond: 1_000 })
      let rows = 0
      const work = async () => {
        while (rows < 100_000) {
          await pace.turn(stop.signal)
          clock.ms += 10
          rows += 700
          pace.took(700, 10)
        }
      }
      await Promise.all(Array.from({ length: lanes }, work))
      const allowed = (elapsed() / 1_000) * 1_000
      expect(rows).toBeLessThanOrEqual(allowed + 700 * lanes * 2)
      expect(rows).toBeGreaterThan(allowed * 0.9)
    }
  })

  it('does not save up rows while it has nothing to read', async () => {
    const { turn, pace, clock, elapsed } = paced({ rowsPerSecond: 100 })
    await turn()
    clock.ms += 3_600_000
    pace.took(1_000, 10)
    const from = elapsed()
    await turn()
    expect(elapsed() - from).toBe(10_000)
  })

  it('says how much a slice should read under a cap, and nothing without one', () => {
    expect(paced({ rowsPerSecond: 250 }).pace.rowsMax).toBe(250)
    expect(paced({}).pace.rowsMax).toBeUndefined()
  })

  it('waits while a side does not say how busy it is, and goes on when it does', async () => {
    const refused = new Fault('system_unreachable', 'crm: no connection (ECONNREFUSED).', { hint: 'Check it.' })
    let left = 3
    const { turn, told } = paced(
      { sessions: 5 },
      { load: () => (left-- > 0 ? Promise.reject(refused) : Promise.resolve(0)) },
    )
    await turn()
    expect(told.map((one) => one && [one.reason, one.why])).toEqual([
      ['unanswered', 'How busy it is could not be asked. crm: no connection (ECONNREFUSED).'],
      undefined,
    ])
  })

  it('gives up when nobody answers for two minutes, for good and in words', async () => {
    const refused = new Fault('system_permission', 'crm: sync may not see what 3 of the sessions are doing.', {
      hint: 'GRANT pg_monitor TO sync, or take pace.sessions out.',
    })
    const { turn, asked, elapsed } = paced({ sessions: 5 }, { load: () => Promise.reject(refused), same: true })
    const gone = {
      code: 'system_permission',
      message:
        'How busy it is could not be asked for 2 minutes. crm: sync may not see what 3 of the sessions are doing.',
      hint: 'GRANT pg_monitor TO sync, or take pace.sessions out.',
    }
    await expect(turn()).rejects.toMatchObject(gone)
    expect(elapsed()).toBeGreaterThanOrEqual(120_000)
    expect(elapsed()).toBeLessThan(160_000)
    const questions = asked.length
    await expect(turn()).rejects.toMatchObject(gone)
    expect(asked.length).toBe(questions)
  })

  it('takes a statement that answers nothing for no answer', async () => {
    const answers = [null, 0]
    const { turn, told } = paced(
      { wait: [{ side: 'source', sql: 'select null', above: 3 }] },
      { number: async () => answers.shift()! },
    )
    await turn()
    expect(told.map((one) => one?.why)).toEqual([
      'How busy it is could not be asked. crm: the statement answered no number.',
      undefined,
    ])
  })

  it('stops waiting when the run is stopped', async () => {
    const { turn, pause, stop } = paced({})
    pause('ada')
    const going = turn()
    stop.abort(new Error('stopped'))
    await expect(going).rejects.toThrow('stopped')
  })

  it('knows how many slices are under way', async () => {
    const { turn, pace } = paced({})
    await turn()
    await turn()
    expect(pace.underWay()).toBe(2)
    pace.took(5, 1)
    expect(pace.underWay()).toBe(1)
  })
})
