import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { channelSchema } from '../server/notify/channel.ts'
import { comparedOf, type Compared, type Notice } from '../server/notify/notice.ts'
import { sign, verifySignature } from '../server/notify/signature.ts'

const secret = 'a-secret-of-the-receiver'
const path = '/hooks/T0KEN-in-the-path'
const at = new Date('2026-03-01T10:03:00Z')

const notice: Notice = {
  id: 'b6b2a0c2-0d1f-4a53-9a62-1f8d4a9b7e10',
  channel: 'ops',
  incident: 'i-1',
  rule: 'customers.lag.lag_seconds.crit',
  pipeline: 'customers',
  pipelineTitle: 'CRM customers to billing',
  signal: 'lag',
  kind: 'value',
  event: 'fired',
  severity: 'crit',
  dedupKey: 'customers.lag.lag_seconds.crit:2026-03-01T10:00:00.000Z:crit',
  at,
  since: new Date('2026-03-01T10:00:00Z'),
  what: 'The newest change is at least 412 s old.',
  value: 412,
  threshold: 300,
  when: 'above',
  unit: 'seconds',
  owner: 'team-crm',
  runbook: 'https://wiki.example/runbooks/customers',
  links: { pipeline: 'https://tally.example/pipelines/customers', incident: 'https://tally.example/alerts/i-1' },
}

interface Delivered {
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

/** A receiver that answers as told, and keeps what it got. */
async function receiver(answer: (response: ServerResponse) => void): Promise<{ origin: string; got: Delivered[] }> {
  const got: Delivered[] = []
  server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      got.push({ headers: request.headers, body: Buffer.concat(chunks).toString() })
      answer(response)
    })
  })
  await new Promise<void>((listening) => server!.listen(0, '127.0.0.1', listening))
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, got }
}

const send = (settings: object, outgoing = { notice, collapsed: false }, signal = new AbortController().signal) =>
  channelSchema
    .parse({ webhook: settings })
    .open('ops')
    .send(outgoing, { signal, fetch, now: () => at })

const status = (code: number, headers: Record<string, string> = {}) =>
  receiver((response) => response.writeHead(code, headers).end('{"seen":"everything"}'))

const compared = (pair: string, matchRatio?: number): Compared => ({
  ...{ pair, run: `run-of-${pair}`, mode: 'sample', share: 0.05, estimated: true },
  says: 'a random 5 % of the key space; the match ratio is an estimate',
  ...(matchRatio === undefined ? {} : { matchRatio }),
})

describe('a notice about drift', () => {
  it('says how much its numbers are of, what could not tell first, then the worst', async () => {
    const { origin, got } = await status(204)
    const told = comparedOf([compared('fine', 1), compared('worse', 0.5), compared('blind'), compared('bad', 0.9)])
    await send({ url: origin + path, secret }, { notice: { ...notice, ...told }, collapsed: false })
    const { tallyman, commonAnnotations } = JSON.parse(got[0]!.body)
    expect(tallyman.compared.map(({ pair }: Compared) => pair)).toEqual(['blind', 'worse', 'bad', 'fine'])
    expect(tallyman.compared[1]).toEqual(compared('worse', 0.5))
    expect(tallyman).not.toHaveProperty('comparedLeftOut')
    expect(commonAnnotations.compared).toMatch(
      /^blind \(sample\): a random 5 % of the key space; the match .*; worse \(s/,
    )
  })

  it('names twenty pairs, and counts the others', async () => {
    const { origin, got } = await status(204)
    const told = comparedOf(Array.from({ length: 23 }, (_, place) => compared(`p${place}`, 1 - place / 100)))
    await send({ url: origin + path, secret }, { notice: { ...notice, ...told }, collapsed: false })
    const { tallyman, commonAnnotations } = JSON.parse(got[0]!.body)
    expect(tallyman.compared).toHaveLength(20)
    expect(tallyman.compared[0].pair).toBe('p22')
    expect(tallyman.comparedLeftOut).toBe(3)
    expect(commonAnnotations.compared).toMatch(/; and 3 more$/)
  })

  it('is the only one that does', async () => {
    const { origin, got } = await status(204)
    await send({ url: origin + path, secret }, { notice: { ...notice, ...comparedOf([]) }, collapsed: false })
    const { tallyman, commonAnnotations } = JSON.parse(got[0]!.body)
    expect([tallyman, commonAnnotations].some((one) => 'compared' in one)).toBe(false)
  })
})

describe('a webhook that accepts', () => {
  it('is sent what is wrong, against what, since when, whose it is and where to read on', async () => {
    const { origin, got } = await status(204)
    expect(await send({ url: origin + path, secret })).toEqual({ state: 'sent' })

    const body = JSON.parse(got[0]!.body)
    expect(body).toMatchObject({
      version: '4',
      status: 'firing',
      receiver: 'ops',
      groupKey: notice.dedupKey,
      commonLabels: { pipeline: 'customers', rule: notice.rule, severity: 'crit' },
      alerts: [
        {
          status: 'firing',
          startsAt: '2026-03-01T10:00:00.000Z',
          endsAt: '0001-01-01T00:00:00Z',
          fingerprint: notice.dedupKey,
          generatorURL: notice.links['incident'],
          annotations: {
            summary: 'Critical: CRM customers to billing',
            description: notice.what,
            value: '412 s, fires above 300 s',
            owner: 'team-crm',
            runbook_url: notice.runbook,
          },
        },
      ],
      tallyman: { id: notice.id, event: 'fired', value: 412, threshold: 300, owner: 'team-crm', links: notice.links },
    })
  })

  it('can tell by the signature that it is ours, by the exact bytes', async () => {
    const { origin, got } = await status(200)
    await send({ url: origin + path, secret })
    const { headers, body } = got[0]!
    const header = headers['x-tallyman-signature'] as string

    expect(header).toMatch(/^t=1772359380,sha256=[0-9a-f]{64}$/)
    expect(verifySignature({ secret, body, header, now: at })).toBe('valid')
    expect(verifySignature({ secret: 'another-secret-entirely', body, header, now: at })).toBe('wrong')
    expect(verifySignature({ secret, body: `${body} `, header, now: at })).toBe('wrong')
  })

  it('is handed the notice id twice, as a delivery id and as an idempotency key', async () => {
    const { origin, got } = await status(200)
    await send({ url: origin + path })
    expect(got[0]!.headers['x-tallyman-delivery']).toBe(notice.id)
    expect(got[0]!.headers['idempotency-key']).toBe(notice.id)
    expect(got[0]!.headers['x-tallyman-signature']).toBeUndefined()
  })

  it('has accepted as soon as it says 2xx, however long it talks on', async () => {
    const { origin } = await receiver((response) => response.writeHead(200).write('still talking'))
    expect(await send({ url: origin, timeout: '2s' })).toEqual({ state: 'sent' })
  })

  it('is told a fire and its end at once when the fire never arrived', async () => {
    const { origin, got } = await status(200)
    await send({ url: origin }, { notice: { ...notice, event: 'resolved' }, collapsed: true })
    const body = JSON.parse(got[0]!.body)
    expect(body.alerts[0]).toMatchObject({
      status: 'resolved',
      endsAt: '2026-03-01T10:03:00.000Z',
      annotations: { summary: 'Fired and resolved (3 min): CRM customers to billing' },
    })
  })
})

describe('a webhook that does not accept', () => {
  it('is not delivered by any status but 2xx', async () => {
    const { origin } = await status(500)
    expect(await send({ url: origin })).toEqual({ state: 'failed', error: 'answered 500' })
  })

  it('is not followed to another address', async () => {
    const { origin, got } = await status(307, { location: '/elsewhere' })
    expect(await send({ url: origin })).toEqual({
      state: 'failed',
      error: 'answered 307; redirects are not followed',
    })
    expect(got).toHaveLength(1)
  })

  it('is asked again when it said, up to a quarter of an hour', async () => {
    const soon = await status(429, { 'retry-after': '30' })
    expect(await send({ url: soon.origin })).toMatchObject({ retryAfterMs: 30_000 })
    server!.close()
    const late = await status(503, { 'retry-after': '86400' })
    expect(await send({ url: late.origin })).toMatchObject({ retryAfterMs: 900_000 })
  })

  it('is given up on at the timeout', async () => {
    const silent = await receiver(() => {})
    expect(await send({ url: silent.origin, timeout: '100ms' })).toEqual({
      state: 'failed',
      error: 'no answer within 100 ms',
    })
  })

  it('may drop the connection', async () => {
    const { origin } = await receiver((response) => response.destroy())
    expect(await send({ url: origin })).toMatchObject({ state: 'failed', error: 'no connection (UND_ERR_SOCKET)' })
  })

  it.each(['status', 'drop', 'hang', 'refuse'])('never has its address or secret in the outcome: %s', async (way) => {
    const { origin } = await receiver((response) => {
      if (way === 'status') response.writeHead(401).end(path)
      if (way === 'drop') response.destroy()
    })
    if (way === 'refuse') server!.close()
    const headers = { authorization: 'Bearer b3arer-value' }
    const outcome = await send({ url: origin + path, secret, headers, timeout: '100ms' })
    expect(outcome.state).toBe('failed')
    expect(JSON.stringify(outcome)).not.toMatch(/T0KEN|a-secret|b3arer|127\.0\.0\.1/)
  })

  it('leaves a shutdown as a shutdown, not as a failure of the receiver', async () => {
    const { origin } = await receiver(() => stop.abort(new Error('shutting down')))
    const stop = new AbortController()
    await expect(send({ url: origin }, undefined, stop.signal)).rejects.toThrow('shutting down')
  })
})

describe('a signature', () => {
  const body = '{"a":"ü"}'
  const header = sign(secret, body, at)
  const later = (ms: number) => new Date(at.getTime() + ms)

  it('is refused five minutes later, so that a delivery cannot be replayed', () => {
    expect(verifySignature({ secret, body, header, now: later(299_000) })).toBe('valid')
    expect(verifySignature({ secret, body, header, now: later(301_000) })).toBe('stale')
    expect(verifySignature({ secret, body, header, now: later(-301_000) })).toBe('stale')
  })

  it('covers its own time', () => {
    const moved = header.replace(/^t=\d+/, `t=${later(400_000).getTime() / 1_000}`)
    expect(verifySignature({ secret, body, header: moved, now: later(400_000) })).toBe('wrong')
  })

  it.each([undefined, '', 'sha256=00', 't=1,sha256=zz', `${header}, ${header}`])('is malformed as %s', (text) => {
    expect(verifySignature({ secret, body, header: text, now: at })).toBe('malformed')
  })
})

describe('the settings of a channel', () => {
  const problems = (entry: object) => channelSchema.safeParse(entry).error?.issues.map(({ message }) => message)

  it('name exactly one kind', () => {
    expect(problems({})).toEqual(['give exactly one of: webhook'])
  })

  it('refuse what would leak or break', () => {
    const url = 'https://ops.example/hook'
    expect(problems({ webhook: { url: 'ftp://x' } })).toEqual(['write an http:// or https:// URL'])
    expect(problems({ webhook: { url: 'https://me:hunter2@ops.example' } })).toEqual([
      'put the credentials in `headers`, not in the URL',
    ])
    expect(problems({ webhook: { url, headers: { 'X-Tallyman-Signature': 'x' } } })?.[0]).toMatch('these are set by us')
    expect(problems({ webhook: { url, headers: { a: 'b\r\nc' } } })).toEqual(['use printable ASCII'])
    expect(problems({ webhook: { url }, colour: 'red' })?.[0]).toMatch('Unrecognized key')
  })

  it('say whom it is for', () => {
    const parsed = channelSchema.parse({
      webhook: { url: 'https://ops.example' },
      severities: ['crit'],
    })
    expect(parsed).toMatchObject({ kind: 'webhook', severities: ['crit'] })
  })
})
