import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConnection } from 'mysql2/promise'
import postgres from 'postgres'
import { openEmbedded } from '../server/connect/embedded.ts'
import { openMysql } from '../server/connect/mysql.ts'
import { openPostgres } from '../server/connect/postgres.ts'
import { openSide } from '../server/sides/open.ts'
import { mariadbServer } from './services/mariadb.ts'
import { postgresServer } from './services/postgres.ts'
import type { Place } from './worlds.ts'

interface Session {
  /** The rows of one statement. */
  ask(statement: string): Promise<Record<string, unknown>[]>
  end(): Promise<unknown>
}

export interface OwnPlace extends Place {
  readonly url: string
  /** The default database or schema of its tables. */
  readonly schema: string
  /** Another session. */
  another(): Promise<Session>
  /** The rows of one statement. */
  ask(statement: string): Promise<Record<string, unknown>[]>
  drop(): Promise<void>
}

/** A database of the test's own on a real server. */
export async function postgresPlace(name: string): Promise<OwnPlace> {
  const server = await postgresServer()
  const database = await server.createDatabase('place')
  const client = openPostgres({ name, url: database.url })
  const sql = postgres(database.url, { max: 1, onnotice() {} })
  return {
    url: database.url,
    engine: 'postgres',
    schema: 'public',
    side: openSide(client),
    run: (statements) => sql.unsafe(statements.join('; ')),
    ask: (statement) => sql.unsafe(statement),
    async another() {
      const one = postgres(database.url, { max: 1, onnotice() {} })
      const session = await one.reserve()
      return { ask: (statement) => session.unsafe(statement), end: () => one.end({ timeout: 1 }) }
    },
    async drop() {
      await Promise.all([client.close(), sql.end({ timeout: 1 })])
      await database.drop()
    },
  }
}

/** The embedded database, whose one session everybody shares. */
export async function embeddedPlace(name: string): Promise<OwnPlace> {
  const directory = await mkdtemp(join(tmpdir(), 'tallyman-test-'))
  const embedded = await openEmbedded(join(directory, 'data'))
  const client = openPostgres({ name, url: embedded.url, embedded: true })
  const [, host] = /host=(.*)/.exec(embedded.url)!
  const own = { host: host!, username: 'postgres', database: 'postgres', max: 1, fetch_types: false }
  const sql = postgres({ ...own, onnotice() {} })
  return {
    url: embedded.url,
    engine: 'postgres',
    schema: 'public',
    side: openSide(client),
    run: (statements) => sql.unsafe(statements.join('; ')),
    ask: (statement) => sql.unsafe(statement),
    another: () => Promise.reject(new Error('The embedded database has one session.')),
    async drop() {
      await Promise.all([client.close(), sql.end({ timeout: 1 })])
      await embedded.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** A database of the test's own on a real server. */
export async function mariadbPlace(name: string): Promise<OwnPlace> {
  const database = await (await mariadbServer()).createDatabase('place')
  const admin = await createConnection({ uri: database.url, multipleStatements: true, charset: 'utf8mb4' })
  await admin.query("set time_zone = '+00:00'")
  const client = openMysql({ name, url: database.url })
  return {
    url: database.url,
    engine: 'mysql',
    schema: database.name,
    side: openSide(client),
    run: (statements) => admin.query(statements.join('; ')),
    async another() {
      const one = await createConnection({ uri: database.url })
      await one.query("set time_zone = '+00:00'")
      const ask = async (statement: string) => (await one.query(statement))[0] as Record<string, unknown>[]
      return { ask, end: () => one.end() }
    },
    ask: async (statement) => (await admin.query(statement))[0] as Record<string, unknown>[],
    async drop() {
      await Promise.all([client.close(), admin.end()])
      await database.drop()
    },
  }
}
