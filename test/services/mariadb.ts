import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createConnection, type Connection } from 'mysql2/promise'
import { account, program } from './debian.ts'
import { answering, freePort, startProcess } from './process.ts'
import { once, owe, owed, scratchFolder } from './run.ts'

const run = promisify(execFile)
const variable = 'TALLYMAN_TEST_MARIADB'
const standardUrl = 'mysql://root@127.0.0.1:3306'
const debianFolders = () => Promise.resolve(['/usr/sbin', '/usr/bin'])

export interface MariadbDatabase {
  readonly name: string
  readonly url: string
  drop(): Promise<void>
}

export interface MariadbServer {
  /** The address of a database on this server, with a login that may do anything. */
  url(database?: string): string
  /** A new empty database, dropped by `drop` or at the end of the run. */
  createDatabase(prefix?: string): Promise<MariadbDatabase>
}

/**
 * A real MariaDB (or MySQL), shared by the whole run: the one at the address in TALLYMAN_TEST_MARIADB, else one on the
 * standard local port, else an installed one started in a temporary folder, else the same after installing it.
 * Only databases made by `createDatabase` may be touched.
 */
export async function mariadbServer(): Promise<MariadbServer> {
  return serverAt(await prepare())
}

/** Finds or starts the shared server, which setup.ts does before the clock of any test runs. */
export const prepare = (): Promise<string> => once('mariadb', findMariadb)

/** A MariaDB of the test's own, for tests that change its settings or stop it. Takes some seconds. */
export async function ownMariadb(
  settings: Readonly<Record<string, string>> = {},
): Promise<MariadbServer & { stop(): Promise<void> }> {
  const { url, stop } = await startMariadb({ settings, shared: false })
  return { ...serverAt(url), stop }
}

/** Statements against a database, one after the other on one connection; the rows of the last. */
export async function sqlAt(url: string, ...statements: readonly string[]): Promise<Record<string, unknown>[]> {
  const connection = await connect(url)
  try {
    let rows: unknown = []
    for (const statement of statements) [rows] = await connection.query(statement)
    return Array.isArray(rows) ? (rows as Record<string, unknown>[]) : []
  } finally {
    await connection.end()
  }
}

async function findMariadb(): Promise<string> {
  const given = process.env[variable]
  if (given) {
    const fault = await unfit(given)
    if (fault) throw new Error(`The server in ${variable} cannot be used: ${fault}`)
    return given
  }
  if (process.env.TALLYMAN_TEST_STANDARD_PORTS !== 'ignore' && !(await unfit(standardUrl))) return standardUrl
  return (await startMariadb({ settings: {}, shared: true })).url
}

/** Why a server cannot serve the tests; undefined when it can. */
async function unfit(url: string): Promise<string | undefined> {
  try {
    const [found] = await sqlAt(url, 'select version() as version')
    const [major = 0, minor = 0] = String(found?.version).split('.').map(Number)
    const isMariadb = String(found?.version).includes('MariaDB')
    if (isMariadb ? major < 10 || (major === 10 && minor < 6) : major < 8)
      return `it is version ${String(found?.version)}.`
    const grants = (await sqlAt(url, 'show grants')).flatMap((row) => Object.values(row)).join('\n')
    return /ALL PRIVILEGES ON \*\.\*|\bCREATE\b.* ON \*\.\*/.test(grants)
      ? undefined
      : 'its user may not create databases.'
  } catch (cause) {
    return `${cause instanceof Error ? cause.message : String(cause)}.`
  }
}

async function startMariadb({ settings, shared }: { settings: Readonly<Record<string, string>>; shared: boolean }) {
  const mariadbd = await program({ binary: 'mariadbd', package: 'mariadb-server', folders: debianFolders })
  const install = await program({ binary: 'mariadb-install-db', package: 'mariadb-server', folders: debianFolders })
  // It refuses to run as root; its Debian package brings the user that it runs as.
  const user = process.getuid?.() === 0 ? ((await account('mysql')) ?? (await account('nobody'))) : undefined

  const folder = await scratchFolder('mariadb')
  const data = join(folder, 'data')
  await mkdir(data, { mode: 0o700 })
  if (user) await chown(data, user.uid, user.gid)
  const shape = ['--no-defaults', '--auth-root-authentication-method=normal', '--skip-test-db', `--datadir=${data}`]
  await run(install, shape, { ...user, cwd: '/' })

  const port = await freePort()
  const all = {
    datadir: data,
    port: String(port),
    'bind-address': '127.0.0.1',
    socket: join(data, 's'),
    'pid-file': join(data, 'pid'),
    'innodb-flush-log-at-trx-commit': '0',
    'character-set-server': 'utf8mb4',
    ...settings,
  }
  const running = await startProcess({
    command: mariadbd,
    args: ['--no-defaults', ...Object.entries(all).map(([name, value]) => `--${name}=${value}`)],
    log: join(folder, 'log'),
    user,
    shared,
  })
  const url = `mysql://root@127.0.0.1:${port}`
  await answering('MariaDB', running, async () => !(await unfit(url)))
  return { url, stop: running.stop }
}

function serverAt(base: string): MariadbServer {
  const url = (database = '') => {
    const address = new URL(base)
    address.pathname = `/${database}`
    return address.href
  }
  const createDatabase = async (prefix = 'db') => {
    const name = `tallyman_test_${prefix.replaceAll(/[^a-z0-9]+/gi, '_').toLowerCase()}_${randomBytes(4).toString('hex')}`
    const forget = await owe('mariadb', name, base)
    await sqlAt(base, `create database \`${name}\` character set utf8mb4`)
    const drop = async () => {
      await dropDatabase(base, name)
      await forget()
    }
    return { name, url: url(name), drop }
  }
  return { url, createDatabase }
}

/** Drops the databases that the tests of a run left behind. */
export async function dropOwedDatabases(folder: string): Promise<void> {
  for (const [name, base] of await owed('mariadb', folder)) await dropDatabase(base, name).catch(() => undefined)
}

const dropDatabase = (base: string, name: string) => sqlAt(base, `drop database if exists \`${name}\``)

const connect = (url: string): Promise<Connection> =>
  createConnection({
    uri: url.replace(/^mariadb:/, 'mysql:'),
    connectTimeout: 2_000,
    multipleStatements: true,
    timezone: 'Z',
  })
