import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { busyServer, scrape, spread, type BusyServer, type Scrape } from './busy-server.ts'

const scrapes = 100
const rows = 300_000
const everyMs = 20
const underWay = 'tallyman_reconcile_in_progress{pipeline="orders"} 1\n'

let server: BusyServer
beforeAll(async () => {
  server = await busyServer(rows)
})
afterAll(() => server?.drop())

describe('/metrics, while tables are compared and a check hangs', () => {
  it(`answers a hundred scrapes with everything in them`, { timeout: 240_000 }, async () => {
    const stop = new AbortController()
    const reconciling = server.reconcileUntil(stop.signal)
    const seen: Scrape[] = []
    const busy = () => seen.filter(({ text }) => text.includes(underWay))
    while (busy().length < scrapes) {
      seen.push(await scrape(server.tallyman))
      await sleep(everyMs)
    }
    expect(await server.hanging()).toBe(1)
    stop.abort()
    await reconciling

    const { p50, p99, max } = spread(busy().map(({ ms }) => ms))
    process.stdout.write(
      `scrapes under load: p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms\n`,
    )
    for (const { status, text } of seen) {
      expect(status).toBe(200)
      for (const pipeline of ['orders', 'locked']) {
        expect(text).toMatch(new RegExp(`^tallyman_pipeline_info\\{[^}]*pipeline="${pipeline}"`, 'm'))
      }
      expect(text).toMatch(/^process_cpu_seconds_total /m)
    }
  })
})
