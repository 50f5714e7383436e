import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Engine } from './kinds.ts'
import { seeded } from './lossy-sync.ts'
import { mariadbPlace, postgresPlace, type OwnPlace } from './places.ts'
import { run, steadyVerbs } from './two-copies.ts'

/** How long the source is written while runs compare; TALLYMAN_LIVE_SECONDS=1800 for half an hour. */
const seconds = Number(process.env['TALLYMAN_LIVE_SECONDS'] ?? 20)
const rows = 20_000
const lagMaxMs = 2_000
/** Keys that nobody writes to: what is broken there stays broken. */
const plantedFrom = 1_000_000

const fill: Readonly<Record<Engine, readonly string[]>> = {
  postgres: [
    'create table t (id int primary key, name text, n int not null)',
    `insert into t select i, 'name ' || i, 0 from generate_series(1, ${rows}) i`,
    `insert into t select i, 'quiet ' || i, 0 from generate_series(${plantedFrom}, ${plantedFrom} + 2000) i`,
    'analyze t',
  ],
  mysql: [
    'create table t (id int primary key, name varchar(60), n int not null)',
    `insert into t select seq, concat('name ', seq), 0 from seq_1_to_${rows}`,
    `insert into t select seq, concat('quiet ', seq), 0 from seq_${plantedFrom}_to_${plantedFrom + 2000}`,
    'analyze table t',
  ],
}
const captured = `
  create table log (n bigserial primary key, id int);
  create function note() returns trigger language plpgsql as $$ begin
    insert into log (id) values (coalesce(new.id, old.id)); return null; end $$;
  create trigger note after insert or update or delete on t for each row execute function note()`

/** Inserts, updates and deletes at full speed. */
async function write(url: string, random: () => number, stop: AbortSignal): Promise<number> {
  const sql = postgres(url, { max: 1, onnotice() {} })
  let writes = 0
  for (; !stop.aborted; writes++) {
    const id = 1 + Math.floor(random() * rows * 1.2)
    const what = random()
    if (what < 0.2) await sql`delete from t where id = ${id}`
    else if (what < 0.5) await sql`insert into t values (${id}, ${`new ${writes}`}, 0) on conflict do nothing`
    else await sql`update t set n = n + 1, name = ${`name ${writes}`} where id = ${id}`
  }
  await sql.end()
  return writes
}

/** Copies what was written, in order, each time after a random while. Tells up to when the target has everything. */
async function sync(
  source: Sql,
  target: OwnPlace,
  random: () => number,
  stop: AbortSignal,
  arrived: { untilMs: number },
) {
  let last = 0n
  while (!stop.aborted) {
    const seenMs = performance.now()
    // Numbers may be committed out of order: what is read is what no older transaction can add to any more.
    const changes = await source.begin('isolation level repeatable read', async (tx) => {
      const ids = await tx<{ n: string; id: number }[]>`
        select n::text, id from log where n > ${String(last)} and xmin::text::bigint < txid_snapshot_xmin(txid_current_snapshot()) order by n limit 5000`
      const some = [...new Set(ids.map(({ id }) => id))]
      const now = await tx<{ id: number; name: string; n: number }[]>`select id, name, n from t where id = any(${some})`
      const [left] = await tx<
        [{ more: boolean }]
      >`select exists (select from log where n > ${ids.at(-1)?.n ?? String(last)}) as more`
      return { ids, some, now, more: left.more }
    })
    await new Promise((resolve) => setTimeout(resolve, random() * lagMaxMs))
    last = BigInt(changes.ids.at(-1)?.n ?? last)
    const values = changes.now.map(({ id, name, n }) => `(${id}, '${name}', ${n})`)
    const gone = changes.some.length > 0 ? [`delete from t where id in (${changes.some.join(', ')})`] : []
    const come = values.length > 0 ? [`insert into t values ${values.join(', ')}`] : []
    await target.run(['begin', ...gone, ...come, 'commit'])
    if (!changes.more) arrived.untilMs = seenMs
  }
}

describe.each([
  { title: 'PostgreSQL', to: postgresPlace },
  { title: 'MariaDB', to: mariadbPlace },
])('tables that are written at full speed, with a sync to $title up to two seconds behind', ({ to }) => {
  let source: OwnPlace
  let target: OwnPlace
  beforeAll(async () => {
    ;[source, target] = [await postgresPlace('source'), await to('target')]
    await Promise.all([source, target].map((place) => place.run(fill[place.engine])))
    await source.run([captured])
  })
  afterAll(() => Promise.all([source, target].map((place) => place?.drop())))

  it(
    'are never told to differ where they do not, and always where they do',
    { timeout: (seconds + 120) * 1_000 },
    async () => {
      const seed = Math.floor(Math.random() * 1e9)
      const stop = new AbortController()
      const arrived = { untilMs: -Infinity }
      const syncing = postgres(source.url, { max: 1, onnotice() {} })
      const working = [
        write(source.url, seeded(seed + 1), stop.signal),
        write(source.url, seeded(seed + 2), stop.signal),
      ]
      const copying = sync(syncing, target, seeded(seed + 3), stop.signal, arrived)
      const planted = new Map<string, string>()
      const endMs = performance.now() + seconds * 1_000
      let runs = 0
      let inFlight = 0
      try {
        for (; performance.now() < endMs || runs < 3; runs++) {
          await plant(target, plantedFrom + 3 * runs, planted)
          const { result, journal } = await run(
            { source, target },
            {
              ...{ source: { table: 'source.t' }, target: { table: 'target.t' }, key: ['id'] },
              slice: { target: '100ms', rows: 5_000 },
              settle: { wait: '2500ms', tries: 3, position: '30s' },
            },
            { verbs: { ...steadyVerbs, settled: async (firstLookMs: number) => arrived.untilMs >= firstLookMs } },
          )
          const found = journal.kept().map(({ difference: { key, kind } }) => [key[0]!, kind] as const)
          expect(new Map(found), `seed ${seed}, run ${runs}`).toEqual(planted)
          expect(result.differences.missing + result.differences.extra + result.differences.changed).toBe(planted.size)
          inFlight += result.inFlight
        }
      } finally {
        stop.abort()
        await Promise.allSettled([...working, copying])
        await syncing.end()
      }
      const writes = (await Promise.all(working)).reduce((sum, some) => sum + some, 0)
      await copying
      expect(writes).toBeGreaterThan(1_000)
      expect(inFlight).toBeGreaterThan(0)
    },
  )
})

/** One row of each kind that the sync will never put right. */
async function plant(target: OwnPlace, from: number, planted: Map<string, string>): Promise<void> {
  const alone = plantedFrom + 10_000 + from
  await target.run([
    `update t set name = 'broken' where id = ${from}`,
    `delete from t where id = ${from + 1}`,
    `insert into t values (${alone}, 'nobody knows', 0)`,
  ])
  planted
    .set(String(from), 'changed')
    .set(String(from + 1), 'missing')
    .set(String(alone), 'extra')
}
