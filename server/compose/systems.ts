import { attachEmbedded, embeddedDirectory, openEmbedded, type Embedded } from '../connect/embedded.ts'
import type { Connection } from '../connect/connection.ts'
import { openMysql } from '../connect/mysql.ts'
import { openPostgres, type Postgres } from '../connect/postgres.ts'
import { Fault } from '../fault.ts'
import { isMysql, type Client } from '../sides/open.ts'

/** The open clients of the connections the config in force names. */
export interface Systems {
  /** @throws Fault `not_found` for a name the config no longer has. */
  client(name: string): Client
  /** As `client`. @throws Fault `usage` when it leads to another system. */
  postgres(name: string): Postgres
  /** Takes over the connections of a new config. What did not change stays open; the rest closes after `graceMs`. */
  replace(connections: Readonly<Record<string, Connection>>): Promise<void>
  close(): Promise<void>
}

interface Open {
  readonly said: string
  readonly client: Client
  readonly embedded?: Embedded
}

const graceMs = 30_000

/** Clients open lazily, but for embedded databases, which are opened here unless a process has them open already. */
export function openSystems(after: (ms: number, callback: () => void) => () => void): Systems {
  let open = new Map<string, Open>()
  /** Those of earlier configs, each with how to call off its closing. */
  const leaving = new Map<Open, () => void>()

  const shut = async (one: Open) => {
    leaving.get(one)?.()
    leaving.delete(one)
    await one.client.close()
    await one.embedded?.close()
  }
  const client = (name: string) => {
    const found = open.get(name)
    if (found) return found.client
    throw new Fault('not_found', `There is no connection "${name}".`, { hint: 'See `connections` in the config.' })
  }
  return {
    client,
    postgres(name) {
      const found = client(name)
      if (!isMysql(found)) return found
      throw new Fault('usage', `The connection "${name}" is mysql, not postgres.`, {
        hint: 'Name one that leads to PostgreSQL, or another probe.',
      })
    },
    async replace(connections) {
      const next = new Map<string, Open>()
      for (const [name, connection] of Object.entries(connections)) {
        const said = JSON.stringify(connection)
        const before = open.get(name)
        next.set(name, before?.said === said ? before : await openSystem(name, said, connection))
      }
      const gone = [...open.values()].filter((one) => ![...next.values()].includes(one))
      open = next
      for (const one of gone)
        leaving.set(
          one,
          after(graceMs, () => void shut(one)),
        )
    },
    async close() {
      await Promise.all([...open.values(), ...leaving.keys()].map(shut))
      open = new Map()
    },
  }
}

async function openSystem(name: string, said: string, { system, url, embedded, limits }: Connection): Promise<Open> {
  if (system === 'mysql') return { said, client: openMysql({ name, url, limits }) }
  if (!embedded) return { said, client: openPostgres({ name, url, limits }) }
  const directory = embeddedDirectory(url)
  const attached = await attachEmbedded(directory)
  const own = attached ? undefined : await openEmbedded(directory)
  const client = openPostgres({ name, url: attached ?? own!.url, limits, embedded: true })
  return { said, client, ...(own ? { embedded: own } : {}) }
}
