// Build step: packs a freshly initialised embedded database, so that nobody waits for initdb at run time.
import { mkdir, writeFile } from 'node:fs/promises'
import { PGlite } from '@electric-sql/pglite'

const [, , file] = process.argv
const db = await PGlite.create()
const packed = await db.dumpDataDir('gzip')
await mkdir(new URL('.', `file://${process.cwd()}/${file}`), { recursive: true })
await writeFile(file, Buffer.from(await packed.arrayBuffer()))
await db.close()
