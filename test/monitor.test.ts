import { describe, expect, it } from 'vitest'
import type { Answer } from '../checks/probe.ts'
import type { AlertRecord } from '../server/evaluate/alert.ts'
import { derived, reconcileMetrics } from '../server/evaluate/derived.ts'
import type { HopRecord } from '../server/evaluate/hop-state.ts'
import { rulesOf } from '../server/evaluate/rule.ts'
import { targetsOf } from '../server/evaluate/target.ts'
import { Fault } from '../server/fault.ts'
import type { Check } from '../server/watch/check.ts'
import { openMonitor, type Monitor } from '../server/watch/monitor.ts'
import { reconcileCheck } from '../server/watch/reconcile-check.ts'
import type { CheckRecord, Steps, TurnRecord } from '../server/watch/steps.ts'
import { handClock, type Hands } from './hands.ts'

const second = 1_000
const everyMs = 5 * second

type Measure = (now: Date) => Answer | Promise<Answer>

const metrics = { dead_letters: { help: 'x', unit: 'records', signal: 'dead-letters' }, ...derived } as const

/** A check of a realtime pipeline, whose answer the test holds in its hand. */
function check(id: string, measure: Measure, more: Partial<Check> = {}): Check {
  const pipeline = id.split('.')[0]!
  const targets = targetsOf('realtime')
  return {
    id,
    pipeline,
    probe: 'test',
    everyMs,
    timeoutMs: 2 * second,
    paused: false,
    connections: ['crm'],
    metrics,
    rules: rulesOf({ pipeline, check: id, metrics, tier: 'realtime', targets, rules: [] }),
    stillMs: 60 * second,
    measure: async ({ now }) => measure(now()),
    ...more,
  }
}

/** What a store keeps: rows by their key, all of a turn or nothing. */
function memoryStore() {
  const turns: TurnRecord[] = []
  const checks = new Map<string, CheckRecord>()
  const hops = new Map<string, HopRecord>()
  const alerts = new Map<string, AlertRecord>()
  const store = {
    turns,
    alerts,
    down: false,
    complaints: [] as string[],
    sent: () => turns.flatMap(({ notices }) => notices.map(({ event, alert }) => `${event} ${alert.rule}`)),
    steps: {
      connection: () => {
        throw new Error('no connection here')
      },
      complain: (message: string) => store.complaints.push(message),
      async record(turn: TurnRecord) {
        if (store.down) throw new Error('the store is down')
        turns.push(turn)
        if (turn.check) checks.set(turn.check.id, turn.check)
        for (const hop of turn.hops) hops.set(`${hop.check} ${hop.hop}`, JSON.parse(JSON.stringify(hop)) as HopRecord)
        for (const alert of turn.alerts) {
          if (alert.status === 'quiet') alerts.delete(alert.rule)
          else alerts.set(alert.rule, alert)
        }
      },
      async recall(ids: readonly string[]) {
        return {
          checks: [...checks.values()].filter(({ id }) => ids.includes(id)),
          hops: [...hops.values()].filter(({ check }) => ids.includes(check)),
          alerts: [...alerts.values()].filter(({ check }) => ids.includes(check)),
        }
      },
      strays: async (ids: readonly string[]) => [...alerts.values()].filter(({ check }) => !ids.includes(check)),
    } satisfies Steps,
  }
  return store
}

interface Watched {
  readonly monitor: Monitor
  readonly clock: Hands
  readonly store: ReturnType<typeof memoryStore>
  readonly stop: AbortController
}

async function watch(
  checks: readonly Check[],
  before: Partial<Watched> = {},
  steps?: Partial<Steps>,
): Promise<Watched> {
  const clock = before.clock ?? handClock()
  const store = before.store ?? memoryStore()
  const stop = new AbortController()
  const monitor = await openMonitor({ checks, steps: { ...store.steps, ...steps }, timers: clock, signal: stop.signal })
  return { monitor, clock, store, stop }
}

const dead = (value: number): Answer => ({ readings: [{ metric: 'dead_letters', value }] })
const lag = (seconds: number, observedAt: Date): Answer => ({
  readings: [],
  positions: [
    {
      hop: 'end_to_end',
      observedAt,
      unit: 'microseconds',
      source: 100n,
      target: 50n,
      records: 7n,
      exact: { seconds, method: 'record_timestamp' },
    },
  ],
})
const silence = new Fault('system_unreachable', 'crm: no connection (ECONNREFUSED)', { hint: 'Start it.' })

describe('a turn', () => {
  it('leaves everything behind at once', async () => {
    const { clock, store } = await watch([check('orders.lag', (now) => lag(12, now))])
    await clock.turn(2 * second)
    expect(store.turns).toHaveLength(1)
    const [turn] = store.turns
    expect(turn).toMatchObject({
      observation: { check: 'orders.lag', answered: true },
      check: { id: 'orders.lag', runs: 1, answered: true },
      hops: [{ check: 'orders.lag', hop: 'end_to_end' }],
    })
    expect(turn!.samples.map(({ metric, value }) => [metric, value])).toEqual([
      ['lag_seconds', 12],
      ['lag_records', 7],
    ])
    expect(turn!.alerts.map(({ rule, status }) => `${rule} ${status}`)).toEqual([
      'orders.lag.lag_seconds.warn pending',
      'orders.lag.lag_seconds.crit pending',
    ])
    expect(turn!.notices).toEqual([])
  })

  it('stands for everybody to see, with its rules and hops', async () => {
    const { monitor, clock } = await watch([check('orders.lag', (now) => lag(3, now))])
    const heard: string[] = []
    const deaf = monitor.subscribe((pipelines) => heard.push(...pipelines))
    const before = monitor.standing()
    await clock.turn(2 * second)
    const standing = monitor.standing()
    expect(standing).not.toBe(before)
    expect(before.checks.get('orders.lag')).toMatchObject({ runs: 0, readings: [] })
    expect(standing.checks.get('orders.lag')).toMatchObject({ runs: 1, answered: true, everyMs, failures: {} })
    expect(standing.checks.get('orders.lag')?.nextAt?.getTime()).toBeGreaterThan(clock.now().getTime())
    expect(standing.hops).toMatchObject([{ pipeline: 'orders', check: 'orders.lag', lag: { seconds: 3 }, records: 7n }])
    expect(standing.rules.map(({ id }) => id)).toContain('orders.lag.dead_letters.crit')
    expect(monitor.vitals()).toMatchObject({ lastTurnAt: expect.any(Date), schedulerLagMs: 0 })
    expect(heard).toEqual(['orders'])
    deaf()
    await clock.turn(20 * second)
    expect(heard).toEqual(['orders'])
  })
})

describe('an alert of a realtime pipeline', () => {
  it('fires within half a minute, once, and says why; resolves when it has been well', async () => {
    let answer = dead(0)
    const { monitor, clock, store } = await watch([check('orders.queue', () => answer)])
    await clock.turn(10 * second)
    answer = dead(148)
    const began = clock.now().getTime()
    while (store.sent().length === 0) await clock.turn(second)
    expect(clock.now().getTime() - began).toBeLessThanOrEqual(30 * second)
    await clock.turn(60 * second)
    expect(store.sent()).toEqual(['fired orders.queue.dead_letters.warn', 'fired orders.queue.dead_letters.crit'])
    expect(monitor.standing().alerts).toMatchObject([
      { severity: 'warn', status: 'firing', value: 148, threshold: 0, why: '148 dead letters, target 0.' },
      { severity: 'crit', status: 'firing', value: 148, why: '148 dead letters, alert above 10.' },
    ])

    answer = dead(0)
    await clock.turn(120 * second)
    expect(store.sent().slice(2)).toEqual([
      'resolved orders.queue.dead_letters.warn',
      'resolved orders.queue.dead_letters.crit',
    ])
    expect(monitor.standing().alerts).toEqual([])
    const notices = store.turns.flatMap(({ notices }) => notices)
    expect(new Set(notices.map(({ id }) => id)).size).toBe(4)
    expect(notices[0]!.id).toBe(`${notices[0]!.alert.incident}.fired`)
    expect(notices[2]!.alert).toMatchObject({ incident: notices[0]!.alert.incident, resolvedAt: expect.any(Date) })
  })

  it('waits for the store: what could not be remembered has not happened, and is told once', async () => {
    const { monitor, clock, store } = await watch([check('orders.queue', () => dead(5))])
    await clock.turn(6 * second)
    store.down = true
    await clock.turn(60 * second)
    expect(monitor.standing().alerts).toMatchObject([{ status: 'pending' }])
    expect(monitor.standing().checks.get('orders.queue')!.runs).toBeGreaterThan(10)
    expect(store.complaints[0]).toBe('What orders.queue answered could not be stored.')
    store.down = false
    await clock.turn(60 * second)
    expect(store.sent()).toEqual(['fired orders.queue.dead_letters.warn'])
  })

  it('goes on where it was after a restart, and is not told again', async () => {
    const first = await watch([check('orders.queue', () => dead(5))])
    await first.clock.turn(40 * second)
    first.stop.abort()
    await first.clock.turn(5 * second)
    await first.monitor.ended()
    const runs = first.monitor.standing().checks.get('orders.queue')!.runs

    const again = await watch([check('orders.queue', () => dead(5))], first)
    expect(again.monitor.standing().alerts).toEqual(first.monitor.standing().alerts)
    expect(again.monitor.standing().checks.get('orders.queue')).toMatchObject({ runs, lastRunAt: expect.any(Date) })
    await again.clock.turn(40 * second)
    expect(again.store.sent()).toEqual(['fired orders.queue.dead_letters.warn'])
    expect(again.monitor.standing().checks.get('orders.queue')!.runs).toBeGreaterThan(runs)
  })

  it('shows who has it in hand until it is over', async () => {
    let answer = dead(5)
    const { monitor, clock } = await watch([check('orders.queue', () => answer)])
    await clock.turn(40 * second)
    const [{ incident } = { incident: '' }] = monitor.standing().alerts
    monitor.acknowledge(incident, 'ann')
    await clock.turn(20 * second)
    expect(monitor.standing().alerts).toMatchObject([{ incident, acknowledgedBy: 'ann' }])
    answer = dead(0)
    await clock.turn(120 * second)
    answer = dead(5)
    await clock.turn(40 * second)
    expect(monitor.standing().alerts[0]).not.toHaveProperty('acknowledgedBy')
  })

  it('that stands still says so, before any threshold is reached', async () => {
    const { monitor, clock } = await watch([check('orders.lag', (now) => lag(2, now))])
    await clock.turn(80 * second)
    expect(monitor.standing().hops[0]!.motion).toBe('stalled')
    expect(monitor.standing().alerts).toMatchObject([
      { rule: 'orders.lag.end_to_end.motion', kind: 'motion', severity: 'warn', signal: 'lag', status: 'firing' },
    ])
    expect(monitor.standing().alerts[0]!.why).toBe(
      'The target stands still while records wait for it. 7 records wait, lag 2\u202fs.',
    )
  })
})

describe('a check that does not answer', () => {
  it('has an alert of its own after three intervals, and freezes the others', async () => {
    let answer: Measure = () => dead(148)
    const { monitor, clock, store } = await watch([check('orders.queue', (now) => answer(now))])
    await clock.turn(30 * second)
    const before = monitor.standing().alerts
    expect(before.map(({ status }) => status)).toEqual(['firing', 'firing'])

    answer = () => Promise.reject(silence)
    await clock.turn(60 * second)
    expect(monitor.standing().alerts).toMatchObject([
      ...before,
      { rule: 'orders.queue.no-data', kind: 'no-data', severity: 'warn', status: 'firing' },
    ])
    expect(monitor.standing().alerts[2]!.why).toMatch(/^No answer for .*\. crm: no connection \(ECONNREFUSED\)$/)
    expect(monitor.standing().checks.get('orders.queue')).toMatchObject({
      answered: false,
      fault: { code: 'system_unreachable' },
      readings: dead(148).readings,
      failures: { system_unreachable: expect.any(Number) },
    })
    expect(store.sent().slice(2)).toEqual(['fired orders.queue.no-data'])

    answer = () => dead(148)
    await clock.turn(6 * second)
    expect(store.sent().slice(3)).toEqual(['resolved orders.queue.no-data'])
    expect(monitor.standing().alerts.map(({ incident }) => incident)).toEqual(before.map(({ incident }) => incident))
  })

  it('is forgiven two silences', async () => {
    let turns = 0
    const { clock, store } = await watch([
      check('orders.queue', () => (++turns % 3 ? Promise.reject(silence) : dead(0))),
    ])
    await clock.turn(120 * second)
    expect(store.sent()).toEqual([])
  })

  it('says that how it moves is no longer known, once it has been silent for long', async () => {
    let answer: Measure = (now) => lag(2, now)
    const { monitor, clock } = await watch([check('orders.lag', (now) => answer(now))])
    await clock.turn(10 * second)
    answer = () => Promise.reject(silence)
    await clock.turn(90 * second)
    expect(monitor.standing().hops).toMatchObject([{ motion: 'unknown', lag: { seconds: 2 } }])
  })

  it('never touches another: hanging, throwing, flooding, not even with a store that fails for it alone', async () => {
    const flood = { readings: Array.from({ length: 5_000 }, () => dead(1).readings[0]!) }
    const checks = [
      check('bad.hangs', () => new Promise<Answer>(() => {})),
      check('bad.throws', () => {
        throw new Error('boom')
      }),
      check('bad.floods', () => flood),
      check('bad.nan', () => dead(NaN)),
      check('good.queue', () => dead(0)),
    ]
    const store = memoryStore()
    const { monitor, clock } = await watch(
      checks,
      { store },
      {
        record: async (turn) => {
          if (turn.check?.pipeline === 'bad') throw new Error('no')
          await store.steps.record(turn)
        },
      },
    )
    await clock.turn(60 * second)
    expect(monitor.standing().checks.get('good.queue')).toMatchObject({ answered: true, failures: {} })
    expect(monitor.standing().checks.get('good.queue')!.runs).toBeGreaterThanOrEqual(12)
    const codes = checks.slice(0, 4).map(({ id }) => monitor.standing().checks.get(id)!.fault?.code)
    expect(codes).toEqual(['probe_timeout', 'probe_failed', 'limit_reached', 'probe_failed'])
  })
})

describe('a changed config', () => {
  it('keeps what is remembered by id, resolves what is gone, begins what is new', async () => {
    const old = [check('orders.queue', () => dead(5)), check('orders.gone', () => dead(5))]
    const { monitor, clock, store } = await watch(old)
    await clock.turn(30 * second)
    const runs = monitor.standing().checks.get('orders.queue')!.runs
    const told = store.sent().length

    await monitor.replace([check('orders.queue', () => dead(5)), check('orders.new', () => dead(0))])
    expect(store.sent().slice(told)).toEqual(['resolved orders.gone.dead_letters.warn'])
    expect([...monitor.standing().checks.keys()]).toEqual(['orders.queue', 'orders.new'])
    expect(monitor.standing().checks.get('orders.queue')!.runs).toBe(runs)
    await clock.turn(30 * second)
    expect(store.sent().slice(told + 1)).toEqual([])
    expect(monitor.standing().alerts).toMatchObject([{ check: 'orders.queue', status: 'firing' }])
    expect(monitor.standing().checks.get('orders.new')!.runs).toBeGreaterThan(4)
  })

  it('resolves an alert whose rule was taken out', async () => {
    const { monitor, clock, store } = await watch([check('orders.queue', () => dead(5))])
    await clock.turn(30 * second)
    await monitor.replace([check('orders.queue', () => dead(5), { rules: [] })])
    await clock.turn(12 * second)
    expect(store.sent()).toEqual(['fired orders.queue.dead_letters.warn', 'resolved orders.queue.dead_letters.warn'])
    expect(store.turns.at(-1)!.alerts).toEqual([])
  })

  it('resolves what went while we were not running', async () => {
    const first = await watch([check('orders.queue', () => dead(5))])
    await first.clock.turn(30 * second)
    first.stop.abort()
    const { store } = await watch([check('other.queue', () => dead(0))], first)
    expect(store.sent().at(-1)).toBe('resolved orders.queue.dead_letters.warn')
    expect(store.alerts.size).toBe(0)
  })

  it('runs nothing that is paused, and freezes its alerts', async () => {
    const { monitor, clock, store } = await watch([check('orders.queue', () => dead(5))])
    await clock.turn(30 * second)
    await monitor.replace([check('orders.queue', () => dead(0), { paused: true })])
    await clock.turn(120 * second)
    expect(store.sent()).toEqual(['fired orders.queue.dead_letters.warn'])
    expect(monitor.standing().checks.get('orders.queue')).toMatchObject({ paused: true })
    expect(monitor.standing().checks.get('orders.queue')).not.toHaveProperty('nextAt')
  })

  it('is not taken while the store cannot tell what it knows of it', async () => {
    const { monitor, clock } = await watch(
      [check('orders.queue', () => dead(0))],
      {},
      {
        recall: async (ids) => {
          if (ids.includes('orders.new')) throw new Error('down')
          return { checks: [], hops: [], alerts: [] }
        },
      },
    )
    await expect(monitor.replace([check('orders.new', () => dead(0))])).rejects.toThrow('down')
    await clock.turn(10 * second)
    expect(monitor.standing().checks.get('orders.queue')!.runs).toBeGreaterThan(0)
  })
})

describe('a run now', () => {
  it('answers with what was asked and answered, and counts as a turn', async () => {
    const measure: Check['measure'] = async ({ trace }) => {
      for (let i = 0; i < 300; i++) trace(`line ${i}`)
      return dead(3)
    }
    const { monitor, store } = await watch([check('orders.queue', () => dead(0), { measure, everyMs: 3_600 * second })])
    const { observation, trace } = await monitor.runNow('orders.queue')
    expect(observation).toMatchObject({ answered: true, readings: dead(3).readings })
    expect(trace).toHaveLength(201)
    expect(trace.at(-1)).toBe('(more than 200 lines; the rest is left out)')
    expect(store.turns).toHaveLength(1)
  })

  it('of what is not there, or of a pseudo check, is refused', async () => {
    const { monitor } = await watch([reconcileCheck('orders', [])])
    await expect(monitor.runNow('orders.nothing')).rejects.toMatchObject({ code: 'not_found' })
    await expect(monitor.runNow('orders.reconcile')).rejects.toMatchObject({ code: 'bad_request' })
  })
})

describe('the verdicts of runs', () => {
  const rules = rulesOf({
    pipeline: 'orders',
    check: 'orders.reconcile',
    metrics: reconcileMetrics,
    tier: 'operational',
    targets: targetsOf('operational'),
    rules: [],
  })
  const at = new Date()

  it('are judged at once, by the same rules, the worst pair first', async () => {
    const { monitor, clock, store } = await watch([reconcileCheck('orders', rules)])
    await monitor.judgeRuns('orders', [
      { pair: 'orders', at, matchRatio: 1, differingRecords: 0 },
      { pair: 'lines', at, matchRatio: 0.98, differingRecords: 20 },
    ])
    expect(store.sent()).toEqual(['fired orders.reconcile.match_ratio.warn'])
    expect(monitor.standing().alerts).toMatchObject([
      { signal: 'drift', value: 0.98, why: 'Match 98\u202f%, target 99.5\u202f%.' },
    ])
    expect(store.turns[0]!.samples.map(({ metric, value }) => [metric, value])).toEqual([
      ['match_ratio', 0.98],
      ['differing_records', 20],
    ])
    await clock.turn(86_400 * second)
    expect(store.turns).toHaveLength(1)
    await monitor.judgeRuns('orders', [{ pair: 'lines', at, matchRatio: 1, differingRecords: 0 }])
    expect(store.sent()[1]).toBe('resolved orders.reconcile.match_ratio.warn')
  })

  it('that could not tell are a silence, and neither a match nor drift', async () => {
    const { monitor, store } = await watch([reconcileCheck('orders', rules)])
    await monitor.judgeRuns('orders', [{ pair: 'orders', at }])
    expect(store.sent()).toEqual(['fired orders.reconcile.no-data'])
    expect(monitor.standing().checks.get('orders.reconcile')).toMatchObject({ answered: false, readings: [] })
  })

  it('of two runs that end together are judged one after the other', async () => {
    const { monitor, store } = await watch([reconcileCheck('orders', rules)])
    const drift = [{ pair: 'orders', at, matchRatio: 0.9 }]
    await Promise.all([monitor.judgeRuns('orders', drift), monitor.judgeRuns('orders', drift)])
    expect(store.sent()).toEqual(['fired orders.reconcile.match_ratio.warn'])
    await monitor.judgeRuns('nothing', drift)
  })
})

describe('several processes', () => {
  it('share checks out: one runs, the other waits, and takes over what the first knew', async () => {
    const store = memoryStore()
    const clock = handClock()
    let leader = 'one'
    const claim = (me: string) => async () => leader === me
    const one = await watch([check('orders.queue', () => dead(5))], { store, clock }, { claim: claim('one') })
    const two = await watch([check('orders.queue', () => dead(5))], { store, clock }, { claim: claim('two') })
    await clock.turn(40 * second)
    expect(store.sent()).toEqual(['fired orders.queue.dead_letters.warn'])
    expect(two.monitor.standing().checks.get('orders.queue')).toMatchObject({ runs: 0, skipped: { leader: 9 } })

    await two.monitor.refresh()
    expect(two.monitor.standing().alerts).toMatchObject([{ status: 'firing' }])

    leader = 'two'
    await clock.turn(40 * second)
    expect(store.sent()).toEqual(['fired orders.queue.dead_letters.warn'])
    expect(one.monitor.standing().checks.get('orders.queue')!.skipped.leader).toBeGreaterThan(5)
    expect(two.monitor.standing().checks.get('orders.queue')!.runs).toBeGreaterThan(12)
  })
})
