#!/usr/bin/env node
import { Fault } from './fault.ts'

/** One command of the command line. Resolves to the exit code. */
export type Command = (args: readonly string[]) => Promise<number>

// Loaded when asked for: `diff` on a million rows takes half a second, and should not wait for a web server to load.
const commands: Readonly<Record<string, { line: string; load(): Promise<Command> }>> = {
  serve: {
    line: 'serve [--config F] [--port N] [--host H] [--data DIR]   dashboard, API, scheduler and worker; the demo without a config',
    load: async () => (await import('./commands/serve.ts')).serve,
  },
  worker: {
    line: 'worker --config F                                      one more worker on a shared Postgres store',
    load: async () => (await import('./commands/serve.ts')).worker,
  },
  init: {
    line: 'init SOURCE_URL TARGET_URL                             looks at two databases and prints a config for them',
    load: async () => (await import('./commands/init.ts')).init,
  },
  validate: {
    line: 'validate F                                             every problem of a config at once',
    load: async () => (await import('./commands/validate.ts')).validate,
  },
  probe: {
    line: 'probe --config F [CHECK…] [--json]                     runs checks once, now, and shows what was asked and answered',
    load: async () => (await import('./commands/probe.ts')).probe,
  },
  diff: {
    line: 'diff SOURCE_URL TARGET_URL --table T [--key k[,k2]]    compares two tables, writes nothing (diff --help)',
    load: async () => (await import('./commands/diff.ts')).diff,
  },
  reconcile: {
    line: 'reconcile --config F PAIR… [--apply|--explain]         a configured run; without --apply it only proposes',
    load: async () => (await import('./commands/reconcile.ts')).reconcile,
  },
  run: {
    line: 'run pause|resume|cancel RUN [--config F]               holds a run back before its next slice, lets it go on, or ends it',
    load: async () => (await import('./commands/run.ts')).run,
  },
  schema: {
    line: 'schema                                                 JSON Schema of the config, for editors',
    load: async () => (await import('./commands/validate.ts')).schema,
  },
  token: {
    line: 'token create --role viewer|operator|admin [--config F] prints a token, once',
    load: async () => (await import('./commands/token.ts')).token,
  },
}

const usage = `tallyman watches data-sync pipelines and puts right what it can prove is wrong.

${Object.values(commands)
  .map(({ line }) => `  tallyman ${line}`)
  .join('\n')}

A URL may be given as env:NAME, so that no password shows in a process list.
diff and reconcile exit 0 when the copies agree, 1 when they differ, 2 for a usage or config error, 3 when it could not be told.
`

const usageFaults: readonly string[] = ['usage', 'config_invalid', 'bad_request', 'not_found']

async function run([name = '', ...args]: readonly string[]): Promise<number> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!command) {
    const asked = ['', 'help', '--help', '-h'].includes(name)
    ;(asked ? process.stdout : process.stderr).write(asked ? usage : `There is no command "${name}".\n\n${usage}`)
    return asked ? 0 : 2
  }
  // diff has more flags than a line holds, and tells of them itself.
  if (name !== 'diff' && args.some((flag) => flag === '--help' || flag === '-h')) {
    process.stdout.write(`tallyman ${command.line.replace(/ {2,}/, '\n\n  ')}\n`)
    return 0
  }
  return (await command.load())(args)
}

/** Bad luck ends in two lines, what happened and what to do; a bug ends in its stack. */
function fail(thrown: unknown): number {
  if (!(thrown instanceof Fault)) {
    const { stack } = thrown as { stack?: string }
    process.stderr.write(`This is a bug in Tallyman:\n${stack ?? String(thrown)}\n`)
    return 3
  }
  process.stderr.write(`${thrown.message}\n${thrown.hint ? `${thrown.hint}\n` : ''}`)
  return usageFaults.includes(thrown.code) ? 2 : 3
}

process.exitCode = await run(process.argv.slice(2)).catch(fail)
