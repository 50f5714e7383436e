import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../server/config/load.ts'
import { problemsText } from '../server/config/problem.ts'
import { env, probes } from './config-probes.ts'

const folder = new URL('./data/configs/', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8')
const mistakes = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => name.replace('.yaml', ''))

function problemsOf(mistake: string) {
  const loaded = loadConfig(read(`${mistake}.yaml`), { file: `${mistake}.yaml`, env, probes })
  return 'problems' in loaded ? loaded.problems : []
}

describe('a config file with a mistake in it', () => {
  it.each(mistakes)('is refused with its place and what would be right: %s', async (mistake) => {
    await expect(`${problemsText(problemsOf(mistake))}\n`).toMatchFileSnapshot(new URL(`${mistake}.txt`, folder).pathname)
  })
})
