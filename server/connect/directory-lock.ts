import { createHash } from 'node:crypto'
import { readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { Fault } from '../fault.ts'

/** Who holds a directory, as written beside it. */
export interface Holder {
  readonly pid: number
  readonly socket: string
}

export interface DirectoryLock {
  release(): Promise<void>
}

const fileOf = (directory: string) => `${directory}.lock`

/**
 * Takes a directory for this process alone: two embedded databases on one directory corrupt it without a word.
 *
 * On Linux the lock is an abstract socket, which the kernel frees at the moment its owner dies, so that nothing
 * stale is ever reaped by age. Elsewhere the file beside the directory is all there is. Neither sees another
 * container that mounts the same volume.
 *
 * @throws Fault `store_locked` naming the process that holds it.
 */
export async function lockDirectory(directory: string, holder: Holder): Promise<DirectoryLock> {
  const guard = process.platform === 'linux' ? await listenAbstract(await realpath(directory)) : undefined
  const found = await readHolder(directory)
  if (guard === 'taken' || (!guard && found && isAlive(found.pid))) {
    throw new Fault('store_locked', `${directory} is in use by process ${found?.pid ?? '(starting)'}.`, {
      hint: 'Stop that process, or give this one a directory of its own with --data. Two would corrupt it.',
    })
  }
  await writeFile(fileOf(directory), JSON.stringify(holder), { mode: 0o600 })
  return {
    async release() {
      await rm(fileOf(directory), { force: true })
      if (guard) await new Promise((done) => guard.close(done))
    },
  }
}

/** The process that last took the directory; it may be dead. */
export async function readHolder(directory: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(fileOf(directory), 'utf8')) as Holder
  } catch {
    return undefined
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function listenAbstract(path: string): Promise<Server | 'taken'> {
  const name = `\0tallyman-${createHash('sha256').update(path).digest('hex').slice(0, 32)}`
  const server = createServer()
  server.unref()
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve('taken') : reject(error),
    )
    server.listen(name, () => resolve(server))
  })
}
