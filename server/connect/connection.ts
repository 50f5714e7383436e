import { z } from 'zod'
import { duration } from './duration.ts'
import type { PostgresLimits } from './postgres.ts'
import { schemes, schemesOf, systemOf, type ConnectionSystem } from './scheme.ts'

/** What a connection of the config opens: which client, how, and within which limits. */
export interface Connection {
  readonly system: ConnectionSystem
  /** May hold a password: it is handed to the driver and to nobody else. */
  readonly url: string
  readonly embedded: boolean
  readonly limits: PostgresLimits
}

/** A URL with one of some schemes. Its messages never repeat what they were given: that may be a password. */
const urlOf = (allowed: readonly string[]) =>
  z
    .string('write a URL such as postgres://user@host:5432/database')
    .refine(
      (url) =>
        allowed.some((scheme) => systemOf(url) !== undefined && url.toLowerCase().startsWith(scheme.slice(0, -2))),
      { error: `must start with one of ${allowed.join(', ')}`, abort: true },
    )
    .refine((url) => URL.canParse(url) && !new URL(url).hash && !new URL(url).pathname.includes('@'), {
      error: 'is not a URL; in a user or password write @ as %40, / as %2F, # as %23, % as %25',
      abort: true,
    })
    .refine((url) => !/^pglite:\/*$/i.test(url), { error: 'name a directory, such as pglite://.tallyman/store' })

/** The URL of a database that can be watched or compared. */
const databaseUrl = urlOf(schemes)

/** The URL of our own store. */
export const storeUrl = urlOf(schemesOf('postgres'))

const connectionsMax = 20

const limits = z
  .strictObject({
    connections: z.int().min(1).max(connectionsMax).default(2).describe('Sessions open at the same time, at most.'),
    statementTimeout: duration
      .prefault('60s')
      .refine((ms) => ms > 0, 'must be longer than 0')
      .describe('The database gives up a statement after this long.'),
    lockTimeout: duration
      .prefault('1s')
      .refine((ms) => ms > 0, 'must be longer than 0')
      .describe('The database gives up waiting for a lock after this long, so that we never queue before its users.'),
  })
  .prefault({})
  .describe('The most this connection may ask of its server.')

/** One entry of `connections` in the config. */
export const connectionSchema = z
  .strictObject({
    url: databaseUrl.describe(
      `Where it is; the scheme picks the driver: ${schemes.join(', ')}. Keep passwords in \${ENV}.`,
    ),
    limits,
  })
  .transform(({ url, limits: { connections, statementTimeout, lockTimeout } }): Connection => ({
    // The URL was refused above when no system has its scheme.
    system: systemOf(url)!,
    url,
    embedded: /^pglite:/i.test(url),
    limits: { connections, statementTimeoutMs: statementTimeout, lockTimeoutMs: lockTimeout },
  }))
