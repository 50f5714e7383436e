import { probes } from '../../checks/registry.ts'
import { readConfigFile, watchDirectory } from '../config/file.ts'
import { loadConfig } from '../config/load.ts'
import { problemsText } from '../config/problem.ts'
import type { Config } from '../config/schema.ts'
import { watchFile } from '../config/watch-file.ts'
import { timers } from './timers.ts'

export interface ReloadParts {
  readonly file: string
  readonly text: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  adopt(config: Config): Promise<void>
  refuse(problems: string): void
  complain(message: string, cause: unknown): void
}

/** Takes a changed config file into force, one change after the other; a wrong one leaves the old in force. */
export function reloadConfig({ file, text, env, signal, adopt, refuse, complain }: ReloadParts): void {
  let last = Promise.resolve()
  watchFile({
    file,
    text,
    read: readConfigFile,
    load: (changed) => loadConfig(changed, { file, env, probes }),
    accept(config) {
      last = last
        .then(() => adopt(config))
        .catch((cause: unknown) => complain('The new config could not be taken into force.', cause))
    },
    refuse: (problems) => refuse(problemsText(problems)),
    watch: watchDirectory,
    after: timers.after,
    signal,
  })
}
