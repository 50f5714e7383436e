import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { compare, inWords, twoCopies, withoutNativeHash, type TwoCopies } from './two-copies.ts'

let copies: TwoCopies
beforeAll(async () => {
  copies = await twoCopies()
})
beforeEach(async () => {
  await both('drop table if exists t cascade; drop type if exists mood')
})
afterAll(() => copies.drop())

const sides = () => ({ source: copies.source.side, target: copies.target.side })

async function both(statements: string) {
  await Promise.all([copies.source.sql.unsafe(statements), copies.target.sql.unsafe(statements)])
}

/** What was found, in no order, and the exact counts it was told with. */
async function found(...asked: Parameters<typeof compare> extends [unknown, ...infer Rest] ? Partial<Rest> : never) {
  const { items, verdict, differences, rows } = await compare(sides(), asked[0] ?? 't', asked[1], asked[2])
  return { words: items.map(inWords).toSorted(), verdict, differences, rows }
}

describe('an integer key', () => {
  it('may be absent on either side, or on both', async () => {
    await both('create table t (id bigint primary key, a text)')
    expect(await found()).toEqual({
      words: [],
      verdict: 'match',
      differences: { missing: 0, extra: 0, changed: 0 },
      rows: { source: 0, target: 0 },
    })
    await copies.source.sql`insert into t values (5, 'x')`
    expect((await found()).words).toEqual(['missing 5'])
    await copies.source.sql`delete from t`
    await copies.target.sql`insert into t values (-5, 'x')`
    expect((await found()).words).toEqual(['extra -5'])
  })

  it('reaches from the smallest to the largest there is', async () => {
    const [min, max] = ['-9223372036854775808', '9223372036854775807']
    await both(`create table t (id bigint primary key, a text);
      insert into t values (${min}, 'x'), (-1, 'x'), (0, 'x'), (1, 'x'), (${max}, 'x')`)
    expect((await found()).verdict).toBe('match')
    await copies.target.sql.unsafe(`update t set a = 'y' where id in (${min}, 0, ${max})`)
    expect((await found()).words).toEqual([`changed ${min} a`, 'changed 0 a', `changed ${max} a`].toSorted())
    await copies.target.sql.unsafe(`delete from t where id in (${min}, ${max})`)
    expect((await found()).words).toEqual([`missing ${min}`, 'changed 0 a', `missing ${max}`].toSorted())
  })

  it('tells neighbours apart where a double cannot', async () => {
    await copies.source
      .sql`create table t as select 9007199254740992 + i as id, 'x' as a from generate_series(0, 999) i`
    await copies.target
      .sql`create table t as select 9007199254740992 + i as id, 'x' as a from generate_series(1, 1000) i`
    expect((await found('t', { key: ['id'] })).words).toEqual(['extra 9007199254741992', 'missing 9007199254740992'])
  })

  it('is covered beyond what the other side has', async () => {
    await copies.source.sql`create table t as select i as id, 'x' as a from generate_series(-3000, 1000) i`
    await copies.target.sql`create table t as select i as id, 'x' as a from generate_series(-1000, 3000) i`
    const { differences, rows } = await found('t', { key: ['id'] })
    expect(differences).toEqual({ missing: 2000, extra: 2000, changed: 0 })
    expect(rows).toEqual({ source: 4001, target: 4001 })
    const turned = { source: copies.target.side, target: copies.source.side }
    expect(await compare(turned, 't', { key: ['id'] })).toMatchObject({ differences, rows })
  })

  it('loses no row at the edge of a bucket or a slice', async () => {
    await both(
      `create table t (id int primary key, a int); insert into t select i, i from generate_series(1, 2000) i; analyze t`,
    )
    for (let edge = 1; edge <= 2000; edge += 111) {
      await copies.target.sql`update t set a = a + 1 where id in (${edge}, ${edge + 1})`
      expect((await found()).words).toEqual([`changed ${edge} a`, `changed ${edge + 1} a`])
      await copies.target.sql`update t set a = id where a <> id`
    }
  })

  it('may crowd into a corner of a huge range', async () => {
    await both(`create table t (id bigint primary key, a text);
      insert into t select i, 'x' from generate_series(1, 20000) i;
      insert into t values (-4611686018427387904, 'x'), (4611686018427387904, 'x'); analyze t`)
    await copies.target.sql`update t set a = 'y' where id in (7, 19999, 4611686018427387904)`
    expect((await found()).words).toEqual(['changed 19999 a', 'changed 4611686018427387904 a', 'changed 7 a'])
  })

  it('needs no statistics, and survives wrong ones', async () => {
    const changed = ['changed 17 a']
    await both(`create table t (id bigint primary key, a text); insert into t values (1, 'x'); analyze t;
      insert into t select i, 'x' from generate_series(2, 30000) i`)
    await copies.target.sql`update t set a = 'y' where id = 17`
    expect((await found()).words).toEqual(changed)
    await both("update pg_class set reltuples = 1e9, relpages = 1 where oid = 't'::regclass")
    expect((await found()).words).toEqual(changed)
    await both("update pg_class set reltuples = -1, relpages = 0 where oid = 't'::regclass")
    expect((await found()).words).toEqual(changed)
  })

  it('needs no index on either side', async () => {
    await copies.source.sql`create table t (id int primary key, a text)`
    await copies.target.sql`create table t (id int, a text)`
    await both(`insert into t select i, 'x' from generate_series(1, 3000) i`)
    await copies.target.sql`update t set a = 'y' where id in (1, 1500)`
    await copies.target.sql`insert into t values (1500, 'x')`
    expect((await found()).words).toEqual(['changed 1 a', 'extra 1500'])
  })

  it('is not walked through a large table whose rows lie in another order', async () => {
    await both(`create table t (id int primary key, a text);
      insert into t select i, repeat('x', 1900) || i from (select i from generate_series(1, 45000) i order by md5(i::text)) s; analyze t`)
    const { scattered, ordered } = await copies.source.side.describe({
      connection: 'source',
      schema: 'public',
      table: 't',
    })
    expect({ scattered: scattered.includes('id'), ordered }).toEqual({ scattered: true, ordered: ['id'] })
    await copies.target.sql`update t set a = 'y' where id in (1, 44999)`
    const { items, plan } = await compare(sides(), 't')
    expect(items.map(inWords)).toEqual(['changed 1 a', 'changed 44999 a'])
    expect(plan.source).toMatchObject({ ordered: true, walked: false })
  })

  it('is followed into the parts of a partitioned table, and through a view', async () => {
    await copies.source.sql.unsafe(`create table t (id int primary key, a text) partition by range (id);
      create table t_low partition of t for values from (0) to (1000); create table t_high partition of t default;
      insert into t select i, 'x' from generate_series(1, 2500) i`)
    await copies.target.sql.unsafe(`create table base (id int, a text);
      insert into base select i, 'x' from generate_series(2, 2500) i; create view t as select * from base`)
    expect((await found('t', { key: ['id'] })).words).toEqual(['missing 1'])
    await copies.target.sql`drop view t`
  })
})

describe('any other key', () => {
  const changes = [
    {
      title: 'text under two collations',
      type: 'text collate "C"',
      target: 'text collate "und-x-icu"',
      key: `'Key ' || i || case when i % 2 = 0 then 'é' else 'Z' end`,
    },
    {
      title: 'text that a collation takes for equal',
      type: 'text',
      target: 'text',
      key: `(array['a', 'A', 'á', 'a '])[1 + i % 4] || i / 4`,
    },
    { title: 'uuid', type: 'uuid', target: 'uuid', key: 'md5(i::text)::uuid' },
    { title: 'numeric', type: 'numeric', target: 'numeric(20,4)', key: 'i / 8.0' },
    { title: 'a number that is an integer elsewhere', type: 'numeric', target: 'int', key: 'i - 900' },
    {
      title: 'an instant',
      type: 'timestamptz',
      target: 'timestamp',
      key: `timestamptz '2024-01-01+00' + i * interval '1.000001 s'`,
    },
    { title: 'a day', type: 'date', target: 'date', key: `date '1970-01-01' + i` },
    { title: 'padded text', type: 'char(12)', target: 'varchar(12)', key: `'k' || i` },
    { title: 'bytes', type: 'bytea', target: 'bytea', key: `decode(md5(i::text), 'hex')` },
    { title: 'floats', type: 'float8', target: 'float8', key: 'i / 3.0' },
  ]

  it.each(changes)('may be $title', async ({ type, target, key }) => {
    const fill = `insert into t select ${key}, i, 'x' from generate_series(1, 2000) i`
    await copies.source.sql.unsafe(`create table t (k ${type} primary key, n int, a text); ${fill}`)
    await copies.target.sql.unsafe(`create table t (k ${target} primary key, n int, a text); ${fill}`)
    expect(await found()).toMatchObject({ words: [], verdict: 'match', rows: { source: 2000, target: 2000 } })

    await copies.target.sql`update t set a = 'y' where n in (3, 1777)`
    await copies.target.sql`delete from t where n = 55`
    await copies.source.sql`delete from t where n = 56`
    for (const asked of [sides(), { ...sides(), source: withoutNativeHash(copies.source.side) }]) {
      const { items, differences } = await compare(asked, 't')
      expect(differences).toEqual({ missing: 1, extra: 1, changed: 2 })
      const told = items.map(({ kind, source, target: theirs }) => `${kind} ${(source ?? theirs)!.n}`)
      expect(told.toSorted()).toEqual(['changed 1777', 'changed 3', 'extra 56', 'missing 55'])
    }
  })

  it('keeps apart what a collation takes for one', async () => {
    await both(`drop collation if exists any_case;
      create collation any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      create table t (k text collate any_case primary key, a text)`)
    await copies.source.sql`insert into t values ('Ada', 'x'), ('bob', 'x')`
    await copies.target.sql`insert into t values ('ada', 'x'), ('bob', 'X')`
    expect((await found()).words).toEqual(['changed bob a', 'extra ada', 'missing Ada'])
  })

  it('may be made of several columns, an enum among them', async () => {
    await both(`create type mood as enum ('ok', 'sad');
      create table t (a int, b text, m mood, v text, primary key (a, b, m));
      insert into t select i / 10, 'b' || i % 10, case when i % 3 = 0 then 'ok' else 'sad' end::mood, 'x' from generate_series(1, 3000) i`)
    await copies.target.sql`update t set v = 'y' where a = 7 and b = 'b1'`
    await copies.target.sql`update t set b = 'b,1' where a = 8 and b = 'b1'`
    expect((await found()).words).toEqual(['changed 7|b1|sad v', 'extra 8|b,1|ok', 'missing 8|b1|ok'])
  })
})

describe('a request that does not fit', () => {
  const told = async (...asked: Parameters<typeof found>) =>
    found(...asked).then(
      () => expect.unreachable(),
      (fault: { code: string; message: string; hint: string }) => [fault.code, fault.message, fault.hint],
    )

  it('names the tables there are', async () => {
    await both('create table t (id int primary key)')
    expect(await told('T')).toEqual(['thing_missing', 'There is no table source.public.T.', 'source has public.t.'])
  })

  it('names the columns there are', async () => {
    await both('create table t (id int primary key, a text)')
    expect(await told('t', { key: ['nr'] })).toEqual([
      'thing_missing',
      'source.public.t has no column nr.',
      'It has id, a.',
    ])
    expect(await told('t', { map: { a: 'b' } })).toEqual([
      'thing_missing',
      'target.public.t has no column b.',
      'It has id, a.',
    ])
  })

  it('refuses rows without a key', async () => {
    await both('create table t (id int, a text)')
    await copies.target.sql`insert into t values (null, 'x'), (1, 'x')`
    expect(await told('t', { key: ['id'] })).toEqual([
      'usage',
      '1 rows of target.public.t have no value in their key (id).',
      'Name a key that every row has, or leave those rows out with where.',
    ])
    const where = 'id is not null -- the others are drafts'
    expect((await found('t', { key: ['id'], where: { source: where, target: where } })).words).toEqual(['extra 1'])
  })

  it('names what is left out and what is compared in a special way', async () => {
    await copies.source
      .sql`create table t (id int primary key, a text, b timestamptz, c int, only_here int, skipped int)`
    await copies.target
      .sql`create table t (id int primary key, a uuid, b timestamp, c numeric, only_there int, skipped int)`
    const { plan } = await compare(sides(), 't', { exclude: ['skipped'] })
    expect(plan.notes).toEqual([
      'Not compared, because the target has no such column: only_here.',
      'Not compared, because the pair leaves them out: skipped.',
      'Columns of the target that nothing is compared with: only_there, skipped.',
      'a: text and uuid are compared as identifiers, in any case.',
      'b: timestamp with time zone and timestamp without time zone are compared in UTC.',
      'c: integer and numeric are compared as numbers.',
    ])
  })
})

describe('a limit on what is shown', () => {
  it('never changes what is counted', async () => {
    await both(`create table t (id int primary key, a int); insert into t select i, i from generate_series(1, 5000) i`)
    await copies.target.sql`update t set a = 0 where id % 2 = 0`
    await copies.target.sql`delete from t where id % 5 = 0`
    const { items, differences, matchRatio } = await compare(sides(), 't', {}, 7)
    expect(differences).toEqual({ missing: 1000, extra: 0, changed: 2000 })
    expect(matchRatio).toBe(0.4)
    expect(items.length).toBe(7)
  })
})
