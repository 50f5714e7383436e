import { describe, expect, it } from 'vitest'
import { bindChecks, bindReconcileRules } from '../server/config/bind.ts'
import { loadConfig } from '../server/config/load.ts'
import { problemsText } from '../server/config/problem.ts'
import { env, probes } from './config-probes.ts'

const text = `
connections:
  crm: { url: "\${CRM_URL}" }
  billing: { url: "\${BILLING_URL}" }
pipelines:
  customers:
    title: Customers
    pattern: event-driven
    tier: operational
    owner: team-crm
    targets: { lag: 5m, drift: 0.999 }
    rules: [{ metric: match_ratio, below: 0.9, severity: crit }]
    checks:
      - probe: table-lag
        every: 15s
        source: crm.public.customers
        target: billing.public.customers
        column: changed_at
        rules: [{ metric: lag_seconds, above: 1h, severity: crit }]
      - { probe: sql, id: open, connection: crm, query: select 1 as open, metrics: [open], paused: true }
    pairs:
      - { id: customers, source: { table: crm.public.c }, target: { table: billing.public.c }, key: [id] }
  orders:
    title: Orders
    pattern: batch
    tier: reference
    owner: team-crm
    paused: true
    checks:
      - { probe: table-lag, source: crm.public.orders, target: crm.archive.orders }
`

const loaded = loadConfig(text, { file: 'tallyman.yaml', env, probes })
if ('problems' in loaded) throw new Error(problemsText(loaded.problems))
const { config } = loaded
const checks = bindChecks(config, probes)
const [lag, open, orders] = checks

describe('a check of the config, bound', () => {
  it('is called by its pipeline and its own name', () => {
    expect(checks.map(({ id }) => id)).toEqual(['customers.table-lag', 'customers.open', 'orders.table-lag'])
  })

  it('measures its own target with its probe', async () => {
    const heard: string[] = []
    const { signal } = new AbortController()
    const connection = () => {
      throw new Error('this probe opens nothing')
    }
    const answer = await lag!.measure({
      signal,
      connection,
      trace: (line) => void heard.push(line),
      now: () => new Date(0),
    })
    expect([heard, answer.readings]).toEqual([['changed_at'], [{ metric: 'rows_behind_records', value: 1 }]])
  })

  it('names each connection it opens once', () => {
    expect(checks.map(({ connections }) => connections)).toEqual([['crm', 'billing'], ['crm'], ['crm']])
  })

  it('is paused with its pipeline or by itself', () => {
    expect(checks.map(({ paused }) => paused)).toEqual([false, true, true])
  })

  it('has the default rules of its signals under the targets of its pipeline, and those written for it', () => {
    const rules = lag!.rules.map(({ id, threshold }) => [id, threshold])
    expect(rules).toEqual([
      ['customers.table-lag.lag_seconds.warn', 300],
      ['customers.table-lag.lag_seconds.crit', 3600],
    ])
  })

  it('knows the numbers its target names', () => {
    expect(Object.keys(open!.metrics)).toEqual(['open'])
    expect(Object.keys(lag!.metrics)).toContain('lag_seconds')
  })

  it('may stand still for as long as its pipeline promises when that works in batches', () => {
    expect([lag!.stillMs, orders!.stillMs]).toEqual([120_000, 7_200_000])
  })
})

it('judges the verdicts of the pairs by the pipeline’s own rules, where there are pairs', () => {
  expect(bindReconcileRules(config).map(({ id, threshold }) => [id, threshold])).toEqual([
    ['customers.reconcile.match_ratio.warn', 0.999],
    ['customers.reconcile.match_ratio.crit', 0.9],
  ])
})
