import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openEmbedded, type Embedded } from '../server/connect/embedded.ts'
import { openPostgres } from '../server/connect/postgres.ts'
import { postgresSide } from '../server/sides/postgres.ts'
import { compare, inWords, run, twoCopies, type Copy, type TwoCopies } from './two-copies.ts'

let directory: string
let embedded: Embedded
let ours: Copy
let copies: TwoCopies
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tallyman-test-'))
  embedded = await openEmbedded(join(directory, 'data'))
  const client = openPostgres({ name: 'embedded', url: embedded.url, embedded: true })
  const [, host] = /host=(.*)/.exec(embedded.url)!
  const sql = postgres({
    host: host!,
    username: 'postgres',
    database: 'postgres',
    max: 1,
    fetch_types: false,
    onnotice() {},
  })
  ours = { url: embedded.url, client, side: postgresSide(client), sql }
  copies = await twoCopies()
})
afterAll(async () => {
  await Promise.all([ours.client.close(), ours.sql.end({ timeout: 1 })])
  await embedded.close()
  await copies.drop()
  await rm(directory, { recursive: true, force: true })
})

const columns = `id int primary key, email text, amount numeric(12,2), at timestamptz, note text, spent interval`
const rows = `select i, 'a' || i || '@x', i * 1.5, timestamptz '2024-01-01+00' + i * interval '1 h', case when i % 3 = 0 then null else 'é' || i end, i * interval '1 h'
  from generate_series(1, 4000) i`

beforeEach(async () => {
  for (const { sql } of [ours, copies.target]) {
    await sql.unsafe(`drop table if exists t; drop table if exists u`)
    await sql.unsafe(`create table t (${columns})`)
    await sql.unsafe(`insert into t ${rows}`)
  }
})

describe('an embedded database', () => {
  it('is compared with a server as two servers are', async () => {
    const sides = { source: ours.side, target: copies.target.side }
    expect(await compare(sides, 't')).toMatchObject({ verdict: 'match', faults: [] })
    await copies.target.sql`update t set note = '' where id = 3`
    await copies.target.sql`delete from t where id = 4000`
    const { items, rows } = await compare(sides, 't')
    expect(items.map(inWords)).toEqual(['changed 3 note', 'missing 4000'])
    expect(rows).toEqual({ source: 4000, target: 3999 })
  })

  it('is compared with itself and put right, while others use it', async () => {
    await ours.sql.unsafe(`create table u (${columns})`)
    await ours.sql.unsafe(`insert into u ${rows}`)
    await ours.sql.unsafe(`update u set amount = 0 where id % 100 = 0`)
    await ours.sql.unsafe(`delete from u where id % 1000 = 7`)
    let stop = false
    const others = (async () => {
      while (!stop) await ours.sql.unsafe(`select count(*) from t`)
    })()
    const { result } = await run(
      { source: ours, target: ours },
      {
        source: { table: 'embedded.t' },
        target: { table: 'embedded.u' },
        key: ['id'],
        corrections: { mode: 'auto', limit: { ratio: 1 } },
      },
    )
    stop = true
    await others
    expect(result).toMatchObject({
      method: 'native',
      differences: { missing: 4, extra: 0, changed: 40 },
      corrections: { applied: 44 },
      after: { verdict: 'match' },
    })
  })
})
