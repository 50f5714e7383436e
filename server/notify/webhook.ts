import { z } from 'zod'
import { duration } from '../connect/duration.ts'
import { defineChannel } from './kind.ts'
import type { Outgoing, SendContext, SendOutcome } from './kind.ts'
import { sign, signatureHeader } from './signature.ts'
import { comparedLine, headline, valueLine } from './wording.ts'

const reserved = ['content-type', 'idempotency-key', 'x-tallyman-delivery', signatureHeader.toLowerCase()]
const retryAfterMsMax = 900_000

const url = z.url({ protocol: /^https?$/, error: 'write an http:// or https:// URL' }).refine(
  (text) => {
    if (!URL.canParse(text)) return true
    const { username, password } = new URL(text)
    return !username && !password
  },
  { error: 'put the credentials in `headers`, not in the URL' },
)

const settings = z.strictObject({
  url: url.describe('Where notices are posted.'),
  secret: z.string().min(16, 'use at least 16 characters').optional().describe('Signs every delivery (HMAC-SHA256).'),
  headers: z
    .record(z.string().regex(/^[A-Za-z0-9-]+$/), z.string().regex(/^[\t\x20-\x7e]*$/, 'use printable ASCII'))
    .default({})
    .refine((headers) => !Object.keys(headers).some((name) => reserved.includes(name.toLowerCase())), {
      error: `these are set by us: ${reserved.join(', ')}`,
    })
    .describe('Sent along with every delivery, such as an authorization.'),
  timeout: duration.prefault('10s').describe('For the whole delivery, answer included.'),
})

type Settings = z.output<typeof settings>

/**
 * Posts JSON and takes any 2xx for a delivery. Redirects are not followed, because a signed body must not travel on to
 * an address the config does not name. Neither the address nor a secret is ever part of an outcome.
 */
export const webhook = defineChannel({
  name: 'webhook',
  settings,
  open: (name, settings) => ({ name, send: (outgoing, context) => post(settings, outgoing, context) }),
})

async function post(settings: Settings, outgoing: Outgoing, context: SendContext): Promise<SendOutcome> {
  context.signal.throwIfAborted()
  // Not AbortSignal.any: Node retains every composite of a long-lived signal.
  const attempt = new AbortController()
  const shutDown = () => attempt.abort()
  const deadline = setTimeout(shutDown, settings.timeout)
  context.signal.addEventListener('abort', shutDown)
  try {
    const response = await context.fetch(settings.url, {
      ...request(settings, outgoing, context.now()),
      signal: attempt.signal,
    })
    // What the receiver says is not kept: it may echo the address or the body.
    await response.body?.cancel()
    return outcomeOf(response)
  } catch (thrown) {
    context.signal.throwIfAborted()
    const late = attempt.signal.aborted
    return {
      state: 'failed',
      error: late ? `no answer within ${settings.timeout} ms` : `no connection${codeOf(thrown)}`,
    }
  } finally {
    clearTimeout(deadline)
    context.signal.removeEventListener('abort', shutDown)
  }
}

function request({ secret, headers }: Settings, outgoing: Outgoing, now: Date): RequestInit {
  const body = JSON.stringify(bodyOf(outgoing))
  return {
    method: 'POST',
    redirect: 'manual',
    headers: {
      ...headers,
      'content-type': 'application/json',
      'idempotency-key': outgoing.notice.id,
      'x-tallyman-delivery': outgoing.notice.id,
      ...(secret ? { [signatureHeader]: sign(secret, body, now) } : {}),
    },
    body,
  }
}

function outcomeOf({ ok, status, headers }: Response): SendOutcome {
  if (ok) return { state: 'sent' }
  if (status >= 300 && status < 400) return { state: 'failed', error: `answered ${status}; redirects are not followed` }
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  const retryAfterMs = seconds > 0 ? Math.min(seconds * 1_000, retryAfterMsMax) : undefined
  return { state: 'failed', error: `answered ${status}`, retryAfterMs }
}

/** The driver's code alone: its message names the host. */
function codeOf(thrown: unknown): string {
  const { cause } = thrown as { cause?: { code?: unknown } }
  return typeof cause?.code === 'string' ? ` (${cause.code})` : ''
}

const notEnded = '0001-01-01T00:00:00Z'

/** Alertmanager's version 4 body, so that its receivers can read it, and `tallyman` with what it has no place for. */
function bodyOf(outgoing: Outgoing) {
  const { notice, collapsed } = outgoing
  const status = notice.event === 'fired' ? 'firing' : 'resolved'
  const { pipeline, rule, severity } = notice
  const labels = { alertname: `tallyman ${notice.signal ?? notice.kind}`, pipeline, rule, severity }
  const annotations = {
    summary: headline(outgoing),
    description: notice.what,
    owner: notice.owner,
    ...(valueLine(notice) ? { value: valueLine(notice) } : {}),
    ...(notice.compared ? { compared: comparedLine(notice) } : {}),
    ...(notice.runbook ? { runbook_url: notice.runbook } : {}),
  }
  const alert = {
    status,
    labels,
    annotations,
    startsAt: notice.since.toISOString(),
    endsAt: notice.event === 'fired' ? notEnded : notice.at.toISOString(),
    generatorURL: notice.links['incident'] ?? notice.links['pipeline'] ?? '',
    fingerprint: notice.dedupKey,
  }
  return {
    version: '4',
    groupKey: notice.dedupKey,
    truncatedAlerts: 0,
    status,
    receiver: notice.channel,
    groupLabels: { pipeline },
    commonLabels: labels,
    commonAnnotations: annotations,
    externalURL: notice.links['pipeline'] ?? '',
    alerts: [alert],
    tallyman: { ...notice, collapsed },
  }
}
