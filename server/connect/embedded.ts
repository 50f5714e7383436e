import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { Fault } from '../fault.ts'
import { isAlive, lockDirectory, readHolder } from './directory-lock.ts'

/** An embedded Postgres that answers on a Unix socket of its own, as any other server would. */
export interface Embedded {
  /** A URL for postgres.js and pg alike. All connections behind it are ONE session. */
  readonly url: string
  close(): Promise<void>
}

const connectionsMax = 40

const urlOf = (socketDirectory: string) => `postgres://postgres@localhost/postgres?host=${socketDirectory}`

export const isEmbeddedUrl = (url: string): boolean => url.startsWith('pglite:')

/** The directory a `pglite://` URL names, relative ones from where the process was started. */
export const embeddedDirectory = (url: string): string => resolve(decodeURI(url.replace(/^pglite:(\/\/)?/, '')))

/**
 * Opens the embedded database in a directory, creating it when there is none. About 0.8 s for a new one, 0.3 s for an
 * old one, 300 MB of memory. It does not fsync: it survives the death of the process, not of the machine.
 *
 * @throws Fault `store_locked` when another process has it, `store_unavailable` when it does not open.
 */
export async function openEmbedded(directory: string): Promise<Embedded> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  await chmod(directory, 0o700)
  // A socket path may be 107 bytes long, and a data directory is often deeper than that.
  const socketDirectory = await mkdtemp(join(tmpdir(), 'tallyman-'))
  const before = await readHolder(directory)
  const lock = await lockDirectory(directory, { pid: process.pid, socket: socketDirectory }).catch(async (thrown) => {
    await rm(socketDirectory, { recursive: true, force: true })
    throw thrown
  })
  // A process that was killed could not remove its socket.
  if (before && !isAlive(before.pid)) await rm(before.socket, { recursive: true, force: true })
  const empty = (await readdir(directory)).length === 0
  const worker = new Worker(new URL('./embedded-worker.mjs', import.meta.url), {
    // The flags of the process are about its own entry point.
    execArgv: [],
    workerData: {
      directory,
      socket: join(socketDirectory, '.s.PGSQL.5432'),
      template: empty ? template() : undefined,
      connectionsMax,
    },
  })
  try {
    await heard(worker, 'ready')
  } catch (cause) {
    await lock.release()
    throw new Fault('store_unavailable', `The embedded database in ${directory} did not open.`, {
      hint: 'See the cause below; when the directory is from another version, move it away or export it first.',
      cause,
    })
  }
  return {
    url: urlOf(socketDirectory),
    async close() {
      worker.postMessage('close')
      await heard(worker, 'closed')
      await worker.terminate()
      await lock.release()
      await rm(socketDirectory, { recursive: true, force: true })
    },
  }
}

/**
 * The URL of the embedded database another live process has open, for short-lived commands beside a running server.
 * Undefined when nobody has it open.
 */
export async function attachEmbedded(directory: string): Promise<string | undefined> {
  const holder = await readHolder(directory)
  return holder && isAlive(holder.pid) && existsSync(holder.socket) ? urlOf(holder.socket) : undefined
}

const template = () =>
  ['../../embedded-template.tar.gz', '../../dist/embedded-template.tar.gz']
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path))

const heard = (worker: Worker, word: string) =>
  new Promise<void>((resolve, reject) => {
    worker.once('error', reject)
    worker.once('exit', (code) => reject(new Error(`the database thread ended with code ${code}`)))
    worker.on('message', (message) => message === word && resolve())
  })
