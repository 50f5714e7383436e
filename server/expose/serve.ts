import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { Fault } from '../fault.ts'
import { createApi, type Exposed } from './api.ts'
import { guardBinding, isLoopback } from './auth.ts'

export interface Served {
  /** Where a browser on this machine opens it. */
  readonly url: string
  /** Ends live streams, answers what was asked, and stops listening. */
  close(): Promise<void>
}

const sweepMs = 100
const sweepsMax = 50

/**
 * Listens on host and port; port 0 takes a free one.
 * @throws Fault `config_invalid` when strangers could come in without a token; `conflict` when the port is taken.
 */
export async function serve(
  exposed: Omit<Exposed, 'loopback'>,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Served> {
  const loopback = isLoopback(host)
  if (!loopback) guardBinding(host, await exposed.tokens.any())
  const { app } = createApi({ ...exposed, loopback })
  const server = createAdaptorServer({ fetch: app.fetch, hostname: host }) as Server
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => reject(bindingFault(host, port, cause)))
    server.listen(port, host, () => resolve())
  })
  const { port: taken } = server.address() as AddressInfo
  return {
    url: `http://${shownHost(host)}:${taken}`,
    async close() {
      exposed.feed.close()
      let sweeps = 0
      let callOff = () => {}
      const sweep = () => {
        // A stream that has just ended leaves its connection open; a reader that has stopped reading never ends.
        if (sweeps++ < sweepsMax) server.closeIdleConnections()
        else server.closeAllConnections()
        callOff = exposed.after(sweepMs, sweep)
      }
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      sweep()
      await closed
      callOff()
    },
  }
}

/** A wildcard is where we listen, not where anybody can go. */
function shownHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

function bindingFault(host: string, port: number, cause: NodeJS.ErrnoException): Fault {
  if (cause.code === 'EADDRINUSE') {
    return new Fault('conflict', `Port ${port} on ${host} is in use.`, {
      hint: `Another program, perhaps another Tallyman, listens there: stop it, or choose another with --port.`,
      cause,
    })
  }
  if (cause.code === 'EACCES') {
    return new Fault('forbidden', `This user may not listen on port ${port}.`, {
      hint: 'Choose a port above 1023 with --port.',
      cause,
    })
  }
  return new Fault('config_invalid', `Cannot listen on ${host}:${port}: ${cause.code ?? cause.message}.`, {
    hint: 'Check --host: it has to be an address of this machine.',
    cause,
  })
}
