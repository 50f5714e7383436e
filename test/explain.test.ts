import { mkdtemp, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { explain } from '../server/reconcile/explain.ts'
import { pairSchema } from '../server/reconcile/pair.ts'
import type { Matching } from '../server/reconcile/plan.ts'
import { mariadbPlace, postgresPlace, type OwnPlace } from './places.ts'
import { runTallyman } from './services/tallyman.ts'
import { run, twoCopies, type TwoCopies } from './two-copies.ts'

let copies: TwoCopies
/** Every row is in the sample, so that the first key is known whatever the draw. */
const analyzed = 'set default_statistics_target = 1000; analyze'

beforeAll(async () => {
  copies = await twoCopies('explain')
  await copies.source.sql.unsafe(`
    create table t (id bigint primary key, email text, born date);
    insert into t select i * 10, 'u' || i, date '1990-01-01' + i % 9000 from generate_series(1, 60000) i;
    create table heap as select * from t;
    create table small as select * from t limit 100;
    create table named (name text primary key, a int); insert into named select 'n' || i, i from generate_series(1, 9000) i;
    create table parted (id int primary key, a int) partition by range (id);
    create table parted_low partition of parted for values from (0) to (30000);
    create table parted_high partition of parted for values from (30000) to (90000);
    insert into parted select i, i from generate_series(1, 60000) i;
    create table nullable (id int unique, a int); insert into nullable select i, i from generate_series(1, 9) i;
    create table fresh (id int primary key, a int);
    ${analyzed}`)
  await copies.target.sql.unsafe(`
    create table t (id bigint primary key, email_address text, born date, extra int);
    insert into t select i * 10, 'u' || i, date '1990-01-01' + i % 9000 from generate_series(1, 60000) i;
    create table heap (id bigint, email text, born date); insert into heap select id, email_address, born from t;
    create table small as select id, email_address as email, born from t limit 100;
    create table named (name text primary key, a int); insert into named select 'n' || i, i from generate_series(1, 9000) i;
    create table parted (id int primary key, a int); insert into parted select i, i from generate_series(1, 60000) i;
    create table nullable (id int unique, a int); insert into nullable select i, i from generate_series(1, 9) i;
    create table fresh (id int primary key, a int);
    ${analyzed}`)
}, 60_000)
afterAll(() => copies.drop())

const slicing = { targetMs: 1_000, rowsMax: 10_000 }
const explained = (table: string, matching: Partial<Matching> = {}) =>
  explain({
    source: copies.source.side,
    target: copies.target.side,
    tables: {
      source: { connection: 'source', schema: 'public', table },
      target: { connection: 'target', schema: 'public', table },
    },
    matching: { map: {}, exclude: [], where: {}, ...matching },
    slicing,
    signal: new AbortController().signal,
  })

describe('an explanation', () => {
  it('tells the plan, the slices, and what the engine expects of the first', async () => {
    const told = await explained('t', { key: ['id'], map: { email: 'email_address' } })
    expect(told).toMatchObject({ boundsKnown: true, scans: [], first: { kind: 'range', from: 10n } })
    expect(told.slices).toBeGreaterThan(3)
    expect(told.slices).toBeLessThan(9)
    expect(told.plan.notes).toEqual(['Columns of the target that nothing is compared with: extra.'])
    for (const side of [told.explained.source, told.explained.target]) {
      expect(side.scans).toBe(false)
      expect(side.cost).toBeGreaterThan(0)
      expect(side.rows).toBeGreaterThan(1_000)
      expect(side.rows).toBeLessThan(20_000)
      expect(side.statement).toMatch(/^select /)
    }
    expect(told.explained.target.statement).toContain('email_address')
  })

  it('reads no row of either table', async () => {
    // Each session keeps its counts to itself for a while: all of them are asked at once to hand them in.
    const handIn = 'select pg_stat_force_next_flush(), pg_sleep(0.1)'
    const reads = async () => {
      const asked = `select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int as rows from pg_stat_user_tables`
      const both = [copies.source, copies.target]
      const sessions = [1, 2, 3, 4]
      await Promise.all(both.flatMap(({ sql }) => sessions.map(() => sql.unsafe(handIn))))
      await Promise.all(both.flatMap(({ client }) => sessions.map(() => client.ask(handIn))))
      return [await copies.source.sql.unsafe(asked), await copies.target.sql.unsafe(asked)].map(([row]) => row!.rows)
    }
    const before = await reads()
    await explained('t', { key: ['id'] })
    await explained('heap', { key: ['id'] })
    await explained('nullable', { key: ['id'] })
    await explained('named', { key: ['name'] })
    expect(await reads()).toEqual(before)
  })

  it('refuses a key without an index in a table of many slices', async () => {
    const { scans, explained: sides } = await explained('heap', { key: ['id'] })
    expect(sides.source.scans && sides.target.scans).toBe(true)
    expect(scans.map(({ code, message, hint }) => [code, message, hint])).toEqual(
      ['source', 'target'].map((side) => [
        'usage',
        `The ${side} would read all of ${side}.public.heap for each slice: no index begins with id.`,
        'Create an index that begins with id, or name another key.',
      ]),
    )
  })

  it('refuses a condition that makes each slice read the whole table', async () => {
    const where = 'id > (select avg(id) from t) - 1e12'
    const { scans } = await explained('t', { key: ['id'], where: { source: where } })
    expect(scans.map(({ message, hint }) => [message, hint])).toEqual([
      [
        `The source would read all of source.public.t for each slice: with where ${where} its engine does not use the index on id.`,
        'Write the condition so that a range of id still answers it, or index id together with it.',
      ],
    ])
    expect((await explained('t', { key: ['id'], where: { source: 'id % 7 > 0' } })).scans).toEqual([])
  })

  it('looks through a view', async () => {
    for (const { sql } of [copies.source, copies.target]) {
      await sql.unsafe('create or replace view plain as select id, born from t where id > 5')
      await sql.unsafe('create or replace view walled as select id, born from t offset 0')
    }
    expect((await explained('plain', { key: ['id'] })).explained.source.scans).toBe(false)
    expect((await explained('walled', { key: ['id'] })).explained.source.scans).toBe(true)
  })

  it('does not mind that a small table is read whole', async () => {
    const { scans, slices, explained: sides } = await explained('small', { key: ['id'] })
    expect(slices).toBe(1)
    expect(sides.source.scans).toBe(true)
    expect(scans).toEqual([])
  })

  it('knows the partitions of a table for parts of it', async () => {
    const { scans, explained: sides } = await explained('parted', { key: ['id'] })
    expect(scans).toEqual([])
    expect(sides.source).toMatchObject({ scans: false })
    expect(sides.source.rows).toBeGreaterThan(1_000)
  })

  it('says of a key that is no integer that its table is scanned, and refuses nothing', async () => {
    const { plan, scans, explained: sides } = await explained('named', { key: ['name'] })
    expect(plan.strategy).toBe('hash')
    expect(sides.source.scans).toBe(true)
    expect(scans).toEqual([])
  })

  it('makes bounds up, and says so, where there are no statistics', async () => {
    expect(await explained('fresh')).toMatchObject({ boundsKnown: false, slices: 1, first: { from: 1n } })
  })
})

describe('a run', () => {
  const pair = (table: string) => ({
    source: { table: `source.${table}` },
    target: { table: `target.${table}` },
    key: ['id'],
    slice: { target: '1s', rows: 10_000 },
  })

  it('notes that an engine scans the whole table for each slice', async () => {
    const { result } = await run(copies, pair('heap'))
    expect(result.notes).toContain(
      'The source would read all of source.public.heap for each slice: no index begins with id. ' +
        'Create an index that begins with id, or name another key.',
    )
    expect(result.verdict).toBe('match')
  })

  it('notes nothing where an index is used, or the table is one slice', async () => {
    for (const table of ['t', 'small']) {
      const { result } = await run(copies, pair(table))
      expect(result.notes.filter((note) => note.includes('would read all'))).toEqual([])
    }
  })
})

describe('--explain of tallyman diff', () => {
  const diff = (...flags: string[]) =>
    runTallyman(['diff', 'env:SOURCE_URL', 'env:TARGET_URL', ...flags, '--explain'], {
      SOURCE_URL: copies.source.url,
      TARGET_URL: copies.target.url,
    })

  it('prints the plan and the statements, and exits 0', async () => {
    const { code, stdout, stderr } = await diff('--table', 't', '--key', 'id', '--columns', 'email=email_address')
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(stdout).toContain('source.public.t → target.public.t, about 60000 rows\nkey: id (integer)\n')
    expect(stdout).toContain('  email = email_address  text\n')
    expect(stdout).toContain('note: Not compared, because the pair leaves them out: born.\n')
    expect(stdout).toMatch(/\nsource: estimated cost [\d.]+, about \d+ rows read\nselect /)
  })

  it('prints one JSON object', async () => {
    const { code, stdout } = await diff('--table', 't', '--key', 'id', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      tables: { source: 'source.public.t', target: 'target.public.t' },
      strategy: 'range',
      method: 'native',
      key: [{ source: 'id', target: 'id', class: 'integer' }],
      firstSlice: { from: '10', boundsKnown: true },
      source: { scans: false },
      refused: [],
    })
  })
})

describe('--explain of tallyman reconcile', () => {
  const config = async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'tallyman-explain-')), 'tallyman.yaml')
    const pair = (table: string) => `
      - { id: ${table}, source: { table: source.public.${table} }, target: { table: target.public.${table} }, key: [id],
          exclude: [born], slice: { rows: 10000 } }`
    await writeFile(
      file,
      `
connections:
  source: { url: '${copies.source.url}' }
  target: { url: '${copies.target.url}' }
pipelines:
  p:
    title: P
    pattern: batch
    tier: reference
    owner: team
    pairs:${pair('heap')}${pair('parted').replace('exclude: [born],', '')}
`,
    )
    return file
  }

  it('exits 2 where an engine would scan the whole table for a part of it, having said what it would ask', async () => {
    const { code, stdout, stderr } = await runTallyman(['reconcile', 'heap', '--config', await config(), '--explain'])
    expect(stderr).toContain(
      'The source would read all of source.public.heap for each slice: no index begins with id.\n' +
        'Create an index that begins with id, or name another key.\n',
    )
    expect(stdout).toContain('the whole table is scanned\nselect ')
    expect(code).toBe(2)
  })

  it('exits 0 where ranges are read by an index, and opens no store', async () => {
    const file = await config()
    const { code, stdout, stderr } = await runTallyman(['reconcile', 'parted', '--config', file, '--explain', '--json'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(stdout)).toMatchObject({ strategy: 'range', source: { scans: false }, refused: [] })
    await expect(stat(join(dirname(file), '.tallyman'))).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe.each([
  {
    engine: 'PostgreSQL',
    open: postgresPlace,
    fill: [
      'create table t (id int primary key, a int, at timestamp not null, n int not null, maybe timestamp)',
      `insert into t select i, i, timestamp '2025-01-01' + i * interval '1 min', i from generate_series(1, 60000) i`,
      'create table small as select * from t limit 100',
      'create table pile as select a, at from t',
      'create index on t (at, n)',
      'create view seen as select id, a, at, n from t',
      'create view newest as select id, a, max(at) as at from t group by id',
      'analyze',
    ],
  },
  {
    engine: 'MariaDB',
    open: mariadbPlace,
    fill: [
      'create table t (id int primary key, a int, at datetime(6) not null, n int not null, maybe datetime, index (at, n))',
      `insert into t select seq, seq, '2025-01-01' + interval seq minute, seq, null from seq_1_to_60000`,
      'create table small as select * from t limit 100',
      'create table pile as select a, at from t',
      'create view seen as select id, a, at, n from t',
      'create view newest as select id, a, max(at) as at from t group by id',
      'analyze table t, small, pile',
    ],
  },
])('an explanation of an incremental run on $engine', ({ open, fill }) => {
  let place: OwnPlace
  let schema: string
  beforeAll(async () => {
    place = await open('source')
    await place.run(fill)
    schema = place.engine === 'mysql' ? new URL(place.url).pathname.slice(1) : 'public'
  }, 60_000)
  afterAll(() => place.drop())

  interface Asked {
    readonly key?: string[]
    readonly overlap?: number
    readonly target?: string
  }
  const explained = (table: string, column: string, { key, overlap, target = table }: Asked = {}) => {
    const spec = pairSchema.parse({
      id: 'pair',
      ...{ source: { table: `source.${table}` }, target: { table: `target.${target}` }, key },
      incremental: { column, overlap },
    })
    return explain({
      ...{ source: place.side, target: place.side },
      tables: { source: spec.source.table, target: spec.target.table },
      matching: { key, map: {}, exclude: [], where: {} },
      ...{ slicing, incremental: spec, signal: new AbortController().signal },
    })
  }
  /** Of what is refused, what is about finding changes: how ranges of a view are read is another matter. */
  const lately = async (...asked: Parameters<typeof explained>) =>
    (await explained(...asked)).scans.map(({ message }) => message).filter((message) => message.includes('lately'))
  const key = ['id']

  it('refuses a column that no index begins with, on each side', async () => {
    const { scans } = await explained('t', 'n', { key, overlap: 5 })
    expect(scans.map(({ code, message, hint }) => [code, message, hint])).toEqual(
      ['source', 'target'].map((side) => [
        'usage',
        `The ${side} would read all of ${side}.${schema}.t to find what was written lately: no index begins with n.`,
        'Create an index that begins with n, or ask for another mode.',
      ]),
    )
  })

  it('refuses nothing where an index begins with it, seen through a view too', async () => {
    expect((await explained('t', 'at', { key })).scans).toEqual([])
    expect(await lately('seen', 'at', { key, target: 't' })).toEqual([])
    expect(await lately('seen', 'n', { key, overlap: 5, target: 't' })).toHaveLength(2)
  })

  it('refuses a view that computes it', async () => {
    expect(await lately('newest', 'at', { key, target: 't' })).toEqual([
      `The source would read all of source.${schema}.newest to find what was written lately: no index begins with at.`,
    ])
  })

  it('does not mind a small table, nor one without a key, which is compared in full', async () => {
    expect((await explained('small', 'n', { key, overlap: 5 })).scans).toEqual([])
    expect((await explained('pile', 'at')).scans).toEqual([])
  })

  it('notes what makes such a run slow or blind', async () => {
    const { notes } = await explained('t', 'maybe', { key })
    expect(notes).toEqual(
      ['source', 'target'].flatMap((side) => [
        `maybe of ${side}.${schema}.t has no index: what was written lately costs a scan to find.`,
        `maybe of ${side}.${schema}.t may be NULL: rows without it are compared in every incremental run.`,
      ]),
    )
  })

  it('is what tallyman reconcile prints in that mode alone, exiting 2', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'tallyman-explain-')), 'tallyman.yaml')
    await writeFile(
      file,
      `
connections: { source: { url: '${place.url}' }, target: { url: '${place.url}' } }
pipelines:
  p:
    title: P
    pattern: batch
    tier: reference
    owner: team
    pairs:
      - { id: t, source: { table: source.t }, target: { table: target.t }, slice: { rows: 10000 },
          incremental: { column: n, overlap: 5 } }
      - { id: plain, source: { table: source.t }, target: { table: target.t }, slice: { rows: 10000 } }
`,
    )
    const reconcile = (...more: string[]) =>
      runTallyman(['reconcile', '--config', file, '--explain', '--json', ...more], {})
    const incremental = await reconcile('t', '--mode', 'incremental')
    expect(incremental.code).toBe(2)
    expect(incremental.stderr).toContain('to find what was written lately: no index begins with n.\nCreate an index')
    expect(JSON.parse(incremental.stdout)).toMatchObject({ refused: [{}, {}], source: { scans: false } })
    expect(await reconcile('t')).toMatchObject({ code: 0, stderr: '' })
    const refused = await reconcile('plain', '--mode', 'incremental')
    expect(refused).toMatchObject({ code: 2, stdout: '' })
    expect(refused.stderr).toContain('plain has no column that tells what was written lately.')
  })
})
