import { createRequire } from 'node:module'
import { Socket } from 'node:net'
import { userInfo } from 'node:os'
import type * as Pg from 'pg'
import type Cursor from 'pg-cursor'

/** The part of the driver's client that its types leave out, and that its own pool and cursor rely on. */
export interface Client extends Pg.Client {
  readonly processID: number | null
  readonly secretKey: number | null
  getStartupConf(): Record<string, string>
}

/** Likewise of its connection. */
export interface Wire extends Pg.Connection {
  connect(portOrPath: number | string, host?: string): void
  requestSsl(): void
  cancel(processID: number, secretKey: number): void
}

const load = createRequire(import.meta.url)

/**
 * The driver, loaded by the first connection: 25 ms. It asks `Response` whether it runs at Cloudflare unless there is a
 * `navigator`, which Node has from 21 on; on Node 20 that loads all of `fetch`, another 30 ms.
 */
export function driver(): typeof Pg {
  const bare = !('navigator' in globalThis)
  if (bare) Object.defineProperty(globalThis, 'navigator', { value: { userAgent: 'Node.js' }, configurable: true })
  try {
    const pg = load('pg') as typeof Pg
    // Without USER in the environment it would log in as nobody.
    pg.defaults.user ??= userInfo().username
    return pg
  } finally {
    if (bare) Reflect.deleteProperty(globalThis, 'navigator')
  }
}

export const openCursor = <Row>(text: string): Cursor<Row> => {
  const Opened = load('pg-cursor') as typeof Cursor
  return new Opened<Row>(text)
}

export interface Address {
  readonly url: string
  /** Settings the session starts with. */
  readonly settings: Readonly<Record<string, string>>
}

const connectTimeoutMs = 10_000
const keepAliveMs = 60_000

/** What of a URL's query names the connection; the rest are settings of the session. */
const ours = /^(host|port|user|password|ssl\w*|uselibpqcompat|client_encoding|connect_timeout|keepalives\w*)$/

/** A client that is not connected yet, and its socket. `sslmode` means what it means to libpq. */
export function clientOf({ url, settings }: Address, plain = false): { client: Client; socket: Socket } {
  const parsed = new URL(url)
  const { searchParams } = parsed
  const given: Record<string, string> = {}
  for (const [name, value] of [...searchParams]) {
    if (ours.test(name)) continue
    given[name] = value
    searchParams.delete(name)
  }
  if (plain) searchParams.set('sslmode', 'disable')
  else if (searchParams.get('sslmode') === 'allow') searchParams.set('sslmode', 'prefer')
  searchParams.set('uselibpqcompat', 'true')

  const socket = new Socket()
  const { Client } = driver()
  const client = new Client({
    connectionString: parsed.href,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveMs,
    stream: () => socket,
  }) as Client
  // As parameters of the start, which every pooler knows, and not as its `options`, which many refuse.
  const start = client.getStartupConf.bind(client)
  client.getStartupConf = () => ({ ...start(), ...given, ...settings })
  return { client, socket }
}

/** Whether a server without TLS may be talked to all the same. */
export const mayBePlain = (url: string): boolean =>
  ['prefer', 'allow'].includes(new URL(url).searchParams.get('sslmode') ?? '')
