import { describe, expect, it } from 'vitest'
import type { Answer, ProbeContext } from '../checks/probe.ts'
import { Fault } from '../server/fault.ts'
import type { Check } from '../server/watch/check.ts'
import { hopsMax, observe, readingsMax } from '../server/watch/observe.ts'
import { handClock } from './hands.ts'

const second = 1_000

const check = (measure: Check['measure']): Check => ({
  id: 'orders.lag',
  pipeline: 'orders',
  probe: 'test',
  everyMs: 15 * second,
  timeoutMs: 10 * second,
  paused: false,
  connections: [],
  rules: [],
  metrics: { depth_records: { help: 'x', unit: 'records' }, age_seconds: { help: 'x', unit: 'seconds' } },
  stillMs: 60 * second,
  measure,
})

/** Observes once and turns the hands past the deadline. */
async function look(measure: Check['measure'], stop = new AbortController()) {
  const clock = handClock()
  const context: ProbeContext = {
    signal: stop.signal,
    now: clock.now,
    connection: () => {
      throw new Error('no connection here')
    },
    trace() {},
  }
  const observed = observe(check(measure), context, clock)
  observed.catch(() => {})
  await clock.turn(11 * second)
  expect(clock.waiting, 'timers left behind').toBe(0)
  return observed
}

const one = (value: number): Answer => ({ readings: [{ metric: 'depth_records', value }] })

describe('what a probe answers', () => {
  it('is an observation', async () => {
    expect(await look(async () => one(7))).toEqual({
      check: 'orders.lag',
      at: new Date(Date.UTC(2026, 0, 1)),
      tookMs: 0,
      answered: true,
      readings: [{ metric: 'depth_records', value: 7 }],
    })
  })

  it('may be nothing, and that is an answer', async () => {
    expect(await look(async () => ({ readings: [] }))).toMatchObject({ answered: true, readings: [] })
  })
})

describe('a probe that misbehaves', () => {
  const named = (metric: string, value: number) => ({ readings: [{ metric, value }] })
  const hop = (name: string, seconds = 1) =>
    ({ hop: name, observedAt: new Date(), unit: 'records', exact: { seconds, method: 'reported' } }) as const

  it.each<[string, Check['measure'], string, RegExp]>([
    ['hangs', () => new Promise(() => {}), 'probe_timeout', /did not answer within 10000 ms/],
    ['throws', () => Promise.reject(new TypeError('x is undefined')), 'probe_failed', /x is undefined/],
    [
      'throws before it has begun',
      () => {
        throw new TypeError('not even begun')
      },
      'probe_failed',
      /not even begun/,
    ],
    ['throws a word', () => Promise.reject('gone' as never), 'probe_failed', /gone/],
    ['reports NaN', async () => one(NaN), 'probe_failed', /reported NaN as depth_records/],
    ['reports infinity', async () => one(Infinity), 'probe_failed', /reported Infinity/],
    ['reports a text', async () => one('7' as never), 'probe_failed', /reported 7 as depth_records/],
    ['reports what it does not declare', async () => named('height', 1), 'probe_failed', /height, undeclared/],
    [
      'reports one number twice',
      async () => ({ readings: [...one(1).readings, ...one(2).readings] }),
      'probe_failed',
      /depth_records twice/,
    ],
    [
      'floods us with readings',
      async () => ({ readings: Array.from({ length: readingsMax + 1 }, () => one(1).readings[0]!) }),
      'limit_reached',
      /1001 readings; at most 1000/,
    ],
    [
      'floods us with hops',
      async () => ({ readings: [], positions: Array.from({ length: hopsMax + 1 }, (_, i) => hop(`h${i}`)) }),
      'limit_reached',
      /201 hops; at most 200/,
    ],
    ['reports a lag of NaN', async () => ({ readings: [], positions: [hop('a', NaN)] }), 'probe_failed', /lag of NaN/],
    [
      'reports a hop twice',
      async () => ({ readings: [], positions: [hop('a'), hop('a')] }),
      'probe_failed',
      /hop a twice/,
    ],
    ['answers nothing at all', async () => undefined as never, 'probe_failed', /could not be measured/],
  ])('%s: it is a silence with its fault', async (_, measure, code, message) => {
    const observation = await look(measure)
    expect(observation.answered).toBe(false)
    const fault = observation.answered ? undefined : observation.fault
    expect(fault).toBeInstanceOf(Fault)
    expect(fault?.code).toBe(code)
    expect(fault?.message).toMatch(message)
  })

  it('keeps its own words when it throws a fault', async () => {
    const fault = new Fault('table_empty', 'Nothing there.', { hint: 'Fill it.' })
    expect(await look(() => Promise.reject(fault))).toMatchObject({ answered: false, fault })
  })

  it('ends in the same words whether it honours its deadline or not', async () => {
    const honest = await look(
      ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
    )
    expect(honest).toMatchObject({ answered: false, tookMs: 10 * second, fault: { code: 'probe_timeout' } })
  })

  it('does not tell a password that its driver tells', async () => {
    const observation = await look(() => Promise.reject(new Error('cannot reach amqp://bob:hunter2@bus:5672/x')))
    const fault = observation.answered ? undefined : observation.fault
    expect(fault?.message).toBe('orders.lag could not be measured: cannot reach amqp://…@bus:5672/x')
  })

  it('is told to stop once its turn is over, even if it answered', async () => {
    const seen: string[] = []
    await look(async ({ signal }) => {
      signal.addEventListener('abort', () => seen.push((signal.reason as Fault).code))
      return one(1)
    })
    expect(seen).toEqual(['cancelled'])
  })

  it('may answer or fail long after its deadline, and nobody minds', async () => {
    let answer: (late: Answer) => void = () => {}
    let fail: (late: Error) => void = () => {}
    await look(() => new Promise((resolve) => (answer = resolve)))
    await look(() => new Promise((_, reject) => (fail = reject)))
    answer(one(1))
    fail(new Error('late'))
    await new Promise((done) => setImmediate(done))
  })
})

describe('a shutdown', () => {
  it('says nothing about the target, so it is thrown', async () => {
    const stop = new AbortController()
    const looked = look(() => {
      stop.abort(new Error('shutting down'))
      return new Promise(() => {})
    }, stop)
    await expect(looked).rejects.toThrow('shutting down')
  })

  it('does not begin a run', async () => {
    const stop = new AbortController()
    stop.abort(new Error('shut down'))
    let begun = false
    await expect(look(async () => ((begun = true), one(1)), stop)).rejects.toThrow('shut down')
    expect(begun).toBe(false)
  })

  it('leaves no listener on the signal it outlives', async () => {
    const stop = new AbortController()
    let listeners = 0
    const { signal } = stop
    const add = signal.addEventListener.bind(signal)
    const remove = signal.removeEventListener.bind(signal)
    signal.addEventListener = (...rest: Parameters<typeof add>) => (listeners++, add(...rest))
    signal.removeEventListener = (...rest: Parameters<typeof remove>) => (listeners--, remove(...rest))
    for (let i = 0; i < 20; i++) await look(async () => one(i), stop)
    expect(listeners).toBe(0)
  })
})
