import { connect, type Socket } from 'node:net'
import postgres, { type PendingQuery, type Row, type Sql } from 'postgres'
import { Fault, sentenceOf, type FaultCode } from '../fault.ts'

export interface PostgresLimits {
  readonly connections: number
  readonly statementTimeoutMs: number
  readonly lockTimeoutMs: number
}

export const postgresLimits: PostgresLimits = { connections: 2, statementTimeoutMs: 60_000, lockTimeoutMs: 1_000 }

/** What has crossed the wire so far. */
export interface Traffic {
  readonly bytesRead: number
  readonly queries: number
}

/** A PostgreSQL database named in the config. Read-only unless `writable` is asked for by name. */
export interface Postgres {
  readonly name: string
  /** One shared session underneath: no session settings, no cancel, and a transaction makes all others wait. */
  readonly embedded: boolean
  /** A bounded pool whose sessions cannot write. */
  readonly sql: Sql
  /** A pool that can write, opened at the first call. Only corrections and opted-in heartbeats may ask. */
  writable(): Sql
  /**
   * Awaits a query, cancelling it on the server when the signal aborts.
   * @throws Fault as `postgresFault` words it.
   */
  ask<T extends readonly Row[]>(query: PendingQuery<T>, signal?: AbortSignal): Promise<T>
  traffic(): Traffic
  close(): Promise<void>
}

export interface OpenPostgres {
  readonly name: string
  readonly url: string
  readonly embedded?: boolean
  readonly limits?: Partial<PostgresLimits>
}

/** Opens a pool lazily: nothing connects before the first question. */
export function openPostgres({ name, url, embedded = false, limits }: OpenPostgres): Postgres {
  const { connections, statementTimeoutMs, lockTimeoutMs } = { ...postgresLimits, ...limits }
  const traffic = { bytesRead: 0, queries: 0 }

  const [address, host] = postgresOptions(url)
  const pool = (readOnly: boolean) =>
    postgres(address, {
      ...host,
      max: connections,
      idle_timeout: 30,
      connect_timeout: 10,
      onnotice() {},
      // Every value arrives as the text Postgres printed; whoever asks decides what a type means.
      fetch_types: false,
      socket: (options: SocketOptions) => metered(options, traffic),
      debug: () => {
        traffic.queries += 1
      },
      connection: embedded
        ? { application_name: 'tallyman' }
        : {
            application_name: 'tallyman',
            // Strings, because postgres.js drops a setting whose value is the number 0.
            default_transaction_read_only: readOnly ? 'on' : 'off',
            statement_timeout: String(statementTimeoutMs),
            lock_timeout: String(lockTimeoutMs),
            idle_in_transaction_session_timeout: String(statementTimeoutMs),
            TimeZone: 'UTC',
            DateStyle: 'ISO, MDY',
            IntervalStyle: 'iso_8601',
            extra_float_digits: '1',
            bytea_output: 'hex',
            jit: 'off',
          },
    } as postgres.Options<Record<string, never>>)

  const sql = pool(true)
  let writer: Sql | undefined
  return {
    name,
    embedded,
    sql,
    writable: () => (writer ??= pool(false)),
    async ask(query, signal) {
      signal?.throwIfAborted()
      let answered = false
      // Not in the same breath as the query: postgres.js has not sent it yet, and would leave its transaction hanging.
      const cancel = () => setImmediate(() => answered || query.cancel())
      signal?.addEventListener('abort', cancel)
      try {
        return await query
      } catch (thrown) {
        signal?.throwIfAborted()
        throw postgresFault(name, thrown)
      } finally {
        answered = true
        signal?.removeEventListener('abort', cancel)
      }
    },
    traffic: () => ({ ...traffic }),
    async close() {
      await Promise.all([sql.end({ timeout: 2 }), writer?.end({ timeout: 2 })])
    },
  }
}

const byState: Readonly<Record<string, FaultCode>> = {
  '28000': 'system_auth',
  '28P01': 'system_auth',
  '3D000': 'thing_missing',
  '42501': 'system_permission',
  '42P01': 'thing_missing',
  '42703': 'thing_missing',
  '3F000': 'thing_missing',
  '55P03': 'system_timeout',
  '57014': 'system_timeout',
  '57P01': 'system_unreachable',
  '57P03': 'system_unreachable',
  '53300': 'system_unreachable',
}

const hints: Readonly<Partial<Record<FaultCode, string>>> = {
  system_auth: 'Check the user and password this connection is given in the config.',
  system_permission: 'Grant the login SELECT on what is asked; the docs of the probe list the least it needs.',
  thing_missing: 'Check the spelling of database, schema, table and column, and the search path of the login.',
  system_timeout: 'See what the server is waiting for before raising statementTimeout of this connection.',
  system_unreachable: 'Check that the server runs and that this machine may reach its host and port.',
}

/** Words a driver's error for people, by connection name; a URL or password can never be part of it. */
export function postgresFault(name: string, thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown
  const { code = '' } = thrown as { code?: string }
  const unreachable = /^(E[A-Z]+|CONNECT_TIMEOUT|CONNECTION_\w+)$/.test(code)
  const fault = byState[code] ?? (unreachable ? 'system_unreachable' : 'system_error')
  return new Fault(fault, `${name}: ${unreachable ? `no connection (${code})` : sentenceOf(thrown)}`, {
    hint: hints[fault] ?? 'The server refused the statement; its own words are in the message.',
    cause: thrown,
  })
}

interface SocketOptions {
  readonly host: readonly string[]
  readonly port: readonly number[]
  readonly path: string | false
}

/**
 * postgres.js does not tell how much it read, so we hand it the socket. It is handed over while still connecting:
 * writes wait for the connection, and a failure to connect reaches the pool as any other closed socket does.
 */
function metered({ host, port, path }: SocketOptions, traffic: { bytesRead: number }): Socket {
  const socket = path ? connect(path) : connect(port[0]!, host[0]!)
  return socket.on('data', (chunk) => {
    traffic.bytesRead += chunk.length
  })
}

/** Splits off `?host=/dir`, libpq's way of naming a Unix socket, which postgres.js does not read. */
export function postgresOptions(url: string): [url: string, options: { host?: string }] {
  const parsed = new URL(url)
  const host = parsed.searchParams.get('host')
  parsed.searchParams.delete('host')
  return [parsed.href, host ? { host } : {}]
}
