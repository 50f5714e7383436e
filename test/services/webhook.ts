import { once as onceEvent } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { eventually } from './process.ts'

interface Delivery {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** Exactly the bytes that arrived, as a signature covers them. */
  readonly body: string
  readonly at: Date
  /** What the sender was answered. */
  readonly status: number
}

export interface WebhookReceiver {
  readonly url: string
  /** Every request so far, oldest first, refused ones included. */
  readonly deliveries: readonly Delivery[]
  /** The next so many requests are answered with this status instead of 204. */
  failNext(times: number, status?: number): void
  /** Waits for so many accepted requests. */
  accepted(count: number, withinMs?: number): Promise<readonly Delivery[]>
  stop(): Promise<void>
}

/** A server of ours that takes what others send and remembers it. It can refuse the first requests on demand. */
export async function webhookReceiver(): Promise<WebhookReceiver> {
  const deliveries: Delivery[] = []
  let refusals = { left: 0, status: 503 }

  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)

    const status = refusals.left > 0 ? refusals.status : 204
    refusals = { ...refusals, left: Math.max(0, refusals.left - 1) }
    const { method = '', url: path = '', headers } = request
    deliveries.push({ method, path, headers, body: Buffer.concat(chunks).toString('utf8'), at: new Date(), status })
    response.writeHead(status).end()
  }).listen(0, '127.0.0.1')
  await onceEvent(server, 'listening')
  const { port } = server.address() as { port: number }

  return {
    url: `http://127.0.0.1:${port}/`,
    deliveries,
    failNext(times, status = 503) {
      refusals = { left: times, status }
    },
    accepted: (count, withinMs) =>
      eventually(
        `${count} accepted deliveries`,
        async () => {
          const accepted = deliveries.filter(({ status }) => status < 300)
          return accepted.length >= count ? accepted : undefined
        },
        withinMs,
      ),
    async stop() {
      server.closeAllConnections()
      server.close()
      await onceEvent(server, 'close')
    },
  }
}
