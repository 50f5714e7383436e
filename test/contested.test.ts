import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { client, type Client, type Run } from './client.ts'
import { eventually } from './services/process.ts'
import { postgresServer, type TestDatabase } from './services/postgres.ts'
import { startTallyman, type Tallyman } from './services/tallyman.ts'

const rows = 1_000
const writers = ['anna', 'bela'] as const
type Writer = (typeof writers)[number]

// The two counters are compared and corrected like the rest: a lost write of a writer would show in its own column.
const table = 'create table t (id int primary key, phone text, anna int, bela int)'
const fillSource = `${table}; insert into t select i, 'right ' || i, 0, 0 from generate_series(1, ${rows}) i`
// The history is written in the same moment as the row, under its lock, so it cannot miss a write nor turn two around.
const fillTarget = `${table}; insert into t select i, 'wrong ' || i, -1, 0 from generate_series(1, ${rows}) i;
  create table history (n bigserial, who text, id int, before jsonb, after jsonb);
  create function remember() returns trigger language plpgsql as $$ begin
    insert into history (who, id, before, after)
      values (current_setting('application_name'), old.id, to_jsonb(old), to_jsonb(new));
    return null; end $$;
  create trigger remember after update on t for each row execute function remember()`

interface State {
  readonly id: number
  readonly phone: string
  readonly anna: number
  readonly bela: number
}

interface Write {
  readonly who: string
  readonly id: number
  readonly before: State
  readonly after: State
}

/** What a writer was told is written, by row: how often, and what last. */
type Acknowledged = Map<number, { readonly times: number; readonly phone: string }>

/** Writes random rows as fast as the server takes them, until told to stop. */
async function writeUntil(stop: AbortSignal, url: string, name: Writer): Promise<Acknowledged> {
  const sql = postgres(url, { max: 1, onnotice() {}, connection: { application_name: name } })
  const acknowledged: Acknowledged = new Map()
  for (let n = 1; !stop.aborted; n++) {
    const id = 1 + Math.floor(Math.random() * rows)
    const phone = `${name} ${n}`
    await sql`update t set phone = ${phone}, ${sql(name)} = ${sql(name)} + 1 where id = ${id}`
    acknowledged.set(id, { times: (acknowledged.get(id)?.times ?? 0) + 1, phone })
  }
  await sql.end()
  return acknowledged
}

let databases: TestDatabase[]
let target: Sql
let tallyman: Tallyman
let api: Client
beforeAll(async () => {
  const server = await postgresServer()
  databases = [await server.createDatabase('source'), await server.createDatabase('target')]
  const [source, copy] = databases as [TestDatabase, TestDatabase]
  target = postgres(copy.url, { max: 2, onnotice() {} })
  const filling = postgres(source.url, { max: 1, onnotice() {} })
  await Promise.all([filling.unsafe(fillSource), target.unsafe(fillTarget)])
  await filling.end()
  const config = {
    connections: { crm: { url: source.url }, billing: { url: copy.url } },
    pipelines: {
      phones: {
        title: 'Phones',
        pattern: 'event-driven',
        tier: 'operational',
        owner: 'team-crm',
        pairs: [
          {
            id: 'phones',
            source: { table: 'crm.t' },
            target: { table: 'billing.t' },
            key: ['id'],
            settle: { wait: '100ms', tries: 1 },
            corrections: { mode: 'propose', limit: { ratio: 1 } },
          },
        ],
      },
    },
  }
  tallyman = await startTallyman({ config: JSON.stringify(config) })
  api = client(tallyman)
})
afterAll(async () => {
  await tallyman?.stop()
  await target?.end({ timeout: 2 })
  for (const database of databases ?? []) await database.drop()
})

describe('a thousand corrections approved while two others write the same rows', () => {
  let run: Run
  let history: readonly Write[]
  let told: Readonly<Record<Writer, Acknowledged>>

  beforeAll(async () => {
    const id = await api.request('phones')
    expect(await api.ended(id)).toMatchObject({ state: 'waiting', differences: { changed: rows } })
    expect(await api.approveAll(id)).toBe(rows)
    // From the first correction on; sooner, and every row would be theirs before its turn comes.
    await eventually('the first correction', async () => (await target`select from history limit 1`)[0], 60_000)
    const stop = new AbortController()
    const writing = Promise.all(writers.map((name) => writeUntil(stop.signal, databases[1]!.url, name)))
    run = await api.runWhen(id, 'done', ({ state }) => state === 'done')
    stop.abort()
    const [anna, bela] = await writing
    told = { anna: anna!, bela: bela! }
    history = await target<Write[]>`select who, id, before, after from history order by n`
  })

  it('ends with each correction applied or found stale, some of each', () => {
    const { applied = 0, stale = 0, ...others } = run.corrections
    expect(others).toEqual({})
    expect(applied + stale).toBe(rows)
    expect(applied).toBeGreaterThan(0)
    expect(stale).toBeGreaterThan(0)
  })

  it('writes a row once at most, and only while it is as it was judged', () => {
    const ours = history.filter(({ who }) => who === 'tallyman')
    expect(ours.length).toBe(run.corrections.applied)
    expect(new Set(ours.map(({ id }) => id)).size).toBe(ours.length)
    for (const { id, before, after } of ours) {
      expect(before).toEqual({ id, phone: `wrong ${id}`, anna: -1, bela: 0 })
      expect(after).toEqual({ id, phone: `right ${id}`, anna: 0, bela: 0 })
    }
  })

  it('loses none of the writes that the others were told are done', async () => {
    const end = new Map((await target<State[]>`select id, phone, anna, bela from t`).map((row) => [row.id, row]))
    const corrected = new Set(history.filter(({ who }) => who === 'tallyman').map(({ id }) => id))
    const last = new Map(history.map(({ id, after }) => [id, after.phone]))
    let writes = 0
    for (let id = 1; id <= rows; id++) {
      const [anna, bela] = writers.map((name) => told[name].get(id))
      writes += (anna?.times ?? 0) + (bela?.times ?? 0)
      const row = end.get(id)!
      expect(row).toMatchObject({
        anna: (anna?.times ?? 0) + (corrected.has(id) ? 0 : -1),
        bela: bela?.times ?? 0,
      })
      // Whoever of the two wrote last; ours stands only where neither did.
      if (anna ?? bela) expect([anna?.phone, bela?.phone]).toContain(row.phone)
      else expect(row.phone).toBe(`right ${id}`)
      expect(row.phone).toBe(last.get(id))
    }
    expect(history.length).toBe(writes + (run.corrections.applied ?? 0))
    expect(writes).toBeGreaterThan(rows / 10)
  })
})
