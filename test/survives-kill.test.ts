import postgres, { type Sql } from 'postgres'
import { beforeAll, describe, expect, it } from 'vitest'
import { attachEmbedded } from '../server/connect/embedded.ts'
import { client, type Client, type Run } from './client.ts'
import { seeded } from './lossy-sync.ts'
import { postgresServer, type PostgresServer, type TestDatabase } from './services/postgres.ts'
import { startTallyman, type Tallyman } from './services/tallyman.ts'

/** Of every ten rows one is there: so many numbers are between two. */
const pages = 13_400
const keyStep = 300
const left = 10
/** Some rows are slow to read. */
const slow = `(id % ${keyStep * left * 20} <> 0 or pg_sleep(0.05) is not null)`
/** A quarter of the rows a slice at most; less, where they are slow. */
const sliceRows = pages / left / 4
const random = seeded(42)

const fillSource = `
  create table t (id int primary key, name text, pad text);
  insert into t select i * ${keyStep}, 'name ' || i, repeat('x', 700) from generate_series(${left}, ${pages}, ${left}) i;
  analyze t`

// Broken in every way, and each write is told by the row it is about. A write takes a while, so that a kill finds some under way.
const fillTarget = `
  create table t (id int primary key, name text, pad text);
  insert into t select i * ${keyStep}, case when i % 30 = 0 then 'old' else 'name ' || i end, repeat('x', 700)
    from generate_series(${left}, ${pages}, ${left}) i where i % 50 <> 0;
  insert into t select i * ${keyStep} + 1, 'not in the source', 'x' from generate_series(${left}, ${pages}, 40) i;
  create table written (id int, what text, at timestamptz default clock_timestamp());
  create function tell() returns trigger language plpgsql as $$ begin
    perform pg_sleep(0.02);
    insert into written (id, what) values (coalesce(new.id, old.id), tg_op);
    return null; end $$;
  create trigger tell after insert or update or delete on t for each row execute function tell();
  analyze t`

const missing = Math.floor(pages / 50)
const changed = Math.floor(pages / 30) - Math.floor(pages / 150)
const extra = Math.floor((pages - left) / 40) + 1
const broken = missing + changed + extra

interface World {
  readonly tallyman: Tallyman
  readonly api: Client
  readonly target: Sql
  /** Our own store, looked at from outside. */
  store(): Promise<Sql>
  drop(): Promise<void>
}

let server: PostgresServer
async function worldOn(kind: 'postgres' | 'embedded'): Promise<World> {
  const databases = await Promise.all(['source', 'target', 'store'].map((name) => server.createDatabase(name)))
  const [source, copy, store] = databases as [TestDatabase, TestDatabase, TestDatabase]
  const target = postgres(copy.url, { max: 2, onnotice() {} })
  const filling = postgres(source.url, { max: 1, onnotice() {} })
  await Promise.all([filling.unsafe(fillSource), target.unsafe(fillTarget)])
  await filling.end()
  const config = {
    ...(kind === 'postgres' ? { store: store.url } : {}),
    connections: {
      crm: { url: source.url, limits: { connections: 3 } },
      billing: { url: copy.url, limits: { connections: 1 } },
    },
    pipelines: {
      things: {
        title: 'Things',
        pattern: 'batch',
        tier: 'reference',
        owner: 'team-things',
        pairs: [
          {
            id: 'things',
            source: { table: 'crm.t', where: slow },
            target: { table: 'billing.t' },
            key: ['id'],
            deletes: 'hard',
            slice: { rows: sliceRows },
            settle: { wait: '100ms', tries: 1 },
            corrections: { mode: 'propose', limit: { rows: 10_000, ratio: 1, deletes: 10_000 } },
          },
        ],
      },
    },
  }
  const tallyman = await startTallyman({ config: JSON.stringify(config) })
  let looking: Sql | undefined
  return {
    tallyman,
    api: client(tallyman),
    target,
    async store() {
      const url = kind === 'postgres' ? store.url : (await attachEmbedded(`${tallyman.dataFolder}/store`))!
      await looking?.end({ timeout: 1 })
      const socket = new URL(url).searchParams.get('host')
      return (looking = socket
        ? postgres({ host: socket, username: 'postgres', database: 'postgres', max: 1 })
        : postgres(url, { max: 1 }))
    },
    async drop() {
      await tallyman.stop()
      await Promise.all([looking?.end({ timeout: 1 }), target.end({ timeout: 1 })])
      await Promise.all(databases.map((database) => database.drop()))
    },
  }
}

interface ReadSlice {
  readonly ordinal: number
  readonly at: string
  readonly rows: number
}

const slicesOf = async ({ store }: World, run: string) =>
  (await store())<ReadSlice[]>`
    select ordinal, at::text, (result -> 'rows' ->> 'source')::int as rows from slices where run_id = ${run} order by ordinal`

/** Kills the server once the run has got as far as `when`, after a moment more of chance, and starts it on the same data. */
async function killWhen({ tallyman, api }: World, run: string, what: string, when: (run: Run) => boolean) {
  await api.runWhen(run, what, when)
  await new Promise((resolve) => setTimeout(resolve, random() * 400))
  await tallyman.kill('SIGKILL')
  expect(tallyman.ended()).toBe('SIGKILL')
  await tallyman.restart()
}

/** What was seen from outside while one server was killed five times on its way through one run. */
interface Journey {
  /** The slices in the store after each kill while comparing, and at the end. */
  readonly read: readonly (readonly ReadSlice[])[]
  readonly compared: Run
  readonly approved: number
  readonly done: Run
  readonly writes: Writes
  readonly toldTwice: readonly unknown[]
  readonly second: Run
  readonly last: Run
  readonly writesAtEnd: Writes
}

interface Writes {
  readonly all: number
  readonly rows: number
}

async function journey(world: World): Promise<Journey> {
  const { api, target } = world
  const writes = async () => {
    const [row] = await target<[Writes]>`select count(*)::int as all, count(distinct id)::int as rows from written`
    return row
  }
  const run = await api.request('things')
  const read: (readonly ReadSlice[])[] = []
  for (const slices of [1, 2]) {
    await killWhen(world, run, `at slice ${slices}`, ({ progress }) => progress.slicesDone >= slices)
    read.push(await slicesOf(world, run))
  }
  const compared = await api.ended(run, 120_000)
  read.push(await slicesOf(world, run))

  const approved = await api.approveAll(run)
  for (const share of [0.2, 0.5, 0.8]) {
    const wanted = Math.round(broken * share)
    await killWhen(world, run, `through ${wanted} corrections`, (found) => {
      const { proposed = 0, approved = 0, applying = 0 } = found.corrections
      return broken - proposed - approved - applying >= wanted
    })
  }
  const done = await api.runWhen(run, 'done', ({ state }) => state === 'done', 120_000)
  const evidence = { read, compared, approved, done, writes: await writes() }
  const toldTwice =
    await (await world.store())`select correction_id, event, count(*) from audits where run_id = ${run} group by 1, 2 having count(*) > 1`

  const again = await api.request('things')
  let second = await api.ended(again, 90_000)
  if (second.verdict === 'drift') {
    await api.approveAll(again)
    second = await api.runWhen(again, 'done', ({ state }) => state === 'done', 90_000)
  }
  const last = await api.ended(await api.request('things'), 90_000)
  return { ...evidence, toldTwice, second, last, writesAtEnd: await writes() }
}

describe('a server that is killed twice while it compares and three times while it writes', () => {
  // Side by side: most of the time is spent waiting for the lease of the dead to end.
  const kinds = ['postgres', 'embedded'] as const
  const seen = new Map<string, Journey>()
  beforeAll(async () => {
    server = await postgresServer()
    await Promise.all(
      kinds.map(async (kind) => {
        const world = await worldOn(kind)
        try {
          seen.set(kind, await journey(world))
        } catch (cause) {
          throw new Error(`${kind}: ${(await world.tallyman.log()).slice(-2_000)}`, { cause })
        } finally {
          await world.drop()
        }
      }),
    )
  }, 480_000)

  describe.each(kinds)('on a store of kind %s', (kind) => {
    const journeyOf = () => seen.get(kind)!

    it('reads no slice a second time', () => {
      const { read, compared } = journeyOf()
      const [first, second, end] = read as [readonly ReadSlice[], readonly ReadSlice[], readonly ReadSlice[]]
      expect(first.length).toBeGreaterThanOrEqual(1)
      expect(second.length).toBeGreaterThanOrEqual(2)
      expect(second.length).toBeLessThan(end.length)
      // However they were cut: each row of the source in one of them.
      expect(end.reduce((sum, slice) => sum + slice.rows, 0)).toBe(pages / left)
      expect(compared.progress.slicesTotal).toBe(end.length)
      expect(compared.coverage).toMatchObject({ share: 1 })
      // Each stands as it was written the first time, to the millisecond.
      expect(second.slice(0, first.length)).toEqual(first)
      expect(end.slice(0, second.length)).toEqual(second)
    })

    it('finds all that differs', () => {
      expect(journeyOf().compared).toMatchObject({
        state: 'waiting',
        verdict: 'drift',
        differences: { missing, changed, extra },
        corrections: { proposed: broken },
      })
    })

    it('writes no row twice, and brings every correction to an end', () => {
      const { approved, done, writes } = journeyOf()
      expect(approved).toBe(broken)
      const { applied = 0, interrupted = 0, ...others } = done.corrections
      expect(others).toEqual({})
      expect(applied + interrupted).toBe(broken)
      // What was cut off before it was sent is told as such and is not sent again: at most a batch a kill.
      expect(interrupted).toBeLessThanOrEqual(3 * 100)
      expect(writes).toEqual({ all: applied, rows: applied })
      // All that was tried is compared again: what was not sent still differs, and nothing else does.
      const { verdict, missing, extra, changed } = done.after!
      expect(missing + extra + changed).toBe(interrupted)
      expect(verdict).toBe(interrupted > 0 ? 'drift' : 'match')
    })

    it('tells every step of a correction in the audit once', () => {
      expect(journeyOf().toldTwice).toEqual([])
    })

    it('agrees after another run has repaired the rest', () => {
      const { done, second, last, writesAtEnd } = journeyOf()
      const { interrupted = 0 } = done.corrections
      expect(second.corrections).toEqual(interrupted > 0 ? { applied: interrupted } : {})
      expect(last).toMatchObject({ verdict: 'match', matchRatio: 1, differences: { missing: 0, extra: 0, changed: 0 } })
      expect(writesAtEnd).toEqual({ all: broken, rows: broken })
    })
  })
})
