import { statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Counts } from './data.ts'
import type { Places } from './limits.ts'
import { ran, type Contender, type Outcome, type Ran } from './measure.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const cli = `${root}dist/server/cli.js`

/** @throws Error when the built program is missing or older than what it is built from. */
export async function builtNow(): Promise<void> {
  const built = statSync(cli, { throwIfNoEntry: false })?.mtimeMs ?? 0
  const files = await readdir(`${root}server`, { recursive: true })
  const newer = files.some((file) => file.endsWith('.ts') && statSync(`${root}server/${file}`).mtimeMs > built)
  if (newer) throw new Error('The bench measures the built program, and it is older than its source: `npm run build`.')
}

export const tallyman = (args: readonly string[]): Promise<Ran> => ran(process.execPath, [cli, ...args])

export const nodeAlone: Contender = {
  name: 'node, doing nothing',
  is: 'context',
  run: () => ran(process.execPath, ['-e', '0']),
}

/** `tallyman diff` as one would type it; with `listed: 'all'` it prints every difference with its values. */
export function diffOf(places: Places, listed: 'first' | 'all'): Contender {
  const [source, target] = places
  const tables = ['--table', source.table, '--target-table', target.table, '--key', 'id']
  const format = listed === 'first' ? 'json' : 'ndjson'
  const args = ['diff', source.server.url, target.server.url, ...tables, '--format', format]
  return {
    name: listed === 'first' ? 'tallyman diff' : 'tallyman diff, every difference printed',
    is: 'ours',
    async run() {
      const run = await tallyman(args)
      const answer = listed === 'first' ? reported(run) : printed(run)
      const { seconds, peakBytes, cpuSeconds } = run
      return { seconds, peakBytes, cpuSeconds, ...answer }
    },
  }
}

/** Reads the one object of `--json`. @throws Error when it could not be told. */
export function reported(run: Ran): Pick<Outcome, 'found' | 'statements' | 'bytesRead'> {
  if (run.code !== 0 && run.code !== 1) throw new Error(`exit ${run.code}: ${run.stderr.trim().slice(0, 300)}`)
  const { verdict, differences, bytesRead, queries } = JSON.parse(run.stdout) as {
    verdict: string
    differences: Counts
    bytesRead: number
    queries: number
  }
  const differs = Object.values(differences).some((count) => count > 0)
  const code = { match: 0, drift: 1 }[verdict]
  if (code !== run.code || differs !== (code === 1)) throw new Error(`verdict ${verdict} with exit ${run.code}`)
  return { found: differences, statements: queries, bytesRead }
}

function printed({ code, stdout, stderr }: Ran): Pick<Outcome, 'found'> {
  if (code !== 0 && code !== 1) throw new Error(`exit ${code}: ${stderr.trim().slice(0, 300)}`)
  return {
    found: countLines(stdout, {
      missing: /^{"kind":"missing"/,
      extra: /^{"kind":"extra"/,
      changed: /^{"kind":"changed"/,
    }),
  }
}

/** How many lines begin as each kind does. */
export function countLines(text: string, kinds: Readonly<Record<keyof Counts, RegExp>>): Counts {
  const found = { missing: 0, extra: 0, changed: 0 }
  for (const line of text.split('\n')) {
    for (const kind of Object.keys(kinds) as (keyof Counts)[]) if (kinds[kind].test(line)) found[kind]++
  }
  return found
}
