import { createHmac } from 'node:crypto'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { client, type Client } from './client.ts'
import { eventually } from './services/process.ts'
import { postgresServer, type TestDatabase } from './services/postgres.ts'
import { startTallyman, type Tallyman } from './services/tallyman.ts'
import { webhookReceiver, type WebhookReceiver } from './services/webhook.ts'

type Delivery = WebhookReceiver['deliveries'][number]

const secret = 'a secret of the receiver'

interface Body {
  readonly status: string
  readonly groupKey: string
  readonly commonLabels: Readonly<Record<string, string>>
  readonly commonAnnotations: Readonly<Record<string, string>>
  readonly tallyman: {
    readonly id: string
    readonly event: string
    readonly collapsed: boolean
    readonly value?: number
  }
}

const bodyOf = ({ body }: Delivery) => JSON.parse(body) as Body
const idOf = ({ headers }: Delivery) => headers['x-tallyman-delivery']

/** As docs/webhooks.md tells a receiver to do it. */
function isSigned({ headers, body, at }: Delivery): boolean {
  const [, t, hex] = /^t=(\d{1,12}),sha256=([0-9a-f]{64})$/.exec(String(headers['x-tallyman-signature'])) ?? []
  const fresh = Math.abs(at.getTime() - Number(t) * 1_000) <= 300_000
  return fresh && createHmac('sha256', secret).update(`${t}.${body}`).digest('hex') === hex
}

describe.each(['embedded', 'postgres'] as const)('a pipeline that breaks, watched on a store of kind %s', (kind) => {
  let databases: TestDatabase[]
  let billing: Sql
  let receiver: WebhookReceiver
  let tallyman: Tallyman
  let api: Client

  beforeAll(async () => {
    const server = await postgresServer()
    databases = [await server.createDatabase('billing'), await server.createDatabase('store')]
    billing = postgres(databases[0]!.url, { max: 1, onnotice() {} })
    await billing`create table bookings (id int primary key, state text)`
    receiver = await webhookReceiver()
    const config = {
      ...(kind === 'postgres' ? { store: databases[1]!.url } : {}),
      server: { externalUrl: 'https://tallyman.example' },
      connections: { billing: { url: databases[0]!.url } },
      channels: { oncall: { webhook: { url: `${receiver.url}hook`, secret, timeout: '5s' } } },
      pipelines: {
        bookings: {
          title: 'Bookings',
          pattern: 'batch',
          tier: 'operational',
          owner: 'team-bookings',
          runbook: 'https://wiki.example/bookings',
          checks: [
            {
              probe: 'sql',
              id: 'rejected',
              every: '1s',
              timeout: '900ms',
              connection: 'billing',
              query: `select count(*) as rejected from bookings where state = 'rejected'`,
              metrics: { rejected: { help: 'Bookings that were rejected.', unit: 'records' } },
              rules: [{ metric: 'rejected', above: 2, recover: 0, for: '0s', recoverFor: '0s', severity: 'crit' }],
            },
          ],
        },
      },
    }
    tallyman = await startTallyman({ config: JSON.stringify(config) })
    api = client(tallyman)
  })
  afterAll(async () => {
    await tallyman?.stop()
    await receiver?.stop()
    await billing?.end()
    for (const database of databases ?? []) await database.drop()
  })

  const fail = () => billing`insert into bookings select n, 'rejected' from generate_series(1, 3) n`
  const repair = () => billing`delete from bookings`
  const openAlerts = async () => (await api.alerts()).open.length
  const refused = (count: number) =>
    eventually(
      `${count} refused deliveries`,
      async () => receiver.deliveries.filter(({ status }) => status >= 500).length >= count || undefined,
      60_000,
    )

  it(
    'is told, although the receiver fails twice and the server is killed in between',
    { timeout: 240_000 },
    async () => {
      receiver.failNext(2)
      await fail()
      await refused(1)
      await tallyman.kill('SIGKILL')
      await tallyman.restart()
      const [accepted] = await receiver.accepted(1, 170_000)

      expect(receiver.deliveries.map(({ status }) => status)).toEqual([503, 503, 204])
      for (const delivery of receiver.deliveries) {
        expect(delivery).toMatchObject({ method: 'POST', path: '/hook' })
        expect(isSigned(delivery)).toBe(true)
        expect(delivery.headers['idempotency-key']).toBe(idOf(delivery))
      }
      // However often it is tried, it is one notice.
      expect(new Set(receiver.deliveries.map(idOf)).size).toBe(1)
      expect(new Set(receiver.deliveries.map(({ body }) => body)).size).toBe(1)
      expect(bodyOf(accepted!)).toMatchObject({
        status: 'firing',
        commonLabels: { pipeline: 'bookings', severity: 'crit' },
        commonAnnotations: { owner: 'team-bookings', runbook_url: 'https://wiki.example/bookings' },
        tallyman: { event: 'fired', collapsed: false, value: 3 },
      })
      const told = await eventually('the alert to know', async () => {
        const [alert] = (await api.alerts()).open
        return alert?.notices[0]?.state === 'delivered' ? alert.notices : undefined
      })
      expect(told).toMatchObject([{ channel: 'oncall', event: 'fired', attempts: expect.any(Number), error: null }])
    },
  )

  it('is told once more when it is repaired, and of the same incident', { timeout: 180_000 }, async () => {
    await repair()
    const [fired, resolved] = await receiver.accepted(2, 170_000)
    expect(isSigned(resolved!)).toBe(true)
    expect(bodyOf(resolved!)).toMatchObject({ status: 'resolved', tallyman: { event: 'resolved', collapsed: false } })
    expect(bodyOf(resolved!).groupKey).toBe(bodyOf(fired!).groupKey)
    expect(idOf(resolved!)).not.toBe(idOf(fired!))
    expect(await openAlerts()).toBe(0)
  })

  it('is told in one notice when it was repaired before the receiver took any', { timeout: 180_000 }, async () => {
    const before = receiver.deliveries.length
    receiver.failNext(1)
    await fail()
    await refused(3)
    await repair()
    await receiver.accepted(3, 170_000)
    // Long enough for a second notice to come, were there one.
    await eventually('the alert to end', async () => (await openAlerts()) === 0 || undefined)
    await new Promise((resolve) => setTimeout(resolve, 2_000))

    const [first, ...others] = receiver.deliveries.slice(before)
    expect(bodyOf(first!)).toMatchObject({ status: 'firing' })
    expect(others.map(({ status }) => status)).toEqual([204])
    expect(bodyOf(others[0]!)).toMatchObject({ status: 'resolved', tallyman: { event: 'resolved', collapsed: true } })
    expect(bodyOf(others[0]!).groupKey).toBe(bodyOf(first!).groupKey)
  })

  it('never shows the secret', async () => {
    expect(await tallyman.log()).not.toContain(secret)
    expect(await (await tallyman.get('/api/v1/alerts')).text()).not.toContain(secret)
  })
})
