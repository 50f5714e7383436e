import { describe, expect, it } from 'vitest'
import { createMetrics } from '../server/expose/metrics.ts'
import { reasons } from '../server/expose/reason.ts'
import { Fault } from '../server/fault.ts'
import {
  ago,
  alertStandingOf,
  checkOf,
  hopOf,
  now,
  pairStanding,
  pipelineOf,
  snapshotOf,
  world,
  type WorldSnapshot,
} from './expose-world.ts'

/** The series of one scrape, as `name{labels}` to its value. */
async function scrape(over: Partial<WorldSnapshot> = {}, metrics = createMetrics()) {
  const text = await metrics.render(snapshotOf(over), now)
  const series = new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))] as const),
  )
  return { text, series, of: (name: string) => [...series].filter(([id]) => id === name || id.startsWith(`${name}{`)) }
}

const lagCheck = (over: Parameters<typeof checkOf>[1]) => [checkOf('customers.lag', over), checkOf('customers.queue')]
const lagFault = new Fault('system_unreachable', 'crm: no connection (ECONNREFUSED)', { hint: 'Check it.' })
const failing = (seconds: number) =>
  lagCheck({ answered: false, fault: lagFault, lastSuccessAt: ago(seconds), failures: { system_unreachable: 3 } })

describe('the text at /metrics', () => {
  it('says each family once, with its help and type before its series', async () => {
    const { text } = await scrape({ alerts: [alertStandingOf()] })
    const seen = new Set<string>()
    let open = ''
    for (const line of text.split('\n').filter((each) => each !== '')) {
      const [, word, name, rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
      if (word === 'HELP') {
        expect(seen.has(name!), name).toBe(false)
        seen.add((open = name!))
      } else if (word === 'TYPE') {
        expect(name).toBe(open)
        if (name!.startsWith('tallyman_')) expect([name, rest === 'counter']).toEqual([name, name!.endsWith('_total')])
      } else {
        expect(line.startsWith(open), line).toBe(true)
        expect(line).toMatch(/^[a-z_:][a-z0-9_:]*(\{([a-z_]+="([^"\\\n]|\\["\\n])*",?)*\})? [-+0-9.e]+(Inf)?$/i)
      }
    }
    expect([...seen].filter((name) => /_(ms|millis|minutes|hours|percent)$/.test(name))).toEqual([])
  })

  it('tells the lag, where it comes from, and until when the target is whole', async () => {
    const { series } = await scrape()
    const hop = '{pipeline="customers",hop="end_to_end"}'
    expect(Object.fromEntries(['lag_seconds', 'lag_lower_bound_seconds', 'lag_upper_bound_seconds', 'lag_records', 'source_records_total', 'target_records_total'].map((name) => [name, series.get(`tallyman_${name}${hop}`)]))).toEqual(
      { lag_seconds: 41, lag_lower_bound_seconds: 38, lag_upper_bound_seconds: 44, lag_records: 212, source_records_total: 54_312, target_records_total: 54_100 },
    ) // prettier-ignore
    expect(series.get(`tallyman_watermark_timestamp_seconds${hop}`)).toBe(ago(46).getTime() / 1_000)
    expect(series.get('tallyman_lag_method_info{pipeline="customers",hop="end_to_end",method="interpolated"}')).toBe(1)
    expect(series.get('tallyman_slo_lag_seconds{pipeline="customers"}')).toBe(900)
    expect(series.get('tallyman_slo_drift_ratio{pipeline="customers"}')).toBe(0.005)
  })

  it('has exactly one state of every pipeline at 1', async () => {
    const { of } = await scrape({ hops: [hopOf(), hopOf('customers', { hop: 'crm-to-bus', motion: 'stalled' })] })
    const states = of('tallyman_pipeline_state')
    expect(states).toHaveLength(8)
    expect(states.filter(([, value]) => value === 1).map(([id]) => id)).toEqual([
      'tallyman_pipeline_state{pipeline="customers",state="stalled"}',
    ])
  })

  it('names every reading after its probe, with what it is', async () => {
    const { text, series } = await scrape()
    expect(series.get('tallyman_rabbitmq_queue_ready_records{pipeline="customers",check="customers.queue"}')).toBe(4)
    expect(text).toContain('# HELP tallyman_rabbitmq_queue_ready_records Records waiting in the queue. (cached; see tallyman_probe_last_success_timestamp_seconds)')
    expect(series.get('tallyman_dlq_messages{pipeline="customers",dlq="queue"}')).toBe(6)
    expect(series.get('tallyman_dlq_oldest_message_timestamp_seconds{pipeline="customers",dlq="queue"}')).toBe(ago(259_205).getTime() / 1_000)
    expect(series.get('tallyman_error_ratio{pipeline="customers"}')).toBe(0.0003)
  }) // prettier-ignore

  it('begins every total of a closed list at 0, so that the first failure is seen', async () => {
    const { of } = await scrape({ checks: [] })
    expect(of('tallyman_probe_failures_total').map(([, value]) => value)).toEqual(Array.from({ length: 2 * reasons.length }, () => 0))
    expect(of('tallyman_probe_success')).toEqual([])
    expect(of('tallyman_probe_last_success_timestamp_seconds')).toEqual([])
  }) // prettier-ignore

  it('sums what the runs of a pipeline found and put right', async () => {
    const { series } = await scrape({ pairs: [pairStanding(), pairStanding({ pair: 'orders', lastSuccessAt: ago(90_000) })] })
    expect(series.get('tallyman_drift_records{pipeline="customers",kind="mismatched"}')).toBe(1_884)
    const unverified = 'tallyman_oldest_unverified_timestamp_seconds{pipeline="customers",pair="customers"}'
    expect(series.get(unverified)).toBe(ago(90_000).getTime() / 1_000)
    expect(series.get('tallyman_reconcile_coverage_ratio{pipeline="customers",pair="customers",mode="full"}')).toBe(1)
    expect(series.get('tallyman_reconcile_compared_records{pipeline="customers"}')).toBe(2 * (184_220 + 24))
    expect(series.get('tallyman_reconcile_last_success_timestamp_seconds{pipeline="customers"}')).toBe(ago(90_000).getTime() / 1_000)
    expect(series.get('tallyman_reconcile_failures_total{pipeline="customers",trigger="schedule",reason="unreachable"}')).toBe(4)
    expect(series.get('tallyman_corrections_total{pipeline="customers",action="update"}')).toBe(80)
    expect(series.get('tallyman_corrections_total{pipeline="customers",action="delete"}')).toBe(0)
    expect(series.has('tallyman_reconcile_progress_ratio{pipeline="customers"}')).toBe(false)
  }) // prettier-ignore

  it('tells of itself', async () => {
    const { of, series } = await scrape({
      alerts: [alertStandingOf()],
      monitor: { noticesWaiting: 2, oldestNoticeAt: ago(60) },
    })
    expect(series.get('tallyman_alerts{severity="crit",state="firing"}')).toBe(1)
    expect(series.get('tallyman_alerts{severity="warn",state="pending"}')).toBe(0)
    expect(series.get('tallyman_notification_failures_total{channel="ops"}')).toBe(1)
    expect(series.get('tallyman_notification_outbox_messages')).toBe(2)
    expect(of('tallyman_build_info')[0]?.[0]).toBe(
      `tallyman_build_info{version="0.1.0",revision="abc1234",nodejs_version="${process.versions.node}"}`,
    )
    expect(series.has('process_cpu_seconds_total')).toBe(true)
    expect(series.get('tallyman_exporter_series')).toBeGreaterThan(50)
  })

  it('keeps a histogram of runs by system and kind, over all scrapes', async () => {
    const metrics = createMetrics()
    metrics.ran({ system: 'postgresql', kind: 'table-lag' }, 0.02)
    await scrape({}, metrics)
    const { series } = await scrape({}, metrics)
    expect(series.get('tallyman_probe_run_duration_seconds_count{system="postgresql",kind="table-lag"}')).toBe(1)
    expect(series.has('tallyman_scrape_duration_seconds')).toBe(true)
  })
})

describe('what happens to a series', () => {
  const gauges = ['tallyman_lag_seconds', 'tallyman_lag_records'] as const
  const hop = '{pipeline="customers",hop="end_to_end"}'
  const who = '{pipeline="customers",probe="table-lag",check="customers.lag"}'

  it('after one failure: success is 0 at once, values are held', async () => {
    const { series } = await scrape({ checks: failing(20) })
    expect(series.get(`tallyman_probe_success${who}`)).toBe(0)
    expect(gauges.map((name) => series.get(name + hop))).toEqual([41, 212])
    expect(series.get('tallyman_probe_failures_total{pipeline="customers",probe="table-lag",check="customers.lag",reason="unreachable"}')).toBe(3)
  }) // prettier-ignore

  it('after 2.5 intervals, a minute at least: values go, times and totals stay', async () => {
    const held = await scrape({ checks: failing(60) })
    expect(gauges.map((name) => held.series.has(name + hop))).toEqual([true, true])
    const { series } = await scrape({ checks: failing(61), hops: [hopOf('customers', { motion: 'unknown' })] })
    expect(gauges.map((name) => series.has(name + hop))).toEqual([false, false])
    expect(series.get(`tallyman_watermark_timestamp_seconds${hop}`)).toBe(ago(46).getTime() / 1_000)
    expect(series.get(`tallyman_probe_last_success_timestamp_seconds${who}`)).toBe(ago(61).getTime() / 1_000)
    expect(series.get(`tallyman_source_records_total${hop}`)).toBe(54_312)
    expect(series.get('tallyman_pipeline_state{pipeline="customers",state="unknown"}')).toBe(1)
  })

  it('when only a lower bound is known: neither a value nor an upper bound is invented', async () => {
    const { series } = await scrape({ hops: [hopOf('customers', { lag: { lowerSeconds: 240, method: 'interpolated', explained: [] } })] })
    expect(series.get(`tallyman_lag_lower_bound_seconds${hop}`)).toBe(240)
    expect([series.has(`tallyman_lag_seconds${hop}`), series.has(`tallyman_lag_upper_bound_seconds${hop}`)]).toEqual([false, false])
  }) // prettier-ignore

  it('when the pipeline is paused: probes say nothing, the watermark stays', async () => {
    const { of, series } = await scrape({ pipelines: [pipelineOf('customers', { paused: true })] })
    for (const name of ['tallyman_probe_success', 'tallyman_lag_seconds', 'tallyman_probe_last_success_timestamp_seconds', 'tallyman_rabbitmq_queue_ready_records']) expect([name, of(name)]).toEqual([name, []])
    expect(series.has(`tallyman_watermark_timestamp_seconds${hop}`)).toBe(true)
    expect(series.get('tallyman_pipeline_state{pipeline="customers",state="paused"}')).toBe(1)
  }) // prettier-ignore

  it('when another process exports the pipelines: only the monitor itself is left', async () => {
    const { series, of } = await scrape({ monitor: { leader: false } })
    expect(series.get('tallyman_leader')).toBe(0)
    expect(of('tallyman_probe_success')).toEqual([])
  })

  it('never is NaN, infinite or negative', async () => {
    const bad = checkOf('customers.queue', { readings: [{ metric: 'ready_records', value: NaN }, { metric: 'error_ratio', value: Infinity }] }) // prettier-ignore
    const { text, of } = await scrape({ checks: [...lagCheck({}).slice(0, 1), bad] })
    expect(text).not.toMatch(/^tallyman_\S+ (NaN|-|[+]?Inf)/im)
    expect(of('tallyman_rabbitmq_queue_ready_records')).toEqual([])
  })
})

describe('a text beyond its limits', () => {
  it('leaves out what is too much, keeps what came first, and counts it', async () => {
    const metrics = createMetrics({ seriesMax: 61, valuesMax: 10, lengthMax: 20 })
    const pipelines = Array.from({ length: 12 }, (_, index) => pipelineOf(`p${index}`, { title: 'x'.repeat(300) }))
    const { series, of } = await scrape({ pipelines, pairs: [] }, metrics)
    expect(series.get('tallyman_build_info{version="0.1.0",revision="abc1234",nodejs_version="' + process.versions.node + '"}')).toBe(1)
    expect(of('tallyman_pipeline_info')).toHaveLength(6)
    expect(of('tallyman_pipeline_info')[0]?.[0]).toContain(`title="${'x'.repeat(20)}"`)
    const dropped = of('tallyman_exporter_series_dropped_total')
    expect(dropped.length).toBeGreaterThan(3)
    const again = await scrape({ pipelines, pairs: [] }, metrics)
    const total = (all: readonly (readonly [string, number])[]) => all.reduce((sum, [, value]) => sum + value, 0)
    expect(total(again.of('tallyman_exporter_series_dropped_total'))).toBeGreaterThanOrEqual(2 * total(dropped))
  }) // prettier-ignore

  it('draws five hundred pipelines well within a scrape', async () => {
    const pipelines = Array.from({ length: 500 }, (_, index) => pipelineOf(`p${index}`))
    const metrics = createMetrics()
    const snapshot = snapshotOf({
      pipelines,
      pairs: pipelines.map(({ id }) => pairStanding({ pipeline: id, pair: id })),
    })
    const began = performance.now()
    await metrics.render(snapshot, now)
    expect(performance.now() - began).toBeLessThan(3_000)
  })
})

describe('one check, asked for at /probe', () => {
  const ask = (path: string, headers: Record<string, string> = {}, standing = checkOf('customers.queue')) => {
    const { exposed } = world()
    return world({ actions: { ...exposed.actions, runCheck: async () => ({ standing, trace: ['asked rabbit', 'it said 4'] }) } }).request(path, { headers }) // prettier-ignore
  }

  it('answers the way the blackbox exporter does', async () => {
    const text = await (await ask('/probe?check=customers.queue')).text()
    expect(text).toContain('\nprobe_success 1\n')
    expect(text).toContain('\nprobe_timeout_seconds 10\n')
    expect(text).toContain('\ntallyman_rabbitmq_queue_ready_records 4\n')
    expect(text).not.toContain('asked rabbit')
  })

  it('tells what was asked when it is debugged, and still parses', async () => {
    const failed = checkOf('customers.queue', { answered: false, fault: lagFault })
    const text = await (await ask('/probe?check=customers.queue&debug=true', {}, failed)).text()
    expect(text).toContain('# asked rabbit\n# it said 4\n# system_unreachable: crm: no connection (ECONNREFUSED)\n')
    expect(text).toContain('\nprobe_success 0\n')
    expect(text).toContain('\nprobe_failed_due_to{reason="unreachable"} 1\n')
  })

  it('answers before Prometheus gives up, though the check hangs', async () => {
    const { exposed, timers } = world()
    const { request } = world({
      actions: { ...exposed.actions, runCheck: () => new Promise(() => {}) },
      after: timers.after,
    })
    const answer = request('/probe?check=customers.queue', { headers: { 'x-prometheus-scrape-timeout-seconds': '10' } })
    await new Promise((resolve) => setTimeout(resolve, 20))
    timers.elapse()
    const text = await (await answer).text()
    expect(text).toContain('\nprobe_success 0\n')
    expect(text).toContain('\nprobe_failed_due_to{reason="timeout"} 1\n')
  })
})

describe('health', () => {
  it('is ready when the store answers and the scheduler is on time', async () => {
    const answer = await world().request('/readyz')
    expect([answer.status, await answer.json()]).toEqual([
      200,
      { ready: true, store: { ok: true, detail: 'answers' }, scheduler: { ok: true, detail: 'on time' }, note: 'The embedded store is for one process and for trying out; production is Postgres.' },
    ]) // prettier-ignore
  })

  it('is not when the store hangs, and says so in time', async () => {
    const { timers } = world()
    const { request } = world({ readiness: () => new Promise(() => {}), after: timers.after })
    const answer = request('/readyz')
    await new Promise((resolve) => setTimeout(resolve, 20))
    timers.elapse()
    expect((await answer).status).toBe(503)
    expect(await (await answer).json()).toMatchObject({
      ready: false,
      store: { ok: false, detail: 'no answer within 2000 ms' },
    })
  })
})
