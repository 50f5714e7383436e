import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type * as Mysql2 from 'mysql2'
import type { Connection, ConnectionOptions, QueryError, ResultSetHeader } from 'mysql2'
import { mysqlFault } from './mysql-fault.ts'
import { mysqlOptions } from './mysql-url.ts'
import type { Pooled } from './pool.ts'

const load = createRequire(import.meta.url)

/** The driver, loaded by the first connection: 50 ms that no other command should wait for. */
const createConnection = (options: ConnectionOptions): Connection =>
  (load('mysql2') as typeof Mysql2).createConnection(options)

type Parameters = readonly (string | null)[]

export interface OpenSession {
  readonly name: string
  readonly url: string
  readonly readOnly: boolean
  readonly statementTimeoutMs: number
  readonly lockTimeoutMs: number
  /** Counted up by what this session sends and reads. */
  readonly traffic: { bytesRead: number; queries: number }
}

/** One session of a server. Statements of one session are sent one after the other. */
export interface Session extends Pooled {
  /** @throws Fault as `mysqlFault` words it; the signal's reason once it aborts and the statement has ended. */
  ask<R>(text: string, parameters?: Parameters, signal?: AbortSignal): Promise<R[]>
  /** The rows of a statement, `rowsMax` at a time; the server waits while a batch is being worked on. */
  stream<R>(text: string, rowsMax: number, signal?: AbortSignal): AsyncIterable<R[]>
  /** Rows that the statement found, changed or not. @throws what the server said, unworded. */
  write(text: string, parameters: Parameters): Promise<number>
}

const connectTimeoutMs = 10_000
const stopGraceMs = 2_000

/**
 * The session settings that give every value one text whatever the server's own, and make a value that does not fit fail.
 * Each engine leaves out what stands in the other's comment.
 */
const settings = ({ readOnly, statementTimeoutMs, lockTimeoutMs }: OpenSession) => [
  `SET autocommit = 1, time_zone = '+00:00', foreign_key_checks = 1, unique_checks = 1,
    sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION,NO_UNSIGNED_SUBTRACTION,NO_AUTO_VALUE_ON_ZERO',
    group_concat_max_len = ${16 * 1024 * 1024}, innodb_lock_wait_timeout = ${seconds(lockTimeoutMs)},
    lock_wait_timeout = ${seconds(lockTimeoutMs)}, sql_auto_is_null = 0
    /*M!100100 , max_statement_time = ${statementTimeoutMs / 1_000} */
    /*!80000 , max_execution_time = ${statementTimeoutMs}, information_schema_stats_expiry = 0 */`,
  ...(readOnly ? ['SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY'] : []),
]

const seconds = (ms: number) => Math.max(1, Math.ceil(ms / 1_000))

/**
 * Connects. Two small statements set the session up before anybody's own.
 * @throws Fault `system_auth`, `system_unreachable`, `thing_missing` for a database that is not there.
 */
export async function openSession(open: OpenSession): Promise<Session> {
  const { name, traffic } = open
  const options = mysqlOptions(name, open.url)
  const connection = createConnection({ ...options, ...shape })
  let read = 0
  const measure = () => {
    // The socket, or what encrypts it once it does.
    const { bytesRead } = (connection as unknown as { readonly stream: Socket }).stream
    traffic.bytesRead += Math.max(0, bytesRead - read)
    read = bytesRead
  }
  let lost = false
  let tell = () => {}
  const ended = new Promise<void>((resolve) => (tell = resolve))
  const lose = () => {
    if (lost) return
    lost = true
    measure()
    tell()
  }
  // The driver tells of a lost connection here as well as to whoever waits; with nobody listening it ends the process.
  connection.on('error', lose).on('end', lose)
  const destroy = () => {
    lose()
    connection.destroy()
  }

  /** Runs what waits for an answer; an abort stops it on the server and ends the session, so that nothing later is hit. */
  const stoppable = async <T>(work: () => Promise<T>, aborting?: AbortSignal): Promise<T> => {
    aborting?.throwIfAborted()
    traffic.queries += 1
    let stopped: Promise<void> | undefined
    const stop = () => {
      stopped = kill(options, connection.threadId).finally(() => setTimeout(destroy, stopGraceMs).unref())
    }
    aborting?.addEventListener('abort', stop, { once: true })
    try {
      const answer = await work()
      // Some statements end as if nothing had happened, with half an answer.
      if (stopped) aborting!.throwIfAborted()
      return answer
    } catch (thrown) {
      aborting?.throwIfAborted()
      throw mysqlFault(name, thrown)
    } finally {
      aborting?.removeEventListener('abort', stop)
      // It may arrive late: the statement it is meant for must be the last of this session.
      await stopped?.then(destroy)
      measure()
    }
  }
  const send = <T>(text: string, parameters: Parameters = []) =>
    new Promise<T>((resolve, reject) => {
      const done = (error: QueryError | null, answer: unknown) => (error ? reject(error) : resolve(answer as T))
      // With parameters the server reads the placeholders, which tells a question mark in a string from one of ours.
      if (parameters.length > 0) connection.execute(text, [...parameters], done)
      else connection.query(text, done)
    })

  try {
    await stoppable(() => connected(connection))
    for (const setting of settings(open)) await stoppable(() => send(setting))
  } catch (thrown) {
    destroy()
    throw thrown
  }
  return {
    usable: () => !lost,
    ended,
    end() {
      lose()
      connection.end(() => {})
    },
    destroy,
    ask: (text, parameters, aborting) => stoppable(() => send(text, parameters), aborting),
    async *stream<R>(text: string, rowsMax: number, aborting?: AbortSignal) {
      aborting?.throwIfAborted()
      const rows = connection.query(text).stream({ highWaterMark: rowsMax })
      const each = rows[Symbol.asyncIterator]() as AsyncIterator<R>
      let whole = false
      try {
        while (!whole) {
          const batch = await stoppable(async () => {
            const some: R[] = []
            while (some.length < rowsMax) {
              const { done, value } = await each.next()
              if (done) {
                whole = true
                break
              }
              some.push(value)
            }
            return some
          }, aborting)
          traffic.queries -= whole ? 0 : 1
          if (batch.length > 0) yield batch
        }
      } finally {
        // Rows that nobody wants would have to be read before the next statement.
        if (!whole) destroy()
        rows.destroy()
      }
    },
    async write(text, parameters) {
      traffic.queries += 1
      const { affectedRows } = await send<ResultSetHeader>(text, parameters)
      measure()
      return affectedRows
    },
  }
}

const shape: ConnectionOptions = {
  charset: 'utf8mb4',
  connectTimeout: connectTimeoutMs,
  supportBigNumbers: true,
  bigNumberStrings: true,
  dateStrings: true,
  jsonStrings: true,
  maxPreparedStatements: 32,
  // No server may ask us for a file; an UPDATE counts the rows it found, changed or not.
  flags: ['-LOCAL_FILES', '-ODBC', '-IGNORE_SPACE', '+FOUND_ROWS'],
  connectAttributes: { program_name: 'tallyman' },
}

const connected = (connection: Connection) =>
  new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error ? reject(error) : resolve()))
  })

/** Stops the statement of a session from a connection beside the pool's; when that cannot be had, its own time limit does. */
async function kill(options: ConnectionOptions, thread: number | null): Promise<void> {
  if (!thread) return
  const connection = createConnection({ ...options, connectTimeout: stopGraceMs })
  connection.on('error', () => {})
  await new Promise<void>((resolve) => connection.query(`KILL QUERY ${thread}`, () => resolve()))
  connection.destroy()
}
