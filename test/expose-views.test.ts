import { describe, expect, it } from 'vitest'
import { alertsOf } from '../server/expose/alerts.ts'
import { checkOf as checkViewOf } from '../server/expose/checks.ts'
import { drawnOf, narrowed } from '../server/expose/narrow.ts'
import { overviewOf, sparkKeys, sparkSpan, stripSpan } from '../server/expose/overview.ts'
import { pipelineOf as pipelineViewOf } from '../server/expose/pipeline.ts'
import { bucketsMax, differenceOf, foldBuckets, runOf as runViewOf } from '../server/expose/run.ts'
import { overviewView, pipelineView } from '../server/expose/views.ts'
import { Fault } from '../server/fault.ts'
import {
  ago, alertRow, alertStandingOf, checkOf, differenceRow, hopOf, now, pairStanding, pipelineOf, ruleOf, runOf, runUuid,
  snapshotOf, type WorldSnapshot,
} from './expose-world.ts' // prettier-ignore

const nothing = drawnOf([], [])
const overview = (over: Partial<WorldSnapshot> = {}) => overviewView.parse(overviewOf(snapshotOf(over), nothing, now))
const row = (over: Partial<WorldSnapshot> = {}) => overview(over).pipelines[0]!
const signalsOf = (over: Partial<WorldSnapshot> = {}) =>
  Object.fromEntries(row(over).signals.map((each) => [each.signal, each]))
const silent = new Fault('system_unreachable', 'crm: no connection (ECONNREFUSED)', { hint: 'Check it.' })

describe('a pipeline of which all is well', () => {
  it('shows five signals with value, unit and target, in their order', () => {
    expect(row().signals.map(({ signal, state, value, unit, target, better }) => [signal, state, value, unit, target, better])).toEqual([
      ['lag', 'ok', 41, 'seconds', 900, 'lower'],
      ['errors', 'ok', 0.0003, 'ratio', 0.001, 'lower'],
      ['dead-letters', 'ok', 6, 'records', 0, 'lower'],
      ['duplicates', 'unmeasured', null, 'records', 0, 'lower'],
      ['drift', 'ok', 0.9914, 'ratio', 0.995, 'higher'],
    ]) // prettier-ignore
    expect(row()).toMatchObject({ state: 'ok', since: null, why: null, incident: null, reviewRun: runUuid })
  })

  it('says how the lag is known, within which bounds, and when the rule fires', () => {
    expect(signalsOf()['lag']).toMatchObject({ method: 'interpolated', lower: 38, upper: 44, floor: false, alert: 1_800, at: ago(5).toISOString() })
    const young = hopOf('customers', { lag: { lowerSeconds: 240, method: 'interpolated', explained: [] } })
    expect(signalsOf({ hops: [young] })['lag']).toMatchObject({ value: 240, floor: true, upper: null })
  }) // prettier-ignore

  it('adds a few words where they say more than the number', () => {
    const { drift, duplicates, ...others } = signalsOf()
    expect(others['dead-letters']?.note).toBe('oldest 3\u202fd')
    expect(drift?.note).toBe('1\u202f577 differ')
    expect(duplicates?.note).toBe('not set')
    expect(signalsOf({ pipelines: [pipelineOf('customers', { pairs: [] })], pairs: [] })['drift']).toMatchObject({ state: 'unmeasured', value: null, note: 'no pair' })
    expect(signalsOf({ pairs: [pairStanding({ last: undefined as never })] })['drift']).toMatchObject({ state: 'unmeasured', note: 'not compared yet' })
  }) // prettier-ignore

  it('takes the worst pair, and the age of the one looked at longest ago', () => {
    const pairs = [
      pairStanding(),
      pairStanding({ pair: 'orders', last: runOf({ matchRatio: 0.999, endedAt: ago(90_000) }) }),
    ]
    expect(signalsOf({ pairs })['drift']).toMatchObject({ value: 0.9914, at: ago(90_000).toISOString() })
  })
})

describe('a pipeline in trouble', () => {
  const lag = alertStandingOf()
  const dead = alertStandingOf({ incident: 'd', rule: 'customers.queue.dead_records.warn', check: 'customers.queue', signal: 'dead-letters', severity: 'warn', since: ago(9_000), why: '6 dead records, target 0.' }) // prettier-ignore

  it('is as bad as its worst alert, since that began, and says why in at most two sentences', () => {
    const third = alertStandingOf({ incident: 'e', severity: 'warn', signal: 'errors', why: 'Errors 2 %.' })
    expect(row({ alerts: [dead, third, lag] })).toMatchObject({
      state: 'crit',
      since: ago(540).toISOString(),
      why: 'Lag 33 m, target 15 m. 6 dead records, target 0.',
      incident: lag.incident,
    })
    expect(signalsOf({ alerts: [dead, lag] })).toMatchObject({
      lag: { state: 'crit', why: 'Lag 33 m, target 15 m.' },
      'dead-letters': { state: 'warn' },
      errors: { state: 'ok' },
    })
  })

  it('puts forward for acknowledging what nobody has taken yet', () => {
    const taken = { ...lag, acknowledgedBy: 'jlind' }
    expect(row({ alerts: [taken] })).toMatchObject({ incident: lag.incident, acknowledgedBy: 'jlind' })
    const open = alertStandingOf({ incident: 'open', signal: 'errors', since: ago(10) })
    expect(row({ alerts: [taken, open] })).toMatchObject({ incident: 'open', acknowledgedBy: null })
  })

  it('is not yet in trouble while an alert is pending, and only warned of while it recovers', () => {
    expect(row({ alerts: [{ ...lag, status: 'pending' }] })).toMatchObject({ state: 'ok', incident: null })
    expect(row({ alerts: [{ ...lag, status: 'recovering' }] })).toMatchObject({ state: 'warn' })
    expect(row({ alerts: [{ ...lag, status: 'quiet' }] })).toMatchObject({ state: 'ok' })
  })
})

describe('a pipeline that cannot be told', () => {
  const dark = checkOf('customers.lag', { answered: false, fault: silent, lastSuccessAt: ago(1_860) })

  it('keeps its last value with its age, and says who does not answer', () => {
    const checks = [dark, checkOf('customers.queue')]
    expect(signalsOf({ checks })['lag']).toMatchObject({
      state: 'nodata',
      value: 41,
      why: `Cannot tell. ${silent.message}`,
    })
    expect(row({ checks })).toMatchObject({ state: 'nodata', why: `Cannot tell. ${silent.message}` })
  })

  it('is no data and not critical, however severe its being dark is', () => {
    const alerts = [alertStandingOf({ kind: 'no-data', why: 'crm has not answered for 31 m.', since: ago(1_800) })]
    const found = row({ checks: [dark, checkOf('customers.queue')], alerts })
    expect(found).toMatchObject({
      state: 'nodata',
      since: ago(1_800).toISOString(),
      why: 'crm has not answered for 31 m.',
    })
  })

  it('is no data before a check has answered for the first time', () => {
    const { errors, lag } = signalsOf({ checks: [], hops: [] })
    expect(errors).toMatchObject({
      state: 'nodata',
      value: null,
      note: 'no answer yet',
      why: 'Cannot tell. queue has not answered yet.',
    })
    expect(lag).toMatchObject({ state: 'nodata', value: null })
  })

  it('is paused, whatever its alerts say, when the config pauses it', () => {
    const found = row({ pipelines: [pipelineOf('customers', { paused: true })], alerts: [alertStandingOf()] })
    expect([found.state, ...found.signals.map(({ state }) => state)]).toEqual(Array.from({ length: 6 }, () => 'paused'))
  })
})

describe('the overview', () => {
  it('puts the worst first, then what has been so longest, and counts them', () => {
    const pipelines = ['calm', 'late', 'later', 'paused', 'warned', 'dark'].map((id) => pipelineOf(id, { title: id, pairs: [], paused: id === 'paused' }))
    const alert = (pipeline: string, since: number, severity: 'warn' | 'crit') => alertStandingOf({ pipeline, check: `${pipeline}.lag`, incident: pipeline, severity, since: ago(since) })
    const checks = pipelines.flatMap(({ checks: all, id }) => all.map((check) => checkOf(check.id, id === 'dark' ? { answered: false, fault: silent, lastSuccessAt: ago(900) } : {})))
    const { pipelines: rows, counts } = overview({ pipelines, checks, pairs: [], alerts: [alert('late', 60, 'crit'), alert('later', 600, 'crit'), alert('warned', 9_000, 'warn')] })
    expect(rows.map(({ id, state }) => `${id} ${state}`)).toEqual(['later crit', 'late crit', 'warned warn', 'dark nodata', 'paused paused', 'calm ok'])
    expect(counts).toEqual({ crit: 2, warn: 1, nodata: 1, paused: 1, ok: 1 })
  }) // prettier-ignore

  it('draws the last hour with its gaps, adding up what several checks count', () => {
    const twin = pipelineOf()
    const pipelines = [{ ...twin, checks: [...twin.checks, { ...twin.checks[1]!, id: 'customers.more', name: 'more' }] }]
    const snapshot = snapshotOf({ pipelines, checks: [checkOf('customers.lag'), checkOf('customers.queue'), checkOf('customers.more', { readings: [{ metric: 'dead_records', value: 1 }] })] })
    const keys = sparkKeys(snapshot, pipelines, now)
    expect(keys).toContainEqual({ check: 'customers.lag', metric: 'lag_seconds' })
    const at = (parts: number) => new Date(now.getTime() - parts * sparkSpan.bucketMs)
    const bucket = (check: string, metric: string, parts: number, last: number) => ({ check, metric, at: at(parts), min: last, max: last, last })
    const samples = [bucket('customers.queue', 'dead_records', 0, 6), bucket('customers.more', 'dead_records', 0, 1), bucket('customers.queue', 'dead_records', 2, 5), bucket('customers.lag', 'out_per_second', 0, 2)]
    const found = overviewOf(snapshot, drawnOf(samples, []), now).pipelines[0]!
    expect(found.signals[2]?.spark.slice(-4)).toEqual([null, 5, null, 7])
    expect(found.signals[2]?.spark).toHaveLength(40)
    expect(found.throughput).toMatchObject({ inPerSecond: 3, outPerSecond: 2.5 })
    expect(found.throughput.spark.at(-1)).toBe(2)
  }) // prettier-ignore

  it('draws six hours as a strip of letters, and what was before the monitor as a dash', () => {
    const states = [{ pipeline: 'customers', bucket: 88, state: 'crit' as const }, { pipeline: 'customers', bucket: 89, state: 'ok' as const }, { pipeline: 'other', bucket: 1, state: 'warn' as const }] // prettier-ignore
    const { strip } = overviewOf(snapshotOf(), drawnOf([], states), now).pipelines[0]!
    expect(strip.states).toBe(`${'-'.repeat(88)}co`)
    expect(Date.parse(strip.from) + 90 * stripSpan.bucketMs).toBeGreaterThan(now.getTime())
  })
})

describe('the page of a pipeline', () => {
  const view = (over: Partial<WorldSnapshot> = {}, runs = [runOf()], alerts = [alertRow()]) => {
    const snapshot = snapshotOf(over)
    return pipelineView.parse(pipelineViewOf(narrowed(snapshot)('customers'), snapshot.catalog.pipelines[0]!, { ...nothing, runs, alerts }, now))
  } // prettier-ignore

  it('names the ends of each hop and shows positions beyond what a number holds', () => {
    const hop = hopOf('customers', {
      hop: 'rabbit-to-billing',
      sourcePosition: 9_007_199_254_740_993n,
      motion: 'stalled',
    })
    expect(view({ hops: [hopOf(), hop] }).hops.map(({ source, target, motion }) => [source, target.name, motion])).toEqual([
      [{ name: 'crm', position: '54312' }, 'billing', 'ok'],
      [{ name: 'rabbit', position: '9007199254740993' }, 'billing', 'stalled'],
    ]) // prettier-ignore
  })

  it('shows each pair with its newest run, finished or not', () => {
    const running = runOf({ state: 'running', verdict: undefined as never, endedAt: undefined as never })
    expect(view({}, [running, runOf()]).pairs[0]).toMatchObject({ authority: 'source, phone from target', lastRun: { state: 'running', verdict: null } })
    expect(view({}, []).pairs[0]?.lastRun?.id).toBe(runUuid)
  }) // prettier-ignore

  it('tells what happened, newest first', () => {
    const over = alertRow({
      status: 'resolved',
      resolvedAt: ago(60),
      acknowledged: { by: 'jlind', at: ago(300), comment: 'on it' },
    })
    expect(view({}, [runOf()], [over]).happenings.map(({ title, detail, state }) => [title, detail, state])).toEqual([
      ['Lag: resolved', 'It lasted 6\u202fm.', 'ok'],
      ['jlind acknowledged: lag', 'on it', 'crit'],
      ['Lag: alert', 'Lag 33 m, target 15 m.', 'crit'],
      ['customers: 1\u202f577 rows differ', 'by schedule, 1\u202f553 corrections wait', 'warn'],
    ])
  })

  it('lists a check with its readings and why it does not answer', () => {
    const check = pipelineOf().checks[1]!
    const state = checkOf('customers.queue', { answered: false, fault: silent })
    const found = checkViewOf(snapshotOf({ rules: [ruleOf()] }), check, now, state)
    expect(found).toMatchObject({ state: 'ok', fault: { code: 'system_unreachable', hint: 'Check it.' } })
    expect(found.readings).toContainEqual({ metric: 'ready_records', help: 'Records waiting in the queue.', unit: 'records', value: 4 })
    expect(checkViewOf(snapshotOf({ checks: [] }), check, now).state).toBe('unmeasured')
    expect(checkViewOf(snapshotOf(), check, now, checkOf('x.queue', { lastSuccessAt: ago(3_600) })).state).toBe('nodata')
  }) // prettier-ignore
})

describe('a run', () => {
  const place = { pipeline: pipelineOf(), pair: pipelineOf().pairs[0]! }

  it('adds up: what the two reads cannot explain was in flight', () => {
    expect(runViewOf(runOf(), place, now)).toMatchObject({
      inFlightRows: 0,
      matchTarget: 0.995,
      pipelineTitle: 'CRM customers to billing',
    })
    expect(runViewOf(runOf({ rows: { source: 184_220, target: 183_640 } }), place, now).inFlightRows).toBe(7)
  })

  it('outlives its pair in the config', () => {
    expect(runViewOf(runOf(), {}, now)).toMatchObject({ pipelineTitle: 'customers', source: 'source', key: [] })
  })

  it('folds its key space into at most 120 parts without losing a row or hiding a failure', () => {
    const parts = Array.from({ length: 1_001 }, (_, index) => ({ from: `${index}`, to: `${index}`, state: index === 500 ? ('unknown' as const) : ('verified' as const), counts: { missing: 1, extra: 2, changed: 3 }, more: index === 7, covered: 1 })) // prettier-ignore
    const folded = foldBuckets(parts)
    expect(folded.length).toBeLessThanOrEqual(bucketsMax)
    const sum = (kind: 'missing' | 'extra' | 'changed') => folded.reduce((total, each) => total + each[kind], 0)
    expect([sum('missing'), sum('extra'), sum('changed')]).toEqual([1_001, 2_002, 3_003])
    expect(folded.filter(({ state }) => state === 'unknown').map(({ from, to }) => Number(from) <= 500 && 500 <= Number(to))).toEqual([true])
    expect([folded[0]?.from, folded.at(-1)?.to]).toEqual(['0', '1000'])
    expect(folded.filter(({ more }) => more)).toHaveLength(1)
    expect(foldBuckets([])).toEqual([])
  }) // prettier-ignore

  it('shows only differing fields of a changed row, and who decided each', () => {
    expect(differenceOf(differenceRow(), { columns: 14 }, place.pair)).toMatchObject({
      key: { id: '5' },
      fieldsCompared: 14,
      fields: [
        { column: 'email', source: 'a@x', target: 'b@x', winner: 'source', rule: 'by default' },
        { column: 'phone', source: '1', target: '2', winner: 'target' },
      ],
      correction: { action: 'update', state: 'proposed', on: 'target' },
    })
  })

  it('shows the whole row of a missing one, and review where nothing was decided', () => {
    const base = differenceRow()
    const difference = { kind: 'missing' as const, key: ['9', 'x'], source: { id: '9', email: 'z@x' }, fields: [], duplicated: false, copy: false }
    const insert = { ...base.decision!, action: 'insert' as const, fields: [], reason: 'source has it' }
    expect(differenceOf({ ...base, difference, decision: insert }, { columns: 2 }, place.pair)).toMatchObject({
      key: { id: '9', 'key 2': 'x' },
      fields: [{ column: 'id', source: '9', target: null, winner: 'source', rule: 'source has it' }, { column: 'email' }],
    })
    const hold = { ...insert, action: 'hold' as const, reason: 'deletes are held' }
    expect(differenceOf({ ...base, difference, decision: hold }, { columns: 2 }, place.pair).fields[0]).toMatchObject({ winner: 'review', rule: 'deletes are held' })
    const undecided = { id: base.id, difference: base.difference }
    expect(differenceOf(undecided, { columns: 2 }, place.pair)).toMatchObject({ correction: null, fields: [{ winner: 'review' }, {}] })
  }) // prettier-ignore
})

describe('the alerts', () => {
  it('lists open ones critical first, then oldest; ended ones newest first', () => {
    const rows = [
      alertRow({ id: 'w', severity: 'warn', since: ago(9_000) }),
      alertRow({ id: 'young', since: ago(10) }),
      alertRow({ id: 'old', since: ago(900) }),
      alertRow({ id: 'over1', status: 'resolved', resolvedAt: ago(100) }),
      alertRow({ id: 'over2', status: 'resolved', resolvedAt: ago(50) }),
    ]
    const { open, recent } = alertsOf(rows, snapshotOf().catalog, now)
    expect([open.map(({ id }) => id), recent.map(({ id }) => id)]).toEqual([
      ['old', 'young', 'w'],
      ['over2', 'over1'],
    ])
    expect(open[0]).toMatchObject({ pipelineTitle: 'CRM customers to billing', owner: 'team-crm' })
  })

  it('keeps those of a pipeline that has left the config', () => {
    expect(alertsOf([alertRow({ pipeline: 'gone' })], snapshotOf().catalog, now).open[0]).toMatchObject({
      pipelineTitle: 'gone',
      owner: '',
    })
  })
})
