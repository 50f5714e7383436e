import { mysqlFault } from './mysql-fault.ts'
import { openSession, type Session } from './mysql-session.ts'
import { openPool, type Pool } from './pool.ts'
import type { Asker, PostgresLimits, Traffic, Transaction, Writer } from './postgres.ts'

/**
 * A MySQL or MariaDB server named in the config. Its sessions cannot write unless `writable` is asked for by name.
 *
 * Parameters are `?` here. Numbers up to 32 bits come as numbers, all else as the text the server printed, bytes as a Buffer.
 */
export interface Mysql extends Asker {
  readonly system: 'mysql'
  readonly name: string
  /** Sessions open at the same time, at most. */
  readonly connections: number
  /**
   * Runs START TRANSACTION with this mode, the work, and COMMIT, on one session that nobody else has meanwhile. What the
   * work throws is thrown on.
   * @throws Fault as `mysqlFault` words it where the transaction itself fails.
   */
  transaction<T>(mode: string, work: (tx: Transaction) => Promise<T>, signal?: AbortSignal): Promise<T>
  /** Throws the server's own errors: after one with a number of its own nothing was written, after any other nobody knows. */
  writable(): Writer
  traffic(): Traffic
  close(): Promise<void>
}

const mysqlLimits: PostgresLimits = { connections: 2, statementTimeoutMs: 60_000, lockTimeoutMs: 1_000 }

export interface OpenMysql {
  readonly name: string
  readonly url: string
  readonly limits?: Partial<PostgresLimits>
}

const idleMs = 30_000
const closeGraceMs = 2_000

/**
 * Opens lazily: nothing connects before the first question. Stopping a statement takes one more connection, for a moment.
 *
 * Behind a proxy that gives every statement another session the settings we rely on are lost: connect to the server itself.
 */
export function openMysql({ name, url, limits }: OpenMysql): Mysql {
  const { connections, ...times } = { ...mysqlLimits, ...limits }
  const traffic = { bytesRead: 0, queries: 0 }
  const poolOf = (readOnly: boolean): Pool<Session> =>
    openPool({ max: connections, idleMs, connect: () => openSession({ name, url, readOnly, traffic, ...times }) })
  const readers = poolOf(true)
  let writers: Pool<Session> | undefined

  const lend = async <T>(work: (session: Session) => Promise<T>, signal?: AbortSignal): Promise<T> => {
    const session = await readers.take(signal).catch((thrown: unknown) => {
      signal?.throwIfAborted()
      throw mysqlFault(name, thrown)
    })
    try {
      return await work(session)
    } finally {
      readers.give(session)
    }
  }
  return {
    system: 'mysql',
    name,
    connections,
    ask: (text, parameters, signal) => lend((session) => session.ask(text, parameters, signal), signal),
    transaction: (mode, work, signal) => lend((session) => inTransaction(session, mode, work, signal), signal),
    writable() {
      const pool = (writers ??= poolOf(false))
      return {
        connections,
        async write(text, parameters) {
          const session = await pool.take()
          try {
            return await session.write(text, parameters)
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

async function inTransaction<T>(
  session: Session,
  mode: string,
  work: (tx: Transaction) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  await session.ask(`START TRANSACTION ${mode}`, [], signal)
  try {
    const answer = await work(session)
    // A list that was left half-way has ended its session.
    if (session.usable()) await session.ask('COMMIT')
    return answer
  } catch (thrown) {
    // Without it the next one who is given this session would be in our transaction.
    if (session.usable()) await session.ask('ROLLBACK').catch(() => session.destroy())
    throw thrown
  }
}
