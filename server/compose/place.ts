import { join } from 'node:path'
import { probes } from '../../checks/registry.ts'
import { loadConfig } from '../config/load.ts'
import { problemsText } from '../config/problem.ts'
import { configSchema, type Config } from '../config/schema.ts'
import { Fault } from '../fault.ts'

type Environment = Readonly<Record<string, string | undefined>>

const storeDefault = (configSchema(probes).shape.store.def as { defaultValue?: string }).defaultValue

/**
 * Parses a config, whole. The embedded store of a config that names none goes into the data directory.
 * @throws Fault `config_invalid` with every problem at once.
 */
export function readConfig(
  text: string,
  { file, env, data }: { file: string; env: Environment; data: string },
): Config {
  const loaded = loadConfig(text, { file, env, probes })
  if ('problems' in loaded) {
    const count = loaded.problems.length
    throw new Fault('config_invalid', problemsText(loaded.problems), {
      hint: `${count === 1 ? 'One problem' : `${count} problems`}; nothing was started.`,
    })
  }
  return placed(loaded.config, data)
}

export const placed = (config: Config, data: string): Config =>
  config.store === storeDefault ? { ...config, store: `pglite://${join(data, 'store')}` } : config
