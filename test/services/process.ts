import { spawn, type ChildProcess } from 'node:child_process'
import { once as onceEvent } from 'node:events'
import { openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { owe } from './run.ts'

const pollMs = 25

export interface Start {
  readonly command: string
  readonly args: readonly string[]
  /** Where its output goes, in the run's folder; also what is quoted when it does not start. */
  readonly log: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** As which operating system user, for servers that refuse to be root. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined
  /** What ends it in good order. */
  readonly stopSignal?: NodeJS.Signals
  /** Outlives the worker that started it, until the end of the run. */
  readonly shared?: boolean
}

export interface Running {
  readonly pid: number
  /** The exit code, or the signal's name, once it has ended. */
  readonly ended: () => number | NodeJS.Signals | undefined
  output(): Promise<string>
  /** Sends a signal and waits for the end when the signal means one. Does nothing to a process that has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Ends it in good order; after ten seconds, not. */
  stop(): Promise<void>
}

/** Starts a server of the test's own. Whatever becomes of the test, it is gone at the end of the run. */
export async function startProcess(start: Start): Promise<Running> {
  const { command, args, log, env, user, stopSignal = 'SIGTERM', shared = false } = start
  const output = openSync(log, 'a')
  const child = spawn(command, args, {
    ...user,
    env: env ? { ...process.env, ...env } : process.env,
    stdio: ['ignore', output, output],
    detached: shared,
  })
  await onceEvent(child, 'spawn')
  const pid = child.pid!
  const forget = await owe('process', String(pid), stopSignal)
  if (shared) child.unref()

  const ended = () => child.exitCode ?? child.signalCode ?? undefined
  child.once('exit', () => void forget())
  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
    if (ended() !== undefined) return
    child.kill(signal)
    if (['SIGKILL', 'SIGTERM', 'SIGINT'].includes(signal)) await endOf(child)
  }
  return {
    pid,
    ended,
    output: () => readFile(log, 'utf8'),
    kill,
    async stop() {
      const late = setTimeout(() => child.kill('SIGKILL'), 10_000)
      await kill(stopSignal)
      clearTimeout(late)
    },
  }
}

const endOf = async (child: ChildProcess) => {
  if (child.exitCode === null && child.signalCode === null) await onceEvent(child, 'exit')
}

/**
 * Waits until a server answers.
 * @throws Error with the end of its log when it ends first or takes longer than `withinMs`.
 */
export async function answering(
  what: string,
  running: Running,
  answers: () => Promise<boolean>,
  withinMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + withinMs
  while (!(await answers().catch(() => false))) {
    const ended = running.ended()
    if (ended === undefined && Date.now() < deadline) {
      await sleep(pollMs)
      continue
    }
    const why = ended === undefined ? `did not answer within ${withinMs} ms` : `ended with ${ended}`
    await running.kill()
    throw new Error(`${what} ${why}. Its last words:\n${(await running.output()).slice(-2_000)}`)
  }
}

/** Asks again until the answer is there. @throws Error naming `what` when it is still undefined after `withinMs`. */
export async function eventually<Answer>(
  what: string,
  ask: () => Promise<Answer | undefined>,
  withinMs = 20_000,
): Promise<Answer> {
  const deadline = Date.now() + withinMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (Date.now() > deadline) throw new Error(`Waited ${withinMs} ms in vain for ${what}.`)
    await sleep(pollMs * 4)
  }
}

/** A port nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await onceEvent(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await onceEvent(server, 'close')
  return port
}
