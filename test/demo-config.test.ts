import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { probes } from '../checks/registry.ts'
import type { Answer } from '../checks/probe.ts'
import { bindChecks } from '../server/config/bind.ts'
import { loadConfig } from '../server/config/load.ts'
import { problemsText } from '../server/config/problem.ts'
import { openEmbedded } from '../server/connect/embedded.ts'
import type { Embedded } from '../server/connect/embedded.ts'
import { openPostgres, postgresOptions, type Postgres } from '../server/connect/postgres.ts'
import { demoConfig } from '../server/demo/config.ts'
import { seededRandom } from '../server/demo/random.ts'
import { seed } from '../server/demo/seed.ts'
import { demoWorker } from '../server/demo/worker.ts'

const env = { CRM_URL: 'pglite:///somewhere/crm', BILLING_URL: 'pglite:///somewhere/billing' }
const loaded = loadConfig(demoConfig, { file: 'demo.yaml', env, probes })
const configured = () => {
  if ('problems' in loaded) throw new Error(problemsText(loaded.problems))
  return loaded.config
}

describe('the config of the demo', () => {
  it('is one that a user could write', () => {
    expect('problems' in loaded ? problemsText(loaded.problems) : '').toBe('')
  })

  it('has an owner, a runbook and a route for each of its six pipelines', () => {
    const pipelines = Object.values(configured().pipelines)
    expect(pipelines).toHaveLength(6)
    for (const pipeline of pipelines) {
      expect(pipeline).toMatchObject({
        owner: expect.any(String),
        runbook: expect.any(String),
        route: expect.any(Array),
      })
    }
  })

  it('only proposes', () => {
    const modes = Object.values(configured().pipelines).flatMap(({ pairs }) =>
      pairs.map((pair) => pair.corrections.mode),
    )
    expect(new Set(modes)).toEqual(new Set(['propose']))
  })
})

describe('the checks of the demo, a minute after its first start', () => {
  const open: Embedded[] = []
  const clients = new Map<string, Postgres>()
  const answers = new Map<string, Answer>()
  let directory: string

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tallyman-demo-config-'))
    for (const name of ['crm', 'billing']) {
      const embedded = await openEmbedded(join(directory, name))
      open.push(embedded)
      clients.set(name, openPostgres({ name, url: embedded.url, embedded: true }))
    }
    const [crm, billing] = open.map(({ url }) => {
      const [address, options] = postgresOptions(url)
      return postgres(address, { ...options, max: 1, fetch_types: false, onnotice() {} })
    }) as [Sql, Sql]
    const databases = { crm, billing }
    // Begun a minute ago, so that the databases' own clock is at the end of it.
    const startedAt = new Date(Date.now() - 62_000)
    await seed(databases, startedAt, 1)
    const worker = demoWorker(databases, seededRandom(2), startedAt)
    for (let ms = 0; ms <= 60_000; ms += 500) await worker.turn(new Date(startedAt.getTime() + ms))
    await Promise.all([crm.end(), billing.end()])

    for (const check of bindChecks(configured(), probes)) {
      const answer = await check.measure({
        signal: AbortSignal.timeout(10_000),
        now: () => new Date(),
        connection: (_, name) => clients.get(name)!,
        trace() {},
      })
      answers.set(check.id, answer)
    }
  })
  afterAll(async () => {
    await Promise.all([...clients.values()].map((client) => client.close()))
    await Promise.all(open.map((embedded) => embedded.close()))
    await rm(directory, { recursive: true, force: true })
  })

  const reading = (check: string, metric: string) =>
    answers.get(check)!.readings.find((found) => found.metric === metric)?.value ?? Number.NaN
  const lag = (check: string) => answers.get(check)!.positions?.[0]?.exact?.seconds ?? Number.NaN

  it('see the orders lag behind, in the table and in the queue', () => {
    expect(lag('orders.table-lag')).toBeGreaterThan(20)
    expect(lag('orders.outbox')).toBeGreaterThan(20)
    expect(reading('orders.outbox', 'pending_records')).toBeGreaterThan(50)
  })

  it('see what billing refuses of the customers, and what was given up', () => {
    expect(reading('customers.outbox', 'error_ratio')).toBeGreaterThan(0.05)
    expect(reading('customers.outbox', 'dead_letters')).toBeGreaterThan(10)
  })

  it('see payments twice', () => {
    expect(reading('payments.duplicates', 'duplicate_records')).toBeGreaterThan(3)
  })

  it('see nothing wrong with subscriptions and prices', () => {
    expect(lag('subscriptions.table-lag')).toBe(0)
    expect(reading('subscriptions.requests', 'error_ratio')).toBe(0)
    expect(reading('subscriptions.requests', 'handled_records')).toBeGreaterThan(40)
    expect(lag('prices.table-lag')).toBeLessThan(60)
    expect(reading('prices.imports', 'error_ratio')).toBe(0)
  })

  it('count no row as missing that is merely late', () => {
    expect(reading('orders.completeness', 'missing_records')).toBe(0)
  })
})
