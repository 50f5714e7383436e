import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Engine } from './kinds.ts'
import { seeded } from './lossy-sync.ts'
import { mariadbPlace, postgresPlace, type OwnPlace } from './places.ts'
import { run, steadyVerbs } from './two-copies.ts'

/** How long the source is written while runs compare; TALLYMAN_LIVE_SECONDS=1800 for half an hour. */
const asked = process.env['TALLYMAN_LIVE_SECONDS']
const rows = 20_000
const places = { PostgreSQL: postgresPlace, MariaDB: mariadbPlace }
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
/** Writes down which rows were written, in the transaction that writes them. */
const captured: Readonly<Record<Engine, readonly string[]>> = {
  postgres: [
    'create table log (n bigserial primary key, id int)',
    `create function note() returns trigger language plpgsql as $$ begin
      insert into log (id) values (coalesce(new.id, old.id)); return null; end $$`,
    'create trigger note after insert or update or delete on t for each row execute function note()',
  ],
  mysql: [
    'create table log (n bigint auto_increment primary key, id int)',
    ...['insert', 'update', 'delete'].map(
      (event) =>
        `create trigger note_${event} after ${event} on t for each row
          insert into log (id) values (${event === 'delete' ? 'old' : 'new'}.id)`,
    ),
  ],
}

/** How far the sync may fall behind: on a machine that is busy with other things it would never arrive. */
const behindMaxMs = 4_000

/** Inserts, updates and deletes as fast as the sync can follow. */
async function write(
  place: OwnPlace,
  random: () => number,
  stop: AbortSignal,
  arrived: { readonly untilMs: number },
): Promise<number> {
  const session = await place.another()
  const ignore = { postgres: ['', ' on conflict do nothing'], mysql: [' ignore', ''] }[place.engine]
  let writes = 0
  for (; !stop.aborted; writes++) {
    while (performance.now() - arrived.untilMs > behindMaxMs && !stop.aborted) await sleep(50)
    const id = 1 + Math.floor(random() * rows * 1.2)
    const what = random()
    if (what < 0.2) await session.ask(`delete from t where id = ${id}`)
    else if (what < 0.5) await session.ask(`insert${ignore[0]} into t values (${id}, 'new ${writes}', 0)${ignore[1]}`)
    else await session.ask(`update t set n = n + 1, name = 'name ${writes}' where id = ${id}`)
  }
  await session.end()
  return writes
}

const snapshot: Readonly<Record<Engine, string>> = {
  postgres: 'begin isolation level repeatable read',
  mysql: 'start transaction with consistent snapshot',
}
const copiedMax = 5_000

/**
 * Copies what was written, each time after a random while. Numbers may be committed out of order, so that what was copied is
 * taken out of the log rather than counted from. Tells up to when the target has everything.
 */
async function sync(
  source: OwnPlace,
  target: OwnPlace,
  random: () => number,
  stop: AbortSignal,
  arrived: { untilMs: number },
) {
  const session = await source.another()
  while (!stop.aborted) {
    const seenMs = performance.now()
    await session.ask(snapshot[source.engine])
    const log = await session.ask(`select n, id from log order by n limit ${copiedMax}`)
    const ids = [...new Set(log.map(({ id }) => Number(id)))].join(', ')
    const found = ids ? await session.ask(`select id, name, n from t where id in (${ids})`) : []
    await session.ask('commit')
    await new Promise((resolve) => setTimeout(resolve, random() * lagMaxMs))
    const values = found.map(({ id, name, n }) => `(${String(id)}, '${String(name)}', ${String(n)})`)
    const gone = ids ? [`delete from t where id in (${ids})`] : []
    const come = values.length > 0 ? [`insert into t values ${values.join(', ')}`] : []
    await target.run(['begin', ...gone, ...come, 'commit'])
    if (ids) await session.ask(`delete from log where n in (${log.map(({ n }) => String(n)).join(', ')})`)
    if (log.length < copiedMax) arrived.untilMs = seenMs
  }
  await session.end()
}

describe.each([
  { from: 'PostgreSQL', to: 'PostgreSQL', usually: 10, runsMin: 2 },
  { from: 'PostgreSQL', to: 'MariaDB', usually: 10, runsMin: 2 },
  { from: 'MariaDB', to: 'MariaDB', usually: 5, runsMin: 1 },
] as const)('$from tables that are written at full speed, with a sync to $to up to two seconds behind', (route) => {
  const seconds = Number(asked ?? route.usually)
  let source: OwnPlace
  let target: OwnPlace
  beforeAll(async () => {
    ;[source, target] = [await places[route.from]('source'), await places[route.to]('target')]
    await Promise.all([source, target].map((place) => place.run(fill[place.engine])))
    await source.run(captured[source.engine])
  })
  afterAll(() => Promise.all([source, target].map((place) => place?.drop())))

  it(
    'are never told to differ where they do not, and always where they do',
    { timeout: (seconds + 120) * 1_000 },
    async () => {
      const seed = Math.floor(Math.random() * 1e9)
      const stop = new AbortController()
      const arrived = { untilMs: -Infinity }
      const copying = sync(source, target, seeded(seed + 3), stop.signal, arrived)
      const working = [1, 2].map((writer) => write(source, seeded(seed + writer), stop.signal, arrived))
      const planted = new Map<string, string>()
      const endMs = performance.now() + seconds * 1_000
      let runs = 0
      let inFlight = 0
      try {
        for (; performance.now() < endMs || runs < route.runsMin; runs++) {
          await plant(target, plantedFrom + 3 * runs, planted)
          const { result, journal } = await run(
            { source, target },
            {
              ...{ source: { table: 'source.t' }, target: { table: 'target.t' }, key: ['id'] },
              slice: { target: '100ms', rows: 5_000 },
              settle: { wait: '2500ms', tries: 3, position: '120s' },
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
      }
      const writes = (await Promise.all(working)).reduce((sum, some) => sum + some, 0)
      await copying
      expect(writes).toBeGreaterThan(1_000)
      if (runs > 1) expect(inFlight).toBeGreaterThan(0)
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
