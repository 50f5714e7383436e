import { dropOwedDatabases } from './postgres.ts'
import { deadRuns, endRun, runFolder } from './run.ts'

/**
 * Around every test run: makes the folder its servers live in, and afterwards stops what the run started and drops
 * the databases it left. Servers are found or started by the first test that asks, so that nobody else waits for them.
 */
export async function setup(): Promise<() => Promise<void>> {
  for (const folder of await deadRuns()) await end(folder)
  const folder = runFolder()
  return () => end(folder)
}

async function end(folder: string): Promise<void> {
  await dropOwedDatabases(folder)
  await endRun(folder)
}
