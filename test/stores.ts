import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { postgresServer } from './services/postgres.ts'

/** The places a store can be in, each empty and the test's own. */
export const storePlaces = {
  'a real PostgreSQL': async () => {
    const database = await (await postgresServer()).createDatabase('store')
    return { url: database.url, drop: () => database.drop() }
  },
  'the embedded one': async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tallyman-store-'))
    return { url: `pglite://${directory}/store`, drop: () => rm(directory, { recursive: true, force: true }) }
  },
}
