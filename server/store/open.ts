import { fileURLToPath } from 'node:url'
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import postgres, { type Sql } from 'postgres'
import { attachEmbedded, embeddedDirectory, isEmbeddedUrl, openEmbedded } from '../connect/embedded.ts'
import { postgresOptions } from '../connect/postgres.ts'
import { Fault } from '../fault.ts'
import * as schema from './schema.ts'

export type Db = PostgresJsDatabase<typeof schema>

/** Our own database, migrated and ready. */
export interface Store {
  readonly db: Db
  readonly kind: 'embedded' | 'postgres'
  /** For the job queue, which brings its own driver. It can hold a password: never print it. */
  readonly url: string
  /** Resolves when the database answers. */
  ping(): Promise<void>
  /** Does what only one process at a time may do to this store; the others wait for their turn. */
  alone<T>(work: () => Promise<T>): Promise<T>
  close(): Promise<void>
}

// Any number will do, as long as every process of ours uses the same one.
const aloneLock = 8_420_842_084n

/**
 * Opens the store a URL names and brings its tables up to date: `postgres://…` for production, `pglite://DIR` embedded.
 *
 * @param attach for short commands beside a running server: talk to the embedded store that server has open.
 * @throws Fault `store_locked` when another process has the directory, `store_unavailable` when it does not answer.
 */
export async function openStore(url: string, { attach = false } = {}): Promise<Store> {
  const embedded = isEmbeddedUrl(url)
  const attached = embedded && attach ? await attachEmbedded(embeddedDirectory(url)) : undefined
  const opened = embedded && !attached ? await openEmbedded(embeddedDirectory(url)) : undefined
  const address = attached ?? opened?.url ?? url
  const sql = connect(address, 10)
  try {
    await alone(address, (own) =>
      migrate(drizzle(own), { migrationsFolder: fileURLToPath(new URL('./migrations', import.meta.url)) }),
    )
  } catch (cause) {
    await sql.end({ timeout: 1 })
    await opened?.close()
    throw cause instanceof Fault
      ? cause
      : new Fault('store_unavailable', `The store did not answer: ${wordsOf(cause)}`, {
          hint: 'Check `store` in the config: the server must run, and the login may create tables in its database.',
          cause,
        })
  }
  return {
    db: drizzle(sql, { schema }),
    kind: embedded ? 'embedded' : 'postgres',
    url: address,
    ping: async () => void (await sql`select 1`),
    alone: (work) => alone(address, work),
    async close() {
      await sql.end({ timeout: 5 })
      await opened?.close()
    },
  }
}

function connect(url: string, max: number): Sql {
  const [address, options] = postgresOptions(url)
  return postgres(address, {
    ...options,
    max,
    onnotice() {},
    connect_timeout: 10,
    connection: { application_name: 'tallyman-store' },
  })
}

/** Several processes may start on one empty database at once; neither drizzle nor pg-boss has a lock that holds then. */
async function alone<T>(url: string, work: (own: Sql) => Promise<T>): Promise<T> {
  const sql = connect(url, 1)
  try {
    await sql`select pg_advisory_lock(${aloneLock.toString()}::bigint)`
    const done = await work(sql)
    await sql`select pg_advisory_unlock(${aloneLock.toString()}::bigint)`
    return done
  } finally {
    // Ending the session lets go of the lock, also when the work has failed.
    await sql.end({ timeout: 5 })
  }
}

/** A driver's words, with the address left out: it can hold a password. */
const wordsOf = (cause: unknown) => {
  const { code, message } = cause as { code?: string; message?: string }
  return code && /^E[A-Z]+$|^CONNECT/.test(code)
    ? code
    : (message ?? String(cause)).replace(/\S+:\/\/\S+/g, '(address)')
}
