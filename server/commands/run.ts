import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import { readConfig } from '../compose/place.ts'
import { readConfigFile } from '../config/file.ts'
import { Fault } from '../fault.ts'
import { openStore, type Db } from '../store/open.ts'
import { pauseRun, resumeRun } from '../store/pause.ts'
import { cancelRun } from '../store/runs.ts'
import { readArguments } from './arguments.ts'

const flags = {
  config: { type: 'string', default: 'tallyman.yaml' },
  data: { type: 'string', default: '.tallyman' },
} as const
const line = 'run pause|resume|cancel RUN [--config F] [--data DIR]'

const verbs: Readonly<Record<string, { act(db: Db, run: string, actor: string): Promise<void>; done: string }>> = {
  pause: { act: pauseRun, done: 'It stops before its next slice; `tallyman run resume` lets it go on.' },
  resume: { act: resumeRun, done: 'It goes on where it was, in whatever server or worker is free.' },
  cancel: { act: cancelRun, done: 'It stops at its next step; what it has written stays written.' },
}

/** Holds a run back, lets it go on, or ends it, on the store of the config: whoever works on the run obeys. */
export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, flags, line)
  const [name = '', id, ...more] = positionals
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (!verb || !id || more.length > 0) {
    throw new Fault('usage', verb ? 'Name one run, by its id.' : 'Say what to do: pause, resume or cancel.', {
      hint: `Usage: tallyman ${line}`,
    })
  }
  const { config: file } = values
  const { store: url } = readConfig(await readConfigFile(file), { file, env: process.env, data: resolve(values.data) })
  const store = await openStore(url, { attach: true })
  try {
    await verb.act(store.db, id, userInfo().username)
    process.stderr.write(`${verb.done}\n`)
    return 0
  } finally {
    await store.close()
  }
}
