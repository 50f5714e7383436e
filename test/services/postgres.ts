import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import postgres from 'postgres'
import { account, program } from './debian.ts'
import { answering, eventually, freePort, startProcess } from './process.ts'
import { once, owe, owed, scratchFolder } from './run.ts'

const run = promisify(execFile)
const variable = 'TALLYMAN_TEST_POSTGRES'
const standardUrl = 'postgres://postgres@127.0.0.1:5432/postgres'
const versionMin = 15

export interface TestDatabase {
  readonly name: string
  readonly url: string
  drop(): Promise<void>
}

export interface PostgresServer {
  /** The address of a database on this server, with a login that may do anything. */
  url(database: string): string
  /** A new empty database, dropped by `drop` or at the end of the run. */
  createDatabase(prefix?: string): Promise<TestDatabase>
}

/**
 * A real PostgreSQL, shared by the whole run: the one at the address in TALLYMAN_TEST_POSTGRES, else one on the
 * standard local port, else an installed one started in a temporary folder, else the same after installing it.
 * Only databases made by `createDatabase` may be touched.
 */
export async function postgresServer(): Promise<PostgresServer> {
  return serverAt(await prepare())
}

/** Finds or starts the shared server, which setup.ts does before the clock of any test runs. */
export const prepare = (): Promise<string> => once('postgres', findPostgres)

export interface OwnPostgres extends PostgresServer {
  /** Ends it at once, as a crash does: nobody is told goodbye. What was committed is there when it is started again. */
  crash(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

/** A PostgreSQL of the test's own, for tests that change its settings or stop it. Takes about a second. */
export async function ownPostgres(settings: Readonly<Record<string, string>> = {}): Promise<OwnPostgres> {
  const { url, crash, start, stop } = await startPostgres({ settings, shared: false })
  return { ...serverAt(url), crash, start, stop }
}

/** A streaming replica of a PostgreSQL of the test's own, as it is now. Takes about two seconds. */
export async function replicaOf(
  primary: PostgresServer,
  settings: Readonly<Record<string, string>> = {},
): Promise<PostgresServer & { stop(): Promise<void> }> {
  const { url, stop } = await startPostgres({ settings, shared: false, primary: primary.url('postgres') })
  return { ...serverAt(url), stop }
}

async function findPostgres(): Promise<string> {
  const given = process.env[variable]
  if (given) {
    const fault = await unfit(given)
    if (fault) throw new Error(`The PostgreSQL in ${variable} cannot be used: ${fault}`)
    return given
  }
  if (process.env.TALLYMAN_TEST_STANDARD_PORTS !== 'ignore' && !(await unfit(standardUrl))) return standardUrl
  return (await startPostgres({ settings: {}, shared: true })).url
}

/** Why a server cannot serve the tests; undefined when it can. */
async function unfit(url: string): Promise<string | undefined> {
  const sql = connect(url)
  try {
    const [found] = await sql<{ version: number; creates: boolean }[]>`
      select current_setting('server_version_num')::int / 10000 as version, rolcreatedb or rolsuper as creates
      from pg_roles where rolname = current_user`
    if (!found || found.version < versionMin) return `it is version ${found?.version}, and ${versionMin} is the oldest.`
    return found.creates ? undefined : 'its user may not create databases.'
  } catch (cause) {
    return `${cause instanceof Error ? cause.message : cause}.`
  } finally {
    await sql.end({ timeout: 1 })
  }
}

interface Start {
  readonly settings: Readonly<Record<string, string>>
  readonly shared: boolean
  /** The address of the server it is to be a replica of. */
  readonly primary?: string
}

async function startPostgres({ settings, shared, primary }: Start) {
  const initdb = await program({ binary: 'initdb', package: 'postgresql', folders: debianFolders })
  // PostgreSQL refuses to run as root; its Debian package brings the user that it runs as.
  const user = process.getuid?.() === 0 ? ((await account('postgres')) ?? (await account('nobody'))) : undefined

  const folder = await scratchFolder('postgres')
  const data = join(folder, 'data')
  await mkdir(data, { mode: 0o700 })
  if (user) await chown(data, user.uid, user.gid)
  const shape = ['--auth=trust', '--username=postgres', '--encoding=UTF8', '--locale=C.UTF-8', '--no-sync']
  const copying = ['--write-recovery-conf', '--checkpoint=fast', '--no-sync', '--dbname', primary ?? '']
  const [command, how] = primary ? [join(initdb, '..', 'pg_basebackup'), copying] : [initdb, shape]
  await run(command, [...how, '--pgdata', data], { ...user, cwd: '/' })

  const port = await freePort()
  const all = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    max_connections: '200',
    wal_level: 'logical',
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    ...settings,
  }
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  const launch = async () => {
    const started = await startProcess({
      command: join(initdb, '..', 'postgres'),
      args: ['-D', data, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
      log: join(folder, 'log'),
      user,
      // Fast shutdown: SIGTERM would wait for every client to leave.
      stopSignal: 'SIGINT',
      shared,
    })
    await answering('PostgreSQL', started, async () => !(await unfit(url)))
    return started
  }
  let running = await launch()
  return {
    url,
    async crash() {
      await running.kill('SIGQUIT')
      await eventually('PostgreSQL to end', async () => running.ended())
    },
    async start() {
      running = await launch()
    },
    stop: () => running.stop(),
  }
}

/** Newest first: /usr/lib/postgresql/17/bin before 15's. */
async function debianFolders(): Promise<string[]> {
  const root = '/usr/lib/postgresql'
  const versions = (await readdir(root).catch(() => [])).map(Number).filter((version) => version >= versionMin)
  return versions.sort((one, other) => other - one).map((version) => join(root, String(version), 'bin'))
}

function serverAt(base: string): PostgresServer {
  const url = (database: string) => {
    const address = new URL(base)
    address.pathname = `/${database}`
    return address.href
  }
  const createDatabase = async (prefix = 'db') => {
    const name = `tallyman_test_${prefix.replaceAll(/[^a-z0-9]+/gi, '_').toLowerCase()}_${randomBytes(4).toString('hex')}`
    const forget = await owe('database', name, base)
    await administer(base, `create database "${name}"`)
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
  for (const [name, base] of await owed('database', folder)) await dropDatabase(base, name).catch(() => undefined)
}

const dropDatabase = (base: string, name: string) => administer(base, `drop database if exists "${name}" with (force)`)

async function administer(base: string, statement: string): Promise<void> {
  const sql = connect(base)
  try {
    await sql.unsafe(statement)
  } finally {
    await sql.end({ timeout: 1 })
  }
}

const connect = (url: string) => postgres(url, { max: 1, connect_timeout: 2, fetch_types: false, onnotice() {} })
