import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pino } from 'pino'
import { Fault } from '../fault.ts'
import { start } from '../main.ts'
import { countArgument, readArguments } from './arguments.ts'

const flags = {
  config: { type: 'string' },
  port: { type: 'string' },
  host: { type: 'string' },
  data: { type: 'string', default: '.tallyman' },
} as const
const lines = { serve: 'serve [--config F] [--port N] [--host H] [--data DIR]', worker: 'worker --config F' }
const portMax = 65_535

/** Everything: dashboard, API, scheduler and worker. Ends on SIGINT or SIGTERM. */
export const serve = (args: readonly string[]): Promise<number> => run('serve', args)

/** A process that runs checks when it leads, and works runs, on a store it shares. */
export const worker = (args: readonly string[]): Promise<number> => run('worker', args)

async function run(command: keyof typeof lines, args: readonly string[]): Promise<number> {
  const web = command === 'serve'
  const line = lines[command]
  const { values, positionals } = readArguments(args, flags, line)
  if (positionals.length > 0) {
    throw new Fault('usage', `${command} takes no "${positionals[0]}".`, { hint: `Usage: tallyman ${line}` })
  }
  if (!web && !values.config) {
    throw new Fault('usage', 'A worker needs a config.', { hint: `Usage: tallyman ${line}` })
  }
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    // The second time somebody means it: nothing is lost, the next start goes on from the store.
    process.once(signal, () => {
      stop.abort(new Error(`ended by ${signal}`))
      process.once(signal, () => process.exit(1))
    })
  }
  const log = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime })
  const { version } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8'))
  const started = await start({
    data: resolve(values.data),
    env: process.env,
    web,
    version,
    revision: process.env.TALLYMAN_REVISION ?? 'unknown',
    log,
    signal: stop.signal,
    ...(values.config ? { configFile: resolve(values.config) } : {}),
    ...(values.port ? { port: countArgument('port', values.port, 0, portMax) } : {}),
    ...(values.host ? { host: values.host } : {}),
  })
  if (web) process.stdout.write(welcome(started.url, values.config))
  await started.ended()
  return 0
}

const welcome = (url: string, config: string | undefined) =>
  config
    ? `\n  Tallyman is at ${url}\n\n`
    : `\n  Tallyman's demo is at ${url}\n  A small CRM and billing with a sync between them that goes wrong on purpose; everything you see is measured.\n  Your own pipelines: npm start -- --config tallyman.yaml\n\n`
