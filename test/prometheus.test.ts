import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { postgresServer, type TestDatabase } from './services/postgres.ts'
import { eventually } from './services/process.ts'
import { promtool, startPrometheus, type Prometheus, type PrometheusAlert } from './services/prometheus.ts'
import { startTallyman, type Tallyman } from './services/tallyman.ts'

const rules = await readFile(join(import.meta.dirname, '../grafana/alerts/tallyman.rules.yml'), 'utf8')

const config = `
store: "\${STORE_URL}"
connections:
  crm: { url: "\${CRM_URL}" }
  billing: { url: "\${BILLING_URL}" }
pipelines:
  customers:
    title: CRM customers to billing
    pattern: event-driven
    tier: realtime
    owner: team-crm
    runbook: https://wiki.example/customers
    checks:
      - { id: lag, probe: table-lag, every: 2s, timeout: 1500ms, source: crm.public.customers, target: billing.public.customers, column: updated_at }
      - { id: gone, probe: table-lag, every: 2s, timeout: 1500ms, source: crm.public.nowhere, target: billing.public.customers, column: updated_at }
  invoices:
    title: Invoices, in order
    pattern: event-driven
    tier: realtime
    owner: team-billing
    checks:
      - { id: lag, probe: table-lag, every: 2s, timeout: 1500ms, source: crm.public.invoices, target: billing.public.invoices, column: updated_at }
`

const table = (name: string) => `create table ${name} (id int primary key, updated_at timestamptz not null);`
const rows = (name: string, from: number, to: number) =>
  `insert into ${name} select n, timestamptz '2026-01-01' + n * interval '1 minute' from generate_series(${from}, ${to}) n;`

/** The rules as shipped, but for their patience: what waits minutes waits a second. */
const hurried = (text: string) => text.replaceAll(/^( *)(for|keep_firing_for): \S+$/gm, '$1$2: 1s')

const prometheusConfig = (port: number) => `
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [tallyman.rules.yml]
scrape_configs:
  - job_name: tallyman
    static_configs: [{ targets: ['127.0.0.1:${port}'] }]
`

const run = async (database: TestDatabase, statements: string) => {
  const sql = postgres(database.url, { max: 1, onnotice() {} })
  await sql.unsafe(statements).simple()
  await sql.end()
}

describe('the shipped rules in a Prometheus that scrapes a server with a broken pipeline', () => {
  let store: TestDatabase
  let crm: TestDatabase
  let billing: TestDatabase
  let tallyman: Tallyman
  let prometheus: Prometheus

  beforeAll(async () => {
    const server = await postgresServer()
    store = await server.createDatabase('store')
    crm = await server.createDatabase('crm')
    billing = await server.createDatabase('billing')
    const both = `${table('customers')}${table('invoices')}${rows('invoices', 1, 5)}`
    await run(crm, `${both}${rows('customers', 1, 50)}`)
    await run(billing, `${both}${rows('customers', 1, 10)}`)

    tallyman = await startTallyman({
      config,
      env: { STORE_URL: store.url, CRM_URL: crm.url, BILLING_URL: billing.url },
    })
    prometheus = await startPrometheus(prometheusConfig(tallyman.port), { 'tallyman.rules.yml': hurried(rules) })
  })

  afterAll(async () => {
    await prometheus?.stop()
    await tallyman?.stop()
    for (const database of [store, crm, billing]) await database?.drop()
  })

  const firing = (name: string, pipeline?: string): Promise<PrometheusAlert> =>
    eventually(`${name} to fire`, async () => {
      const alerts = await prometheus.alerts()
      return alerts.find(
        ({ labels, state }) => state === 'firing' && labels.alertname === name && labels.pipeline === pipeline,
      )
    })

  it('scrapes it without a fault', async () => {
    await eventually('a scrape', async () => (await prometheus.query('up{job="tallyman"} == 1'))[0])
    expect(await prometheus.query('scrape_samples_post_metric_relabeling{job="tallyman"} > 50')).toHaveLength(1)
  })

  it('exposes what the check of Prometheus accepts', async () => {
    const text = await (await tallyman.get('/metrics')).text()
    // What Node's own collectors call their metrics is theirs to decide.
    const ours = text.replaceAll(/^(# (HELP|TYPE) )?(nodejs|process)_.*\n/gm, '')
    expect(await promtool(['check', 'metrics'], ours)).toEqual({ ok: true, output: '' })
  })

  it('fires the dead man’s switch, which must always fire', async () => {
    await firing('TallymanWatchdog')
  })

  it('fires for the pipeline that lags, and says who owns it', async () => {
    const alert = await firing('TallymanLagHigh', 'customers')
    expect(alert.labels.severity).toBe('critical')
    expect(alert.annotations.summary).toContain('customers')
    expect(JSON.stringify(alert)).toContain('team-crm')
  })

  it('fires for the check that cannot answer', async () => {
    const alert = await firing('TallymanCheckSilent', 'customers')
    expect(alert.labels.check).toBe('customers.gone')
  })

  it('fires nothing about the pipeline that keeps up', async () => {
    await firing('TallymanLagHigh', 'customers')
    expect((await prometheus.alerts()).filter(({ labels }) => labels.pipeline === 'invoices')).toEqual([])
  })

  it('stops firing about the lag once the target has caught up', async () => {
    await firing('TallymanLagHigh', 'customers')
    await run(billing, rows('customers', 11, 50))
    await eventually('the alert to end', async () => {
      const open = (await prometheus.alerts()).filter(({ labels }) => labels.alertname === 'TallymanLagHigh')
      return open.length === 0 || undefined
    })
  })

  it('fires when the server itself is gone', async () => {
    await tallyman.kill()
    await firing('TallymanExporterDown')
  })
})
