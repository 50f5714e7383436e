import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually } from './services/process.ts'
import { startTallyman, type Tallyman } from './services/tallyman.ts'
import { webhookReceiver, type WebhookReceiver } from './services/webhook.ts'
import { twoCopies, type TwoCopies } from './two-copies.ts'

let copies: TwoCopies
let receiver: WebhookReceiver
let tallyman: Tallyman
beforeAll(async () => {
  copies = await twoCopies('drift_notice')
  for (const { sql } of [copies.source, copies.target]) {
    await sql.unsafe(`create table t (id int primary key, a text);
      insert into t select i, 'a' || i from generate_series(1, 2000) i; create table u as select * from t;
      alter table u add primary key (id); analyze`)
  }
  receiver = await webhookReceiver()
  const pair = (table: string, more: string) =>
    `{ id: ${table}s, source: { table: source.${table} }, target: { table: target.${table} }, key: [id], ${more} }`
  tallyman = await startTallyman({
    config: `
server: { externalUrl: 'https://tallyman.example' }
connections: { source: { url: '${copies.source.url}' }, target: { url: '${copies.target.url}' } }
channels: { oncall: { webhook: { url: '${receiver.url}hook' } } }
pipelines:
  p:
    title: P
    pattern: batch
    tier: operational
    owner: team
    pairs:
      - ${pair('t', 'mode: sample, sample: { share: 0.25 }, settle: { wait: 0ms, tries: 1 }')}
      - ${pair('u', 'settle: { wait: 0ms, tries: 1 }')}
`,
  })
}, 90_000)
afterAll(async () => {
  await tallyman?.stop()
  await receiver?.stop()
  await copies?.drop()
})

interface Told {
  readonly event: string
  readonly rule: string
  readonly compared: readonly { readonly pair: string; readonly run: string; readonly matchRatio: number }[]
}
const told = () => receiver.deliveries.map(({ body }) => (JSON.parse(body) as { tallyman: Told }).tallyman)

/** Runs a pair to its end, in its own mode unless one is given. */
async function ran(pair: string, body: object = {}): Promise<string> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const { run } = (await (await tallyman.get(`/api/v1/pairs/${pair}/runs`, init)).json()) as { run: string }
  await eventually('the run to end', async () => {
    const { endedAt } = (await (await tallyman.get(`/api/v1/runs/${run}`)).json()) as { endedAt: string | null }
    return endedAt ?? undefined
  })
  return run
}

describe('a notice about drift', () => {
  it('says by which runs it is known, how much they compared, and so does its end', async () => {
    const whole = await ran('us')
    await copies.target.sql`update t set a = 'x'`
    const sample = await ran('ts')
    const fired = await eventually('the drift to be told', async () => told()[0])
    expect(fired).toMatchObject({
      event: 'fired',
      rule: expect.stringMatching(/^p\.reconcile\.match_ratio\./),
      compared: [
        { pair: 'ts', run: sample, mode: 'sample', share: 0.25, estimated: true, matchRatio: 0 },
        { pair: 'us', run: whole, mode: 'full', share: 1, estimated: false, says: 'all rows', matchRatio: 1 },
      ],
    })

    await copies.target.sql`update t set a = 'a' || id`
    const full = await ran('ts', { mode: 'full' })
    const isEnd = ({ event, rule }: Told) => event === 'resolved' && rule === fired.rule
    const resolved = await eventually('its end to be told', async () => told().find(isEnd))
    expect(resolved.compared).toContainEqual(expect.objectContaining({ pair: 'ts', run: full, mode: 'full', share: 1 }))
  }, 60_000)
})
