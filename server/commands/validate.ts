import { probes } from '../../checks/registry.ts'
import { loadConfig } from '../config/load.ts'
import { problemsText } from '../config/problem.ts'
import { configJsonSchema } from '../config/schema.ts'
import { Fault } from '../fault.ts'
import { readConfigFile } from '../config/file.ts'
import { readArguments } from './arguments.ts'

/** Prints every problem of a config at once, as compilers do; exit 2 when there is one. */
export async function validate(args: readonly string[]): Promise<number> {
  const { positionals } = readArguments(args, {}, 'validate F')
  const [file, ...rest] = positionals
  if (!file || rest.length > 0)
    throw new Fault('usage', 'Name one config file.', { hint: 'Usage: tallyman validate F' })
  const loaded = loadConfig(await readConfigFile(file), { file, env: process.env, probes })
  if ('problems' in loaded) {
    process.stdout.write(`${problemsText(loaded.problems)}\n`)
    return 2
  }
  const { pipelines, connections } = loaded.config
  const all = Object.values(pipelines)
  const count = (each: (pipeline: (typeof all)[number]) => number) => all.reduce((sum, one) => sum + each(one), 0)
  process.stdout.write(
    `${file} is valid: ${all.length} pipelines, ${count(({ checks }) => checks.length)} checks, ` +
      `${count(({ pairs }) => pairs.length)} pairs, ${Object.keys(connections).length} connections.\n`,
  )
  return 0
}

export async function schema(args: readonly string[]): Promise<number> {
  readArguments(args, {}, 'schema')
  process.stdout.write(`${JSON.stringify(configJsonSchema(probes), null, 2)}\n`)
  return 0
}
