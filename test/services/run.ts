import { chmodSync, closeSync, mkdtempSync, openSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Set by setup.ts for every worker of a run: where the run keeps its servers, their logs and who they are. */
const folderVariable = 'TALLYMAN_TEST_RUN'
const folderPrefix = 'tallyman-test-'
const lockPollMs = 50
const stopGraceMs = 10_000

/** The folder of this test run; outside a run (a benchmark) it is made at the first call. */
export function runFolder(): string {
  return (process.env[folderVariable] ??= makeRunFolder())
}

function makeRunFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), `${folderPrefix}${process.pid}-`))
  // Servers that refuse to run as root run as somebody else, who must be able to reach their part of the folder.
  chmodSync(folder, 0o755)
  return folder
}

/** A new empty folder of this run, removed with it. */
export async function scratchFolder(name: string): Promise<string> {
  const folder = mkdtempSync(join(runFolder(), `${name}-`))
  chmodSync(folder, 0o755)
  return folder
}

/**
 * Does something at most once in a run, whichever worker asks first; the others get its answer, which must survive
 * JSON. A failure is an answer too: what could not be had is said by every test that needed it, without the wait.
 */
export async function once<Answer>(name: string, find: () => Promise<Answer>): Promise<Answer> {
  const file = join(runFolder(), `${name}.json`)
  return locked(join(runFolder(), `${name}.lock`), async () => {
    const known = await readFile(file, 'utf8').catch(() => undefined)
    if (known !== undefined) {
      const { answer, failure } = JSON.parse(known) as { answer: Answer; failure?: string }
      if (failure !== undefined) throw new Error(failure)
      return answer
    }
    try {
      const answer = await find()
      await writeFile(file, JSON.stringify({ answer }))
      return answer
    } catch (cause) {
      await writeFile(file, JSON.stringify({ failure: cause instanceof Error ? cause.message : String(cause) }))
      throw cause
    }
  })
}

async function locked<Answer>(path: string, work: () => Promise<Answer>): Promise<Answer> {
  while (!(await take(path))) await sleep(lockPollMs)
  try {
    return await work()
  } finally {
    await unlink(path)
  }
}

async function take(path: string): Promise<boolean> {
  try {
    closeSync(openSync(path, 'wx'))
    await writeFile(path, String(process.pid))
    return true
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause
    const holder = Number(await readFile(path, 'utf8').catch(() => ''))
    // Empty for the moment between making the file and writing the pid into it: then it is merely held.
    if (holder > 0 && !alive(holder)) await unlink(path).catch(() => undefined)
    return false
  }
}

type Debt = 'process' | 'database' | 'mariadb'

/** Remembers something that this run made and must undo at its end; returns how to forget it. */
export async function owe(kind: Debt, name: string, detail = ''): Promise<() => Promise<void>> {
  const folder = join(runFolder(), kind)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, name), detail)
  return () => rm(join(folder, name), { force: true })
}

/** What a run has made and not undone: names, each with its detail. */
export async function owed(kind: Debt, folder: string): Promise<[name: string, detail: string][]> {
  const names = await readdir(join(folder, kind)).catch(() => [])
  return Promise.all(
    names.map(async (name) => [name, await readFile(join(folder, kind, name), 'utf8')] as [string, string]),
  )
}

/** Stops every process a run started and still owes, then removes its folder. */
export async function endRun(folder: string): Promise<void> {
  const processes = (await owed('process', folder)).map(([pid, signal]) => ({ pid: Number(pid), signal }))
  const ours: number[] = []
  for (const { pid, signal } of processes) {
    if (!(await commandOf(pid)).includes(folder)) continue
    ours.push(pid)
    process.kill(pid, signal as NodeJS.Signals)
  }

  const deadline = Date.now() + stopGraceMs
  while (ours.some(alive) && Date.now() < deadline) await sleep(lockPollMs)
  for (const pid of ours.filter(alive)) process.kill(pid, 'SIGKILL')

  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

/** The folders of runs that were killed before they could clean up. Runs that still go are not among them. */
export async function deadRuns(): Promise<string[]> {
  const names = await readdir(tmpdir())
  return names
    .filter((name) => {
      const pid = Number(new RegExp(`^${folderPrefix}(\\d+)-`).exec(name)?.[1])
      return pid > 0 && !alive(pid)
    })
    .map((name) => join(tmpdir(), name))
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Process ids are used again: only one whose command line names the run's folder is one the run started. */
const commandOf = (pid: number): Promise<string> => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
