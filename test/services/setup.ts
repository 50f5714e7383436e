import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { TestProject } from 'vitest/node'
import * as chromium from './chromium.ts'
import * as mariadb from './mariadb.ts'
import * as postgres from './postgres.ts'
import * as prometheus from './prometheus.ts'
import { deadRuns, endRun, runFolder } from './run.ts'

/** What may take long and is needed once: finding, installing or starting a real part. A new one is one line. */
const services: Readonly<Record<string, { prepare(): Promise<unknown> }>> = {
  chromium,
  mariadb,
  postgres,
  prometheus,
}

/**
 * Around every test run: makes the folder its servers live in and prepares the real parts that the chosen test files
 * import; afterwards stops what the run started and drops the databases it left.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  for (const folder of await deadRuns()) await end(folder)
  const folder = runFolder()
  const wanted = await importedServices(project)
  // A part that cannot be had is no reason to fail the tests that do without it: those that need it are told why.
  await Promise.allSettled(wanted.map((name) => services[name]!.prepare()))
  return () => end(folder)
}

/** The services that the test files named on the command line import, or what they import; of all files when none is named. */
async function importedServices(project: TestProject): Promise<string[]> {
  const named = process.argv.slice(2).filter((argument) => !argument.startsWith('-') && argument !== 'run')
  const { testFiles } = await project.globTestFiles(named)
  const read = new Set(testFiles)
  for (const file of read) {
    const text = await readFile(file, 'utf8').catch(() => '')
    for (const [, path] of text.matchAll(/from '(\.\/[^']+\.ts)'/g)) read.add(join(dirname(file), path!))
  }
  return Object.keys(services).filter((name) => [...read].some((file) => file.endsWith(`/services/${name}.ts`)))
}

async function end(folder: string): Promise<void> {
  await postgres.dropOwedDatabases(folder)
  await mariadb.dropOwedDatabases(folder)
  await endRun(folder)
}
