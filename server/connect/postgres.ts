import { Fault, sentenceOf, type FaultCode } from '../fault.ts'
import { openPool, type Pool } from './pool.ts'
import { connectSession, type Session } from './postgres-session.ts'

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

/** By column name. Numbers beyond 2^53 and numerics are texts; whoever asks for more casts to text. */
type Row = Record<string, unknown>

export interface Asker {
  /**
   * Asks one statement, cancelling it on the server when the signal aborts. Parameters are `$1`, `$2`, … and texts: a
   * statement casts them.
   * @throws Fault as `postgresFault` words it, or the signal's reason.
   */
  ask<R = Row>(text: string, parameters?: readonly (string | null)[], signal?: AbortSignal): Promise<R[]>
}

export interface Transaction extends Asker {
  /** Rows as they come, at most `rowsMax` at a time, each batch read when the one before was taken. */
  stream<R = Row>(text: string, rowsMax: number, signal?: AbortSignal): AsyncIterable<R[]>
}

/** Sessions that can write. Only corrections and opted-in heartbeats may ask for one. */
export interface Writer {
  /** At most so many statements are under way at once. */
  readonly connections: number
  /**
   * Sends one statement in a transaction of its own; how many rows it wrote. Throws the server's own errors: after one of
   * severity ERROR nothing was written, after any other nobody knows.
   */
  write(text: string, parameters: readonly (string | null)[]): Promise<number>
}

/** A PostgreSQL database named in the config. Its sessions cannot write unless `writable` is asked for by name. */
export interface Postgres extends Asker {
  readonly name: string
  /** One shared session underneath: no session settings, no cancel, and a transaction makes all others wait. */
  readonly embedded: boolean
  /** Statements it runs at once, at most. */
  readonly connections: number
  /**
   * Runs `begin` with this mode, the work, and `commit`, on one session that nobody else has meanwhile. What the work
   * throws is thrown on.
   * @throws Fault as `postgresFault` words it where the transaction itself fails.
   */
  transaction<T>(mode: string, work: (tx: Transaction) => Promise<T>, signal?: AbortSignal): Promise<T>
  writable(): Writer
  traffic(): Traffic
  close(): Promise<void>
}

export interface OpenPostgres {
  readonly name: string
  readonly url: string
  readonly embedded?: boolean
  readonly limits?: Partial<PostgresLimits>
}

const idleMs = 30_000
const closeGraceMs = 2_000

/** Opens a pool lazily: nothing connects before the first question. */
export function openPostgres({ name, url, embedded = false, limits }: OpenPostgres): Postgres {
  const all = { ...postgresLimits, ...limits }
  const traffic = { bytesRead: 0, queries: 0 }
  const meter = {
    bytesRead: (bytes: number) => void (traffic.bytesRead += bytes),
    asked: () => void (traffic.queries += 1),
  }
  const poolOf = (readOnly: boolean): Pool<Session> =>
    openPool({
      max: all.connections,
      idleMs,
      connect: () => connectSession({ url, settings: settingsOf(all, readOnly, embedded) }, embedded, meter),
    })
  const readers = poolOf(true)
  let writers: Pool<Session> | undefined

  const worded = (signal: AbortSignal | undefined, thrown: unknown) => {
    signal?.throwIfAborted()
    return postgresFault(name, thrown)
  }
  const taken = (signal?: AbortSignal) =>
    readers.take(signal).catch((thrown: unknown) => {
      throw worded(signal, thrown)
    })
  const askerOf = (session: Session, streams = { open: 0 }): Transaction => ({
    async ask<R>(text: string, parameters: readonly (string | null)[] = [], signal?: AbortSignal) {
      try {
        // The statement is ours, and so is what its rows look like.
        return (await session.query(text, parameters, signal)).rows as R[]
      } catch (thrown) {
        throw worded(signal, thrown)
      }
    },
    async *stream<R>(text: string, rowsMax: number, signal?: AbortSignal) {
      streams.open += 1
      try {
        yield* session.stream<R>(text, rowsMax, signal)
      } catch (thrown) {
        throw worded(signal, thrown)
      } finally {
        streams.open -= 1
      }
    },
  })
  return {
    name,
    embedded,
    connections: all.connections,
    async ask<R>(text: string, parameters?: readonly (string | null)[], signal?: AbortSignal) {
      const session = await taken(signal)
      try {
        return await askerOf(session).ask<R>(text, parameters, signal)
      } finally {
        readers.give(session)
      }
    },
    async transaction(mode, work, signal) {
      const session = await taken(signal)
      const streams = { open: 0 }
      const tx = askerOf(session, streams)
      try {
        await tx.ask(`begin ${mode}`, [], signal)
        const done = await work(tx)
        // Nobody will read what is left of a stream, and nothing else can be said on its session before.
        if (streams.open > 0) session.destroy()
        else await tx.ask('commit')
        return done
      } catch (thrown) {
        if (streams.open > 0) session.destroy()
        // Without it the next one who is given this session would be in our transaction.
        if (session.usable()) await session.query('rollback', []).catch(() => session.destroy())
        throw thrown
      } finally {
        readers.give(session)
      }
    },
    writable() {
      const pool = (writers ??= poolOf(false))
      return {
        connections: all.connections,
        async write(text, parameters) {
          const session = await pool.take()
          try {
            return (await session.query(text, parameters)).rowCount ?? 0
          } finally {
            pool.give(session)
          }
        },
      }
    },
    traffic: () => ({ ...traffic }),
    async close() {
      await Promise.all([readers.close(closeGraceMs), writers?.close(closeGraceMs)])
    },
  }
}

function settingsOf(
  { statementTimeoutMs, lockTimeoutMs }: PostgresLimits,
  readOnly: boolean,
  embedded: boolean,
): Readonly<Record<string, string>> {
  const application_name = 'tallyman'
  if (embedded) return { application_name }
  return {
    application_name,
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
function postgresFault(name: string, thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown
  const code = codeOf(thrown)
  const unreachable = /^(E[A-Z_]+|CONNECT_TIMEOUT|CONNECTION_\w+)$/.test(code)
  const fault = byState[code] ?? (unreachable ? 'system_unreachable' : 'system_error')
  return new Fault(fault, `${name}: ${unreachable ? `no connection (${code})` : sentenceOf(thrown)}`, {
    hint: hints[fault] ?? 'The server refused the statement; its own words are in the message.',
    cause: thrown,
  })
}

/** The driver gives its own errors no code. */
function codeOf(thrown: unknown): string {
  const { code, message = '' } = thrown as { code?: string; message?: string }
  if (code) return code
  if (message.startsWith('SASL: ')) return '28P01'
  if (message.startsWith('timeout expired')) return 'CONNECT_TIMEOUT'
  return /^Connection terminated|not queryable$/.test(message) ? 'CONNECTION_CLOSED' : ''
}

/** Splits off `?host=/dir`, libpq's way of naming a Unix socket, which postgres.js does not read. */
export function postgresOptions(url: string): [url: string, options: { host?: string }] {
  const parsed = new URL(url)
  const host = parsed.searchParams.get('host')
  parsed.searchParams.delete('host')
  return [parsed.href, host ? { host } : {}]
}
