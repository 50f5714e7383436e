import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEmbedded, type Embedded } from '../server/connect/embedded.ts'
import { postgresOptions } from '../server/connect/postgres.ts'

describe('an embedded database that many connections share', () => {
  let directory: string
  let embedded: Embedded
  const open: Sql[] = []
  const connect = (max = 1) => {
    const [url, options] = postgresOptions(embedded.url)
    const sql = postgres(url, { ...options, max, onnotice() {} })
    open.push(sql)
    return sql
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'tallyman-embedded-'))
    embedded = await openEmbedded(join(directory, 'db'))
  })
  afterAll(async () => {
    await Promise.all(open.map((sql) => sql.end({ timeout: 1 })))
    await embedded.close()
    await rm(directory, { recursive: true, force: true })
  })

  it('answers each with its own rows, however their unnamed statements meet', async () => {
    const ask = async (sql: Sql, who: number) => {
      for (let round = 0; round < 60; round++) {
        const want = Array.from({ length: 1 + ((who + round) % 5) }, (_, index) => who * 10_000 + round * 10 + index)
        const text = `select array[${want.map((_, index) => `$${index + 1}::int`).join(', ')}] as answer`
        const [row] = await sql.unsafe<{ answer: number[] }[]>(text, want)
        expect(row!.answer).toEqual(want)
      }
    }
    await Promise.all(Array.from({ length: 10 }, (_, who) => ask(connect(), who)))
  })

  it('keeps transactions apart', async () => {
    const sql = connect(8)
    await sql`create table counter (value int not null)`
    await sql`insert into counter values (0)`
    await Promise.all(
      Array.from({ length: 80 }, () =>
        sql.begin(async (tx) => {
          const [row] = await tx.unsafe<{ value: number }[]>(
            'select value from counter where value >= $1 for update',
            [0],
          )
          await tx.unsafe('update counter set value = $1', [row!.value + 1])
        }),
      ),
    )
    expect(await sql`select value from counter`).toEqual([{ value: 80 }])
  })

  it('goes on after a statement that failed, for everybody', async () => {
    const [broken, sound] = [connect(), connect()]
    for (let round = 0; round < 20; round++) {
      const failing = broken.unsafe('select 1 / $1::int', [0]).catch((error: { code: string }) => error.code)
      const working = sound.unsafe('select $1::int + $2::int as sum', [round, 1])
      expect(await failing).toBe('22012')
      expect(await working).toEqual([{ sum: round + 1 }])
    }
  })

  it('takes back what a connection left open when it went', async () => {
    const left = connect()
    const [url, options] = postgresOptions(embedded.url)
    const gone = postgres(url, { ...options, max: 1 })
    const session = await gone.reserve()
    await session`begin`
    await session`create table half_done (a int)`
    await gone.end({ timeout: 0 }).catch(() => {})
    expect(await left`select to_regclass('half_done') as found`).toEqual([{ found: null }])
  })
})
