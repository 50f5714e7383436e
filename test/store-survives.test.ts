import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { attachEmbedded } from '../server/connect/embedded.ts'
import { openStore } from '../server/store/open.ts'
import { postgresServer } from './services/postgres.ts'

// The compiled store: a worker thread and a killed process run under plain Node, as they do in use.
const openModule = new URL('../dist/server/store/open.js', import.meta.url).href

/** A process that writes observations one after the other and prints the number of each once it is acknowledged. */
function startWriter(url: string): ChildProcess {
  const script = `
    import { openStore } from ${JSON.stringify(openModule)}
    const { db } = await openStore(${JSON.stringify(url)})
    const [{ next }] = await db.execute("select coalesce(max(took_ms), 0)::int + 1 as next from observations where check_id = 'writer'")
    for (let n = Number(next); ; n++) {
      await db.execute("insert into observations (check_id, at, took_ms, answered) values ('writer', now() + " + n + " * interval '1 second', " + n + ", true)")
      process.stdout.write(n + '\\n')
    }`
  return spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'pipe'] })
}

const until = (child: ChildProcess, lines: number) =>
  new Promise<void>((resolve, reject) => {
    let seen = 0
    let said = ''
    child.stderr!.on('data', (text) => (said += text))
    child.on('exit', () => reject(new Error(`the writer ended early: ${said}`)))
    child.stdout!.on('data', (text: Buffer) => {
      seen += text.toString().split('\n').length - 1
      if (seen >= lines) resolve()
    })
  })

async function killedWhileWriting(url: string, lines: number): Promise<number> {
  const child = startWriter(url)
  let acknowledged = 0
  child.stdout!.on('data', (text: Buffer) => {
    const numbers = text.toString().trim().split('\n').map(Number)
    acknowledged = Math.max(acknowledged, ...numbers)
  })
  await until(child, lines)
  child.kill('SIGKILL')
  await new Promise((resolve) => child.once('close', resolve))
  return acknowledged
}

const written = async (url: string) => {
  const store = await openStore(url)
  const [row] = (await store.db.execute(
    sql`select count(*)::int as rows, max(took_ms)::int as newest from observations where check_id = 'writer'`,
  )) as unknown as [{ rows: number; newest: number }]
  await store.close()
  return row
}

describe('a store whose process is killed while it writes', () => {
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tallyman-killed-'))
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  it('has lost nothing it had acknowledged, five times over, when it is the embedded one', async () => {
    const url = `pglite://${directory}/store`
    for (let round = 1; round <= 5; round++) {
      const acknowledged = await killedWhileWriting(url, 40 * round)
      const { rows, newest } = await written(url)
      expect(newest).toBeGreaterThanOrEqual(acknowledged)
      expect(rows).toBe(newest)
    }
  })

  it('has lost nothing it had acknowledged when it is a real PostgreSQL', async () => {
    const database = await (await postgresServer()).createDatabase('killed')
    const acknowledged = await killedWhileWriting(database.url, 200)
    expect((await written(database.url)).newest).toBeGreaterThanOrEqual(acknowledged)
    await database.drop()
  })
})

describe('an embedded store that a process has open', () => {
  it('refuses a second process by name, lets a short command attach, and is free once the first is dead', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'tallyman-locked-'))
    const url = `pglite://${directory}/store`
    const holder = startWriter(url)
    await until(holder, 1)

    await expect(openStore(url)).rejects.toMatchObject({
      code: 'store_locked',
      message: `${directory}/store is in use by process ${holder.pid}.`,
    })
    const attached = await openStore(url, { attach: true })
    const rows = await attached.db.execute(sql`select 1 as one from observations limit 1`)
    expect(rows.length).toBe(1)
    await attached.close()

    holder.kill('SIGKILL')
    await new Promise((resolve) => holder.once('close', resolve))
    expect(await attachEmbedded(`${directory}/store`)).toBeUndefined()
    const next = await openStore(url)
    await next.close()
    await rm(directory, { recursive: true, force: true })
  })
})
