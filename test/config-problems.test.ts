import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '../server/config/load.ts'
import { problemsText } from '../server/config/problem.ts'
import { env, probes } from './config-probes.ts'

const folder = new URL('./data/configs/', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8')
const files = readdirSync(folder)
const mistakes = files.filter((name) => name.endsWith('.yaml')).map((name) => name.replace('.yaml', ''))

function problemsOf(mistake: string) {
  const loaded = loadConfig(read(`${mistake}.yaml`), { file: `${mistake}.yaml`, env, probes })
  return 'problems' in loaded ? loaded.problems : []
}

it.each(mistakes)('%s has its expected words beside it', (mistake) => {
  // Looked up before any snapshot could have been written.
  expect(files).toContain(`${mistake}.txt`)
})

describe('a config file with a mistake in it', () => {
  it.each(mistakes)('is refused with its place and what would be right: %s', async (mistake) => {
    await expect(`${problemsText(problemsOf(mistake))}\n`).toMatchFileSnapshot(
      new URL(`${mistake}.txt`, folder).pathname,
    )
  })
})

it('tells twelve mistakes in one file, each at its place', () => {
  expect(problemsOf('twelve-mistakes').map(({ line, column, path }) => `${line}:${column} ${path}`)).toEqual([
    '2:17 server.port',
    '5:19 connections.billing.url',
    '7:3 pipelines.customers.owner',
    '9:14 pipelines.customers.pattern',
    '11:14 pipelines.customers.notify.0',
    '13:67 pipelines.customers.checks.0.target',
    '13:92 pipelines.customers.checks.0.colum',
    '14:18 pipelines.customers.checks.1.probe',
    '15:36 pipelines.customers.checks.2.every',
    '15:108 pipelines.customers.checks.2.rules.0.metric',
    '21:19 pipelines.customers.pairs.0.schedule',
    '22:19 pipelines.customers.pairs.0.timezone',
  ])
})
