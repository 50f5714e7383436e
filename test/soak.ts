import fc from 'fast-check'
import { embeddedPlace, mariadbPlace, postgresPlace, type OwnPlace } from './places.ts'
import { endRun, runFolder } from './services/run.ts'
import { live, worlds } from './worlds.ts'

/**
 * Compares generated tables of every pair of engines with what a naive comparison finds, for as long as one likes.
 *
 *   npm run soak                 five minutes, from a seed of its own
 *   npm run soak -- 60           an hour
 *   npm run soak -- 5 12345      from this seed, which makes the same tables in the same order
 *
 * A failure is told as small as it can be made, with its seed and path, and ends the run.
 */
const [minutes = 5, seed = Date.now() & 0x7fffffff] = process.argv.slice(2).map(Number)
const pairs = [
  [postgresPlace, postgresPlace],
  [mariadbPlace, mariadbPlace],
  [postgresPlace, mariadbPlace],
  [mariadbPlace, postgresPlace],
  [embeddedPlace, postgresPlace],
] as const
const schemasAtOnce = 25

const until = Date.now() + minutes * 60_000
const tally = { cases: 0, differences: 0 }
console.log(`seed ${seed}`)
for (let round = 0; Date.now() < until; round++) {
  for (const [source, target] of pairs) {
    const places: OwnPlace[] = [await source('source'), await target('target')]
    const [one, other] = places as [OwnPlace, OwnPlace]
    try {
      const property = fc.asyncProperty(worlds(one.engine, other.engine), (world) => live(world, one, other, tally))
      await fc.assert(property, { seed: seed + round, numRuns: schemasAtOnce })
    } catch (thrown) {
      console.error(`${source.name} and ${target.name}, seed ${seed + round}`)
      console.error(thrown)
      process.exitCode = 1
    } finally {
      await Promise.all(places.map((place) => place.drop()))
    }
    if (process.exitCode) break
  }
  if (process.exitCode) break
  console.log(`round ${round + 1}: ${tally.cases} cases, ${tally.differences} differences`)
}
// Stops the servers that were started for it.
await endRun(runFolder())
process.exit()
