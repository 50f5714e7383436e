import { attachEmbedded, embeddedDirectory, isEmbeddedUrl, openEmbedded } from '../connect/embedded.ts'
import { openMysql } from '../connect/mysql.ts'
import { openPostgres } from '../connect/postgres.ts'
import { systemOf } from '../connect/scheme.ts'
import { Fault } from '../fault.ts'
import type { Client } from '../sides/open.ts'
import { urlArgument } from './arguments.ts'

export interface Database {
  readonly client: Client
  close(): Promise<void>
}

/** Somebody waits for a command, and can interrupt it. */
const statementTimeoutMs = 3_600_000

/**
 * Opens a database given on the command line, by URL or by `env:NAME`. An embedded one is shared with the process that has
 * it open, or opened here.
 * @throws Fault `usage` when it is no URL of a database; its words never repeat what was given.
 */
export async function openDatabase(name: 'source' | 'target', given: string): Promise<Database> {
  const url = urlArgument(given, process.env)
  if (!systemOf(url) || !URL.canParse(url)) {
    throw new Fault('usage', `The ${name} is not the URL of a database.`, {
      hint: 'Write postgres://user@host:5432/database or mysql://user@host:3306/database, or env:NAME to keep its password out of the process list.',
    })
  }
  if (systemOf(url) === 'mysql') {
    const client = openMysql({ name, url, limits: { statementTimeoutMs } })
    return { client, close: () => client.close() }
  }
  if (!isEmbeddedUrl(url)) {
    const client = openPostgres({ name, url, limits: { statementTimeoutMs } })
    return { client, close: () => client.close() }
  }
  const attached = await attachEmbedded(embeddedDirectory(url))
  const own = attached ? undefined : await openEmbedded(embeddedDirectory(url))
  const client = openPostgres({ name, url: attached ?? own!.url, embedded: true })
  return {
    client,
    async close() {
      await client.close()
      await own?.close()
    },
  }
}
