import { execFile } from 'node:child_process'
import { chown, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createConnection } from 'mysql2/promise'
import postgres from 'postgres'
import { account, program } from '../services/debian.ts'
import { ownPostgres } from '../services/postgres.ts'
import { answering, freePort, startProcess } from '../services/process.ts'
import { scratchFolder } from '../services/run.ts'

export type Engine = 'postgres' | 'mariadb'
export type Row = Readonly<Record<string, unknown>>

/** One connection of the bench's own; numbers too large for JavaScript come as text. */
export interface Session {
  ask(text: string): Promise<Row[]>
  close(): Promise<void>
}

export interface Server {
  readonly engine: Engine
  /** What the tables say it is: product, version, settings that are not stock. */
  readonly title: string
  /** Of the database that all tables are in. */
  readonly url: string
  open(): Promise<Session>
}

const run = promisify(execFile)
const database = 'bench'

const postgresSettings = {
  shared_buffers: '4GB',
  work_mem: '256MB',
  maintenance_work_mem: '1GB',
  autovacuum: 'off',
  jit: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '8GB',
}

/** A PostgreSQL of the bench's own, gone with the run. */
export async function benchPostgres(): Promise<Server> {
  const server = await ownPostgres(postgresSettings)
  const open = async (name: string): Promise<Session> => {
    const sql = postgres(server.url(name), { max: 1, onnotice() {} })
    return { ask: (text) => sql.unsafe(text), close: () => sql.end() }
  }
  const maintenance = await open('postgres')
  await maintenance.ask(`create database ${database}`)
  const [about] = await maintenance.ask(
    `select split_part(version(), ' (', 1) as version, current_setting('max_parallel_workers_per_gather') as workers`,
  )
  await maintenance.close()
  return {
    engine: 'postgres',
    title: `${about!.version} (shared_buffers 4GB, work_mem 256MB, jit, fsync and autovacuum off, ${about!.workers} parallel workers as by default)`,
    url: server.url(database),
    open: () => open(database),
  }
}

const mariadbSettings = [
  '--innodb-buffer-pool-size=4G',
  '--innodb-log-file-size=1G',
  '--innodb-flush-log-at-trx-commit=0',
  '--innodb-doublewrite=0',
  '--skip-log-bin',
  '--character-set-server=utf8mb4',
  '--collation-server=utf8mb4_bin',
  '--bind-address=127.0.0.1',
]

/** A MariaDB of the bench's own, gone with the run. */
export async function benchMariadb(): Promise<Server> {
  const part = { package: 'mariadb-server', folders: async () => ['/usr/sbin', '/usr/libexec'] }
  const mariadbd = await program({ ...part, binary: 'mariadbd' })
  const install = await program({ ...part, binary: 'mariadb-install-db' })
  const user = process.getuid?.() === 0 ? await account('mysql') : undefined

  const folder = await scratchFolder('mariadb')
  const data = join(folder, 'data')
  await mkdir(data, { mode: 0o700 })
  if (user) for (const path of [folder, data]) await chown(path, user.uid, user.gid)
  const place = ['--no-defaults', `--datadir=${data}`]
  await run(install, [...place, '--auth-root-authentication-method=normal', '--skip-test-db'], { ...user, cwd: '/' })

  const port = await freePort()
  const running = await startProcess({
    command: mariadbd,
    args: [...place, ...mariadbSettings, `--port=${port}`, `--socket=${join(folder, 'socket')}`],
    log: join(folder, '..', 'mariadb.log'),
    user,
  })
  const open = async (name?: string): Promise<Session> => {
    const connection = await createConnection({
      host: '127.0.0.1',
      port,
      user: 'root',
      ...(name ? { database: name } : {}),
      supportBigNumbers: true,
      bigNumberStrings: true,
    })
    return {
      async ask(text) {
        const [rows] = await connection.query(text)
        return Array.isArray(rows) ? (rows as Row[]) : []
      },
      close: () => connection.end(),
    }
  }
  const asked = async (text: string, name?: string) => {
    const session = await open(name)
    return session.ask(text).finally(() => session.close())
  }
  await answering('MariaDB', running, async () => (await asked('select 1')).length === 1)
  await asked(`create database ${database}`)
  const [about] = await asked(`select substring_index(version(), '-MariaDB', 1) as version`)
  return {
    engine: 'mariadb',
    title: `MariaDB ${about!.version} (innodb_buffer_pool_size 4G, log not flushed)`,
    url: `mysql://root@127.0.0.1:${port}/${database}`,
    open: () => open(database),
  }
}
