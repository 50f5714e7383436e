import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { z } from 'zod'
import { completeness } from '../checks/completeness.ts'
import { duplicates } from '../checks/duplicates.ts'
import { outbox } from '../checks/outbox.ts'
import type { Answer, Probe } from '../checks/probe.ts'
import { sqlProbe } from '../checks/sql.ts'
import { behindRecordsMax, tableLag } from '../checks/table-lag.ts'
import { openEmbedded } from '../server/connect/embedded.ts'
import { openPostgres, postgresOptions, type Postgres } from '../server/connect/postgres.ts'
import { Fault } from '../server/fault.ts'
import { postgresServer } from './services/postgres.ts'

interface Ground {
  readonly url: string
  readonly embedded: boolean
  close(): Promise<void>
}

const grounds: Record<string, () => Promise<Ground>> = {
  async PostgreSQL() {
    const database = await (await postgresServer()).createDatabase('probes')
    return { url: database.url, embedded: false, close: () => database.drop() }
  },
  async 'the embedded database'() {
    const directory = await mkdtemp(join(tmpdir(), 'tallyman-probes-'))
    const { url, close } = await openEmbedded(directory)
    const clean = () => rm(directory, { recursive: true, force: true })
    return { url, embedded: true, close: () => close().finally(clean) }
  },
}

/** Aims a probe as the config would, and runs it once. */
async function run<Target extends z.ZodObject>(probe: Probe<Target>, aim: z.input<Target>, db: Postgres) {
  const trace: string[] = []
  const answer: Answer = await probe.run(probe.target.parse(aim), {
    signal: new AbortController().signal,
    now: () => new Date(),
    connection: () => ({ ...db, writable: () => expect.fail('a probe asked to write') }) as never,
    trace: (line) => trace.push(line),
  })
  const readings = Object.fromEntries(answer.readings.map(({ metric, value }) => [metric, value]))
  return { readings, position: answer.positions?.[0], trace }
}

describe.each(Object.entries(grounds))('against %s', (_, open) => {
  let ground: Ground
  let db: Postgres
  let admin: postgres.Sql
  beforeAll(async () => {
    ground = await open()
    db = openPostgres({ name: 'crm', url: ground.url, embedded: ground.embedded })
    const [address, options] = postgresOptions(ground.url)
    admin = postgres(address, { ...options, max: 2, fetch_types: false, onnotice() {} })
  }, 60_000)
  afterAll(async () => {
    await admin.end()
    await db.close()
    await ground.close()
  })
  beforeEach(async () => {
    await admin`drop schema if exists src cascade`
    await admin`drop schema if exists dst cascade`
    await admin`create schema src`
    await admin`create schema dst`
  })

  /** Runs statements one after the other. */
  const given = async (...statements: readonly string[]) => {
    for (const statement of statements) await admin.unsafe(statement)
  }
  const fault = async (asked: Promise<unknown>) => {
    const thrown = await asked.catch((cause: unknown) => cause)
    expect(thrown).toBeInstanceOf(Fault)
    const { code, message, hint } = thrown as Fault
    return { code, message, hint }
  }

  describe('table-lag', () => {
    const aim = { source: 'crm.src.t', target: 'crm.dst.t' }
    const tables = (type = 'timestamptz', copy = type) =>
      given(`create table src.t (id int, updated_at ${type})`, `create table dst.t (id int, updated_at ${copy})`)

    it('is nothing, and known, when both tables are empty', async () => {
      await tables()
      const { position, readings } = await run(tableLag, aim, db)
      expect(position).toMatchObject({ records: 0n, exact: { seconds: 0 } })
      expect(position).not.toHaveProperty('source')
      expect(readings).toEqual({})
    })

    it.each(['timestamptz', 'timestamp', 'timestamptz(3)'])(
      'is the age of the oldest row beyond the copy: %s',
      async (type) => {
        await tables(type)
        await given(
          `insert into src.t select i, (now() at time zone 'UTC' - i * interval '10 s') at time zone 'UTC' from generate_series(1, 9) i`.replace(
            `at time zone 'UTC' from`,
            type === 'timestamp' ? 'from' : `at time zone 'UTC' from`,
          ),
          `insert into dst.t select * from src.t where id > 4`,
        )
        const { position, readings, trace } = await run(tableLag, aim, db)
        expect(position).toMatchObject({ unit: 'microseconds', records: 4n, exact: { method: 'record_timestamp' } })
        expect(position?.exact?.seconds).toBeGreaterThanOrEqual(40)
        expect(position?.exact?.seconds).toBeLessThan(45)
        expect(Number(position!.source! - position!.target!)).toBe(40_000_000)
        expect(readings.newest_age_seconds).toBeGreaterThanOrEqual(10)
        // The other order reports a negative lag whenever a row passes between the two reads.
        expect(trace[0]).toMatch(/^crm\.dst\.t: newest updated_at is at \d+$/)
        expect(trace[1]).toMatch(/^crm\.src\.t: newest at \d+; 4 rows beyond the copy$/)
      },
    )

    it('is nothing when the newest positions are the same', async () => {
      await tables()
      await given(`insert into src.t values (1, now())`, `insert into dst.t select * from src.t`)
      const { position } = await run(tableLag, aim, db)
      expect(position).toMatchObject({ records: 0n, exact: { seconds: 0 } })
      expect(position?.target).toBe(position?.source)
    })

    it('is nothing when the copy only keeps fewer digits of the same second', async () => {
      await tables('timestamptz', 'timestamptz(0)')
      await given(`insert into src.t values (1, '2026-01-01 00:00:00.4'), (2, '2026-01-01 00:00:01.4')`)
      await given(`insert into dst.t select * from src.t`)
      const { position } = await run(tableLag, aim, db)
      expect(position).toMatchObject({ records: 0n, exact: { seconds: 0 } })
      expect(position?.target).toBe(position?.source)
      await given(`insert into src.t values (3, '2026-01-01 00:00:01.6')`)
      expect((await run(tableLag, aim, db)).position).toMatchObject({ records: 1n })
    })

    it('is at least the age of the oldest row when the copy is empty', async () => {
      await tables()
      await given(`insert into src.t values (1, now() - interval '1 hour'), (2, now())`)
      const { position } = await run(tableLag, aim, db)
      expect(position).toMatchObject({ records: 2n, exact: { floor: true } })
      expect(position?.exact?.seconds).toBeGreaterThanOrEqual(3_600)
    })

    it('is nothing when only the source is empty, or the copy is ahead', async () => {
      await tables()
      await given(`insert into dst.t values (1, now())`)
      expect((await run(tableLag, aim, db)).position).toMatchObject({ records: 0n, exact: { seconds: 0 } })
      await given(`insert into src.t values (1, now() - interval '1 hour')`)
      expect((await run(tableLag, aim, db)).position).toMatchObject({ records: 0n, exact: { seconds: 0 } })
    })

    it('of an integer column is told in positions, and its seconds are left to the estimator', async () => {
      await given(
        `create table src.t as select i as id from generate_series(1, 50) i`,
        `create table dst.t as select i as id from generate_series(1, 30) i`,
        `delete from src.t where id in (35, 36)`,
      )
      const { position } = await run(tableLag, { ...aim, column: 'id' }, db)
      expect(position).toMatchObject({ unit: 'records', source: 50n, target: 30n, records: 18n })
      expect(position).not.toHaveProperty('exact')
    })

    it('does not count beyond its limit, and says nothing rather than too little', async () => {
      await given(
        `create table src.t as select i as id from generate_series(1, ${behindRecordsMax + 1}) i`,
        `create table dst.t (id int)`,
      )
      const { position, trace } = await run(tableLag, { ...aim, column: 'id' }, db)
      expect(position).not.toHaveProperty('records')
      expect(trace.join('\n')).toContain('more than 100000 rows beyond the copy')
    })

    it('reads names that need quoting', async () => {
      await given(`create table src."T. ""x" ("Upd.at" timestamptz)`, `create table dst.t (u timestamptz)`)
      await given(`insert into src."T. ""x" values (now())`, `insert into dst.t select * from src."T. ""x"`)
      const aim = { source: 'crm.src."T. ""x"', target: 'crm.dst.t', column: 'Upd.at', target_column: 'u' }
      expect((await run(tableLag, aim, db)).position).toMatchObject({ records: 0n })
    })

    it('counts rows of a partitioned table in its partitions', async () => {
      await given(
        `create table src.t (id int, updated_at timestamptz) partition by range (id)`,
        `create table src.t1 partition of src.t for values from (0) to (10)`,
        `create table dst.t (id int, updated_at timestamptz)`,
        `insert into src.t values (1, now())`,
      )
      expect((await run(tableLag, aim, db)).position).toMatchObject({ records: 1n })
    })

    it('counts what both databases have written, for rates', async () => {
      await tables()
      await given(
        `insert into src.t select i, now() from generate_series(1, 20) i`,
        `insert into dst.t values (1, now())`,
      )
      await given(`update src.t set updated_at = now() where id <= 5`)
      await expect
        .poll(async () => (await run(tableLag, aim, db)).position?.counters, { timeout: 15_000, interval: 500 })
        .toEqual({ source: 25n, target: 1n })
    })

    it('says which table or column is missing, and what there is instead', async () => {
      await given(`create table src.t (id int, seen_at timestamptz)`)
      expect(await fault(run(tableLag, aim, db))).toMatchObject({
        code: 'thing_missing',
        message: 'There is no table crm.dst.t.',
      })
      await given(`create table dst.t (id int, updated_at timestamptz)`)
      expect(await fault(run(tableLag, aim, db))).toEqual({
        code: 'thing_missing',
        message: 'crm.src.t has no column "updated_at".',
        hint: 'It has id, seen_at.',
      })
    })

    it('refuses a column that does not grow in time or number, or not alike', async () => {
      await tables('text')
      expect(await fault(run(tableLag, aim, db))).toMatchObject({
        code: 'bad_request',
        message: 'crm.dst.t.updated_at is of type text.',
      })
      await given(`drop table src.t, dst.t`)
      await tables('timestamptz', 'bigint')
      expect((await fault(run(tableLag, aim, db))).message).toContain('unlike the column of the copy')
    })

    it('does not take rows without a value for an empty table', async () => {
      await tables()
      await given(`insert into dst.t values (1, null)`)
      expect(await fault(run(tableLag, aim, db))).toMatchObject({
        code: 'table_empty',
        message: 'crm.dst.t has rows, and none has a value in updated_at.',
      })
    })
  })

  describe('completeness', () => {
    const aim = { source: 'crm.src.t', target: 'crm.dst.t', window: '1h', windows: 4, settle: '15m' }
    /** Ten rows an hour, in the middle of it, for the last six whole hours. */
    const tables = (type = 'timestamptz') =>
      given(
        `create table src.t (id int, created_at ${type})`,
        `create table dst.t (id int, created_at ${type})`,
        `insert into src.t select h * 10 + i, date_trunc('hour', now() at time zone 'UTC' - interval '15 min')
           - h * interval '1 hour' + interval '30 min' ${type === 'timestamptz' ? `at time zone 'UTC'` : ''}
           from generate_series(1, 6) h, generate_series(0, 9) i`.replace(
          `date_trunc('hour', now() at time zone 'UTC' - interval '15 min')
           - h * interval '1 hour' + interval '30 min' at time zone 'UTC'`,
          `(date_trunc('hour', now() at time zone 'UTC' - interval '15 min')
           - h * interval '1 hour' + interval '30 min') at time zone 'UTC'`,
        ),
        `insert into dst.t select * from src.t`,
      )

    it.each(['timestamptz', 'timestamp'])(
      'is all when every window has as many rows on both sides: %s',
      async (type) => {
        await tables(type)
        expect((await run(completeness, aim, db)).readings).toEqual({
          source_records: 40,
          target_records: 40,
          missing_records: 0,
          surplus_records: 0,
          complete_ratio: 1,
          incomplete_windows: 0,
        })
      },
    )

    it('finds what was dropped, window by window, though the totals agree', async () => {
      await tables()
      await given(
        `delete from dst.t where id in (20, 21, 22, 30)`,
        `insert into dst.t select 99, created_at from src.t where id between 40 and 43`,
      )
      const { readings, trace } = await run(completeness, aim, db)
      expect(readings).toEqual({
        source_records: 40,
        target_records: 40,
        missing_records: 4,
        surplus_records: 4,
        complete_ratio: 0.7,
        incomplete_windows: 2,
      })
      expect(trace.join('\n')).toMatch(/window from .*Z: 10 rows in the source, 7 in the target/)
    })

    it('leaves out what is still in flight and what is too old', async () => {
      await tables()
      await given(`insert into src.t values (900, now()), (901, now() - interval '5 hours' - interval '30 min')`)
      await given(`delete from dst.t where id >= 60`)
      const { readings } = await run(completeness, aim, db)
      expect(readings).toMatchObject({ missing_records: 0, source_records: 40 })
    })

    it('leaves out what has not settled, however short the windows', async () => {
      await given(`create table src.t (created_at timestamptz)`, `create table dst.t (created_at timestamptz)`)
      await given(`insert into src.t values (now() - interval '5 min')`)
      const short = { ...aim, window: '1m', windows: 60 }
      expect((await run(completeness, { ...short, settle: '10m' }, db)).readings.missing_records).toBe(0)
      expect((await run(completeness, { ...short, settle: '1m' }, db)).readings.missing_records).toBe(1)
    })

    it('misses nothing where nothing was made', async () => {
      await given(`create table src.t (created_at timestamptz)`, `create table dst.t (created_at timestamptz)`)
      expect((await run(completeness, aim, db)).readings).toMatchObject({ complete_ratio: 1, source_records: 0 })
    })

    it('sees a whole window that is gone', async () => {
      await tables()
      await given(`delete from dst.t where id between 20 and 29`)
      const { readings } = await run(completeness, aim, db)
      expect(readings).toMatchObject({ complete_ratio: 0, missing_records: 10, incomplete_windows: 1 })
    })
  })

  describe('duplicates', () => {
    beforeEach(() =>
      given(
        `create table src.t (a int, b text, seen_at timestamptz default now())`,
        `insert into src.t (a, b) values (1, 'x'), (1, 'x'), (1, 'x'), (1, 'y'), (2, 'x'), (2, 'x'), (3, null), (3, null)`,
      ),
    )

    it('are the rows beyond the first of their key', async () => {
      const { readings } = await run(duplicates, { table: 'crm.src.t', key: ['a', 'b'] }, db)
      expect(readings).toEqual({ duplicate_records: 3, duplicate_keys: 2, checked_records: 6 })
    })

    it('are none in an empty table', async () => {
      await given(`delete from src.t`)
      const { readings } = await run(duplicates, { table: 'crm.src.t', key: ['a'] }, db)
      expect(readings).toEqual({ duplicate_records: 0, duplicate_keys: 0, checked_records: 0 })
    })

    it('may be looked for in a window only', async () => {
      await given(`update src.t set seen_at = now() - interval '2 hours' where a = 1`)
      const aim = { table: 'crm.src.t', key: ['a', 'b'], column: 'seen_at', window: '1h' }
      const { readings } = await run(duplicates, aim, db)
      expect(readings).toEqual({ duplicate_records: 1, duplicate_keys: 1, checked_records: 2 })
      await given(`alter table src.t alter seen_at type timestamp using seen_at at time zone 'UTC'`)
      expect((await run(duplicates, aim, db)).readings).toEqual(readings)
    })

    it('are not told of a key that is not there', async () => {
      expect(await fault(run(duplicates, { table: 'crm.src.t', key: ['c'] }, db))).toMatchObject({
        code: 'thing_missing',
        message: 'crm.src.t has no column "c".',
      })
    })
  })

  describe('outbox', () => {
    const aim = { table: 'crm.src.q', failed: 'error', dead: 'dead_at' }
    const queue = (...rows: readonly string[]) =>
      given(
        `create table src.q (id serial, created_at timestamptz not null default now(), processed_at timestamptz,
           error text, dead_at timestamptz, status text)`,
        ...rows.map((row) => `insert into src.q (created_at, processed_at, error, dead_at) ${row}`),
      )

    it('is empty when it is', async () => {
      await queue()
      const { readings, position } = await run(outbox, aim, db)
      expect(readings).toEqual({
        pending_records: 0,
        oldest_pending_seconds: 0,
        processed_records: 0,
        failed_records: 0,
        dead_letters: 0,
        oldest_dead_letter_seconds: 0,
      })
      expect(position).toMatchObject({ records: 0n, exact: { seconds: 0 } })
    })

    it('tells what waits, what failed and what was given up', async () => {
      await queue(
        `select now() - interval '1 h', now(), null, null from generate_series(1, 90)`,
        `select now() - interval '2 h', now() - interval '1 h', null, null from generate_series(1, 500)`,
        `select now() - interval '5 min', null, 'timed out', null from generate_series(1, 6)`,
        `select now() - interval '3 min', null, '', null from generate_series(1, 2)`,
        `select now() - interval '3 d', null, 'rejected', now() - interval '2 d' from generate_series(1, 3)`,
        `select now() - interval '1 h', null, 'rejected', now() from generate_series(1, 4)`,
      )
      const { readings, position } = await run(outbox, aim, db)
      expect(readings).toMatchObject({
        pending_records: 8,
        processed_records: 90,
        failed_records: 10,
        error_ratio: 0.1,
        dead_letters: 7,
      })
      expect(readings.oldest_pending_seconds).toBeGreaterThanOrEqual(300)
      expect(readings.oldest_pending_seconds).toBeLessThan(320)
      expect(readings.oldest_dead_letter_seconds).toBeGreaterThanOrEqual(172_800)
      expect(position).toMatchObject({ records: 8n, exact: { method: 'record_timestamp' } })
      expect(position?.exact?.seconds).toBeGreaterThanOrEqual(300)
    })

    it('tells no error ratio of a few, unless none failed', async () => {
      await queue(`select now(), now(), null, null`, `select now(), null, 'timed out', null`)
      expect((await run(outbox, aim, db)).readings).not.toHaveProperty('error_ratio')
      expect((await run(outbox, { ...aim, minimum: 2 }, db)).readings).toMatchObject({ error_ratio: 0.5 })
      await given(`update src.q set error = null`)
      expect((await run(outbox, aim, db)).readings).toMatchObject({ error_ratio: 0 })
    })

    it('tells nothing of failures where no column holds them', async () => {
      await queue(`select now(), null, 'timed out', null`)
      const { readings } = await run(outbox, { table: 'crm.src.q' }, db)
      expect(Object.keys(readings)).toEqual(['pending_records', 'oldest_pending_seconds', 'processed_records'])
    })

    it('reads a status column just as well', async () => {
      await queue(`select now() - interval '1 min', null, null, null from generate_series(1, 10)`)
      await given(
        `update src.q set status = case when id <= 4 then 'sent' when id <= 6 then 'retry' when id = 7 then 'dlq' end`,
      )
      const status = { processed: ['sent'], failed: ['retry'], dead: ['dlq'] }
      const { readings } = await run(outbox, { table: 'crm.src.q', status, changed: 'created_at', minimum: 1 }, db)
      expect(readings).toMatchObject({
        pending_records: 5,
        processed_records: 4,
        failed_records: 3,
        error_ratio: 3 / 7,
        dead_letters: 1,
      })
    })

    it('reads flags that are booleans', async () => {
      await queue(`select now(), null, null, null from generate_series(1, 3)`)
      await given(`alter table src.q add dead boolean`, `update src.q set dead = id = 1`)
      const { readings } = await run(outbox, { table: 'crm.src.q', dead: 'dead' }, db)
      expect(readings).toMatchObject({ pending_records: 2, dead_letters: 1 })
    })
  })

  describe('sql', () => {
    const metrics = { open_orders: { help: 'Orders not yet sent.', unit: 'records' as const, column: 'n' } }
    const ask = (query: string, more = metrics) =>
      run(sqlProbe, { connection: 'crm', query, metrics: more } as never, db)

    it('reads the columns of one row', async () => {
      const query = `select count(*) as n, 1.5::numeric as a, true as b, null::int as c from generate_series(1, 7) -- all`
      const more = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, { help: name, unit: 'ratio' as const }]))
      const { readings } = await ask(query, { ...metrics, ...more })
      expect(readings).toEqual({ open_orders: 7, a: 1.5, b: 1 })
    })

    it('declares what its target names', () => {
      const aim = sqlProbe.target.parse({ connection: 'crm', query: 'select 1 as n', metrics })
      expect(sqlProbe.declares?.(aim)).toEqual({ open_orders: { help: 'Orders not yet sent.', unit: 'records' } })
    })

    it.each([
      ['no row', 'select 1 as n where false', 'crm: the query answered no row.'],
      ['several rows', 'select n from generate_series(1, 3) n', 'crm: the query answered more than one row.'],
      ['another column', 'select 1 as m', 'crm: the answer of the query has no column "n".'],
      ['a text', `select 'hunter2' as n`, 'crm: column n of the answer is not a number.'],
      ['not a number', `select 'NaN'::float8 as n`, 'crm: column n of the answer is not a number.'],
      ['infinity', `select 'Infinity'::float8 as n`, 'crm: column n of the answer is not a number.'],
    ])('refuses %s', async (_, query, message) => {
      expect((await fault(ask(query))).message).toBe(message)
    })

    it.each([
      ['a statement that writes', `delete from src.t returning 1 as n`],
      ['a function that writes', `select src.write() as n`],
      ['a second statement', `select 1 as n; delete from src.t`],
      ['one that ends the transaction first', `select 1 as n) as x; commit; delete from src.t; select (1`],
      ['a setting that would let it write', `select set_config('transaction_read_only', 'off', false)::int as n`],
    ])('runs nothing of %s', async (_, query) => {
      await given(
        `create table src.t as select 1 as a`,
        `create function src.write() returns int language sql volatile as 'delete from src.t returning 1'`,
      )
      expect((await fault(ask(query))).code).toBe('system_error')
      expect(await admin`select count(*)::int as n from src.t`).toEqual([{ n: 1 }])
      // The connection is as good as before.
      expect((await ask('select 2 as n')).readings).toEqual({ open_orders: 2 })
    })
  })
})

describe('the least privileges', () => {
  const aims = [
    [tableLag, { source: 'crm.src.t', target: 'crm.src.t', column: 'at' }, ['at']],
    [completeness, { source: 'crm.src.t', target: 'crm.src.t', column: 'at' }, ['at']],
    [duplicates, { table: 'crm.src.t', key: ['id'], column: 'at' }, ['at', 'id']],
    [outbox, { table: 'crm.src.t', created: 'at', processed: 'done' }, ['at', 'done']],
    [
      sqlProbe,
      { connection: 'crm', query: 'select count(at) as n from src.t', metrics: { n: { help: 'n', unit: 'records' } } },
      ['at'],
    ],
  ] as unknown as [Probe, Record<string, unknown>, string[]][]

  it.each(aims.map(([probe, aim, columns]) => [probe.name, probe, aim, columns] as const))(
    'that the docs of %s list are enough, and one less is told',
    async (_, probe, aim, columns) => {
      const server = await postgresServer()
      const database = await server.createDatabase('grants')
      const admin = postgres(database.url, { max: 1, onnotice() {} })
      const login = `${database.name}_login`
      const url = Object.assign(new URL(database.url), { username: login, password: 'hunter2' }).href
      const db = openPostgres({ name: 'crm', url })
      try {
        await admin.unsafe(
          `create schema src; create table src.t (id int, at timestamptz, done timestamptz, secret text)`,
        )
        await admin.unsafe(
          `insert into src.t values (1, now(), now(), 'x'); create role "${login}" login password 'hunter2'`,
        )
        const denied = await run(probe, aim, db).catch((cause: unknown) => cause)
        expect(denied).toMatchObject({ code: 'system_permission' })
        expect(String(denied)).not.toContain('hunter2')

        const column = columns.join(', ')
        await admin.unsafe(
          probe.grants
            .replaceAll('<schema>', 'src')
            .replaceAll('<table>', 't')
            .replaceAll('<column>, <key>', column)
            .replaceAll('<column>', column)
            .replaceAll('<login>', `"${login}"`),
        )
        await run(probe, aim, db)
      } finally {
        await db.close()
        await admin.unsafe(`drop owned by "${login}"; drop role "${login}"`).catch(() => {})
        await admin.end()
        await database.drop()
      }
    },
  )
})
