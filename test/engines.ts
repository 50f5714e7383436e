import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { openEmbedded } from '../server/connect/embedded.ts'
import { openMysql } from '../server/connect/mysql.ts'
import { openPostgres } from '../server/connect/postgres.ts'
import { openSide } from '../server/sides/open.ts'
import type { Side } from '../server/sides/side.ts'
import { mariadbServer, sqlAt } from './services/mariadb.ts'
import { postgresServer } from './services/postgres.ts'

/** A database of one engine, as the product opens it, and as the test writes it. */
export interface Engine {
  readonly side: Side
  readonly schema: string
  /** Statements one after the other; the rows of the last. */
  sql(...statements: readonly string[]): Promise<Record<string, unknown>[]>
  /** Ends every session whose running statement has this text in it; how many there were. */
  kill(text: string): Promise<number>
  /** Does something while another session holds a lock on what the statement wrote. */
  whileLocked<T>(statement: string, work: () => Promise<T>): Promise<T>
  close(): Promise<void>
}

const limits = { connections: 2, lockTimeoutMs: 20_000 }

async function openPostgresEngine(): Promise<Engine> {
  const database = await (await postgresServer()).createDatabase('contract')
  const client = openPostgres({ name: 'one', url: database.url, limits })
  const sql = postgres(database.url, { max: 2, onnotice() {} })
  return {
    side: openSide(client),
    schema: 'public',
    async sql(...statements) {
      let rows: Record<string, unknown>[] = []
      for (const statement of statements) rows = await sql.unsafe(statement)
      return rows
    },
    async kill(text) {
      const rows = await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where query like ${`%${text}%`} and pid <> pg_backend_pid() and datname = current_database() and state = 'active'`
      return rows.length
    },
    whileLocked: async (statement, work) =>
      (
        await sql.begin(async (tx) => {
          await tx.unsafe(statement)
          return { done: await work() }
        })
      ).done as Awaited<ReturnType<typeof work>>,
    async close() {
      await Promise.all([client.close(), sql.end({ timeout: 2 })])
      await database.drop()
    },
  }
}

async function openEmbeddedEngine(): Promise<Engine> {
  const directory = await mkdtemp(join(tmpdir(), 'tallyman-contract-'))
  const embedded = await openEmbedded(join(directory, 'db'))
  const client = openPostgres({ name: 'one', url: embedded.url, embedded: true })
  const address = new URL(embedded.url)
  const host = address.searchParams.get('host')!
  address.search = ''
  const sql = postgres(address.href, { host, max: 1, onnotice() {}, fetch_types: false })
  return {
    side: openSide(client),
    schema: 'public',
    async sql(...statements) {
      let rows: Record<string, unknown>[] = []
      for (const statement of statements) rows = await sql.unsafe(statement)
      return rows
    },
    kill: () => Promise.reject(new Error('The embedded database has one session.')),
    whileLocked: () => Promise.reject(new Error('The embedded database has one session.')),
    async close() {
      await Promise.all([client.close(), sql.end({ timeout: 2 })])
      await embedded.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

async function openMariadbEngine(): Promise<Engine> {
  const database = await (await mariadbServer()).createDatabase('contract')
  const client = openMysql({ name: 'one', url: database.url, limits })
  return {
    side: openSide(client),
    schema: database.name,
    sql: (...statements) => sqlAt(database.url, ...statements),
    async kill(text) {
      const running = `select id from information_schema.processlist
        where info like '%${text}%' and id <> connection_id() and db = '${database.name}'`
      const rows = await sqlAt(database.url, running)
      for (const { id } of rows) await sqlAt(database.url, `kill ${String(id)}`)
      return rows.length
    },
    async whileLocked(statement, work) {
      const { createConnection } = await import('mysql2/promise')
      const connection = await createConnection({ uri: database.url })
      try {
        await connection.query('begin')
        await connection.query(statement)
        return await work()
      } finally {
        connection.destroy()
      }
    },
    async close() {
      await client.close()
      await database.drop()
    },
  }
}

export const engines: readonly { readonly name: string; readonly sessions: boolean; open(): Promise<Engine> }[] = [
  { name: 'PostgreSQL', sessions: true, open: openPostgresEngine },
  { name: 'the embedded database', sessions: false, open: openEmbeddedEngine },
  { name: 'MariaDB', sessions: true, open: openMariadbEngine },
]
