import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { answering, freePort, startProcess, type Running } from './process.ts'
import { scratchFolder } from './run.ts'

const cli = join(import.meta.dirname, '../../dist/server/cli.js')
const readyWithinMs = 60_000
const commandTimeoutMs = 120_000

export interface TallymanStart {
  /** The text of the config; without one the bundled demo runs. */
  readonly config?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  /** More arguments of `serve`. */
  readonly args?: readonly string[]
}

export interface Tallyman {
  readonly url: string
  readonly port: number
  /** Its config file, for tests of reloading; empty for the demo. */
  readonly configFile: string
  readonly dataFolder: string
  readonly pid: () => number
  /** Asks one path of it; `path` starts with a slash. */
  get(path: string, init?: RequestInit): Promise<Response>
  /** Everything it printed since the first start. */
  log(): Promise<string>
  /** The exit code or signal once it has ended. */
  ended(): number | NodeJS.Signals | undefined
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Starts it again on the same port, config and data, and waits until it is ready. It must have ended. */
  restart(): Promise<void>
  /** Ends it in good order. */
  stop(): Promise<void>
}

/**
 * Starts the built server on a free port with a data folder of its own, and waits until /readyz answers 200.
 * @throws Error with the end of its log when it does not become ready.
 */
export async function startTallyman(start: TallymanStart = {}): Promise<Tallyman> {
  const folder = await scratchFolder('tallyman')
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const configFile = start.config === undefined ? '' : join(folder, 'tallyman.yaml')
  if (configFile) await writeFile(configFile, start.config!)
  const dataFolder = join(folder, 'data')

  const get = (path: string, init?: RequestInit) => fetch(url + path, init)
  const place = ['--port', String(port), '--host', '127.0.0.1', '--data', dataFolder]
  const args = [builtCli(), 'serve', ...(configFile ? ['--config', configFile] : []), ...place, ...(start.args ?? [])]
  const log = join(folder, 'log')
  const launch = async (): Promise<Running> => {
    // A killed one leaves its socket behind: in our folder, which is removed.
    const running = await startProcess({ command: process.execPath, args, log, env: { TMPDIR: folder, ...start.env } })
    await answering('Tallyman', running, async () => (await get('/readyz')).status === 200, readyWithinMs)
    return running
  }

  let running = await launch()
  return {
    url,
    port,
    configFile,
    dataFolder,
    pid: () => running.pid,
    get,
    log: () => running.output(),
    ended: () => running.ended(),
    kill: (signal) => running.kill(signal),
    stop: () => running.stop(),
    async restart() {
      running = await launch()
    },
  }
}

interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs one command of the built command line to its end: `runTallyman(['diff', source, target, …])`. */
export function runTallyman(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): Promise<CommandResult> {
  const options = { env: { ...process.env, ...env }, timeout: commandTimeoutMs, maxBuffer: 256 * 1024 * 1024 }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [builtCli(), ...args], options, (fault, stdout, stderr) => {
      if (fault && typeof fault.code !== 'number') reject(fault)
      else resolve({ code: fault ? Number(fault.code) : 0, stdout, stderr })
    })
  })
}

function builtCli(): string {
  if (!existsSync(cli)) throw new Error('The tests run the built program, and there is none: `npm run build` first.')
  return cli
}
