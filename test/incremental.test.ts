import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { seededRandom } from '../server/demo/random.ts'
import { memoryJournal } from '../server/reconcile/memory-journal.ts'
import type { PairInput } from '../server/reconcile/pair.ts'
import type { RunInput } from '../server/reconcile/run.ts'
import { baseOf, before, partOf, type Base } from '../server/reconcile/scope.ts'
import type { Side } from '../server/sides/side.ts'
import type { OwnPlace } from './places.ts'
import { routes, words, type Ends } from './routes.ts'
import { inWords, run } from './two-copies.ts'

let copies: Ends
const fill = async () => {
  for (const place of [copies.source, copies.target]) {
    const { time, minutesAgo, series } = words[place.engine]
    await place.run([
      'drop table if exists t',
      `create table t (id int primary key, a varchar(40), updated_at ${time} not null)`,
      'create index t_written on t (updated_at)',
      `insert into t select i, concat('a', i), ${minutesAgo('60 * (501 - i)')} from ${series(1, 500)}`,
    ])
  }
}

/** Runs one statement, in which `now` is what its server's clock shows. */
const on = (place: OwnPlace, text: string) => place.run([text.replaceAll(/\bnow\b/g, words[place.engine].now)])
const source = (text: string) => on(copies.source, text)
const target = (text: string) => on(copies.target, text)
const nameOf = (side: 'source' | 'target') => `${side}.${copies[side].schema}.t`

const pair: Omit<PairInput, 'id'> = {
  source: { table: 'source.t' },
  target: { table: 'target.t' },
  key: ['id'],
  // Each copy stamps its own writes, so that the stamps themselves are not compared.
  exclude: ['updated_at'],
  incremental: { column: 'updated_at', overlap: '1s' },
}

type Ran = Awaited<ReturnType<typeof run>>

/** What the store remembers of a run. */
async function after({ result, journal }: Ran): Promise<Base> {
  const { planned } = (await journal.recall())!
  return baseOf(planned, result, async () => journal.kept().map(({ difference }) => difference.key))
}

const full = (spec = pair) => run(copies, spec)
const since = (base: Base | undefined, spec = pair, more: Partial<RunInput> = {}) =>
  run(copies, spec, { scope: { mode: 'incremental', base }, ...more })
const wordsOf = ({ journal }: Ran) =>
  journal
    .kept()
    .map(({ difference }) => inWords(difference))
    .toSorted()

const whyFull = ({ result }: Ran) => result.notes.filter((note) => note.startsWith('Compared in full'))

describe.each(routes)('an incremental run, $title', ({ open }) => {
  beforeAll(async () => void (copies = await open()))
  afterAll(() => copies.drop())
  beforeEach(fill)

  it('compares in full the first time, and says why', async () => {
    await target(`update t set a = 'x' where id = 7`)
    const first = await since(undefined)
    expect(first.result).toMatchObject({
      verdict: 'drift',
      coverage: { mode: 'full', share: 1 },
      rows: { source: 500 },
    })
    expect(whyFull(first)).toEqual(['Compared in full: no earlier run of this pair told how both copies stand.'])
  })

  it('looks only at what was written since, on either side, and at what differed before', async () => {
    await target(`update t set a = 'old' where id in (7, 8)`)
    const base = await after(await full())
    await source(`update t set a = 'new', updated_at = now where id between 100 and 119`)
    await target(`update t set a = 'new', updated_at = now where id between 100 and 109`)
    await target(`update t set a = 'by hand', updated_at = now where id = 300`)
    await target(`update t set a = 'a8' where id = 8`)
    const second = await since(base)
    expect(wordsOf(second)).toEqual(
      ['changed 7 a', ...Array.from({ length: 10 }, (_, at) => `changed ${110 + at} a`), 'changed 300 a'].toSorted(),
    )
    // The 23, and the newest of before: how far its time reaches is not known.
    expect(second.result).toMatchObject({
      verdict: 'drift',
      rows: { source: 24, target: 24 },
      differences: { missing: 0, extra: 0, changed: 12 },
      matchRatio: (500 - 12) / 500,
      coverage: { mode: 'incremental', share: 24 / 500, keys: 500, estimated: true },
    })
    expect(second.result.coverage.says).toMatch(
      /^22 keys written since updated_at \d{4}-\d\d-\d\d [\d:.]+ on either side, and 2 that differed before; rows deleted/,
    )
  })

  it('agrees with a full run, run after run, as long as writes touch the column and rows stay', async () => {
    const { whole, chance, pick } = seededRandom(20)
    const id = () => 1 + whole(600)
    const upsert = {
      postgres: 'on conflict (id) do update set a = excluded.a, updated_at = excluded.updated_at',
      mysql: 'on duplicate key update a = values(a), updated_at = values(updated_at)',
    }
    const write = (place: OwnPlace, key: number, text: string) =>
      on(place, `insert into t values (${key}, '${text}', now) ${upsert[place.engine]}`)
    let base = await after(await full())
    for (let round = 0; round < 25; round++) {
      for (let writes = whole(12); writes > 0; writes--) {
        const [key, text] = [id(), pick(['x', 'y', 'z'])]
        const where = chance(0.5) ? [copies.source, copies.target] : [pick([copies.source, copies.target])]
        for (const copy of where) await write(copy, key, text)
      }
      const [small, whole_] = [await since(base), await full()]
      expect(small.result.coverage.mode).toBe('incremental')
      expect([round, small.result.verdict, wordsOf(small)]).toEqual([round, whole_.result.verdict, wordsOf(whole_)])
      expect(small.result.differences).toEqual(whole_.result.differences)
      base = await after(small)
    }
    expect(base.found).toBeGreaterThan(20)
  })

  it('sees that a row which differed was deleted, on one side or on both', async () => {
    await target(`update t set a = 'old' where id in (1, 2, 3)`)
    const base = await after(await full())
    await source('delete from t where id in (1, 3)')
    await target('delete from t where id in (2, 3)')
    const second = await since(base)
    expect(wordsOf(second)).toEqual(['extra 1', 'missing 2'])
  })

  it('does not see a deletion without a trace, and says so', async () => {
    const base = await after(await full())
    await target('delete from t where id = 5')
    const second = await since(base)
    expect(second.result.verdict).toBe('match')
    expect(second.result.coverage.says).toContain(
      'rows deleted on one side, and writes that leave updated_at alone, are seen by full runs only',
    )
    expect((await full()).result.verdict).toBe('drift')
  })

  it('finds a row that was stamped before the last run and committed after it', async () => {
    const writer = await copies.source.another()
    await writer.ask('begin')
    await writer.ask(`update t set a = 'late', updated_at = ${words[copies.source.engine].now} where id = 9`)
    await source(`update t set updated_at = now where id = 10`)
    const base = await after(await full())
    await writer.ask('commit')
    await writer.end()
    expect(wordsOf(await since(base))).toEqual(['changed 9 a'])
  })

  it('sees a row that left the condition of the pair', async () => {
    const kept = { ...pair, source: { table: 'source.t', where: `a <> 'gone'` } }
    const base = await after(await full(kept))
    await source(`update t set a = 'gone', updated_at = now where id = 11`)
    expect(wordsOf(await since(base, kept))).toEqual(['extra 11'])
  })

  it('is not blinded by one row from the future', async () => {
    await source(`update t set updated_at = '9999-12-31' where id = 1`)
    const never = copies.source.engine === 'mysql' ? '9999-12-31 23:59:59.999999' : 'infinity'
    await source(`update t set updated_at = '${never}' where id = 2`)
    const base = await after(await full())
    await source(`update t set a = 'new', updated_at = now where id = 12`)
    expect(wordsOf(await since(base))).toEqual(['changed 12 a'])
  })

  it('compares rows without a time in every run', async () => {
    for (const place of [copies.source, copies.target]) {
      const nullable = { postgres: 'alter updated_at drop not null', mysql: 'modify updated_at datetime(6)' }
      await place.run([`alter table t ${nullable[place.engine]}`])
    }
    const base = await after(await full())
    await source(`update t set a = 'new', updated_at = null where id = 13`)
    const second = await since(base)
    expect(wordsOf(second)).toEqual(['changed 13 a'])
    expect(second.result.notes).toContain(
      `updated_at of ${nameOf('source')} may be NULL: rows without it are compared in every incremental run.`,
    )
  })

  it('goes by a number that grows, and by another column in the target', async () => {
    await copies.source.run(['alter table t add version bigint', 'update t set version = id - 300'])
    await copies.target.run(['alter table t add revision int not null default 5', 'create index r on t (revision)'])
    const numbered = {
      ...pair,
      exclude: ['updated_at', 'version'],
      incremental: { column: 'version', targetColumn: 'revision', overlap: 3 },
    }
    const base = await after(await full(numbered))
    await source(`update t set a = 'new', version = 201 where id = 20`)
    const second = await since(base, numbered)
    expect(wordsOf(second)).toEqual(['changed 20 a'])
    // Every row of the target has its newest number, so that all of them are looked at.
    expect(second.result.rows.target).toBe(500)
    expect(second.result.notes).toContain(
      `version of ${nameOf('source')} has no index: what was written lately costs a scan to find.`,
    )
  })

  it('goes on from what is left of it when it is interrupted', async () => {
    const base = await after(await full())
    await source(`update t set a = 'new', updated_at = now where id <= 40`)
    const stop = new AbortController()
    const failing: Side = {
      ...copies.target.side,
      hashes: async () => {
        stop.abort(new Error('killed'))
        throw new Error('killed')
      },
    }
    const journal = memoryJournal('second')
    const scope = { mode: 'incremental', base } as const
    const broken = { source: copies.source, target: { side: failing } }
    await expect(run(broken, pair, { scope, journal, signal: stop.signal })).rejects.toThrow('killed')
    await source(`update t set a = 'newer', updated_at = now where id = 41`)
    const { result } = await run(copies, pair, { scope, journal })
    expect(result).toMatchObject({ verdict: 'drift', differences: { changed: 41 }, coverage: { mode: 'incremental' } })
  })
})

describe.each(routes)('an incremental run that cannot go on from the last one, $title', ({ open }) => {
  beforeAll(async () => void (copies = await open()))
  afterAll(() => copies.drop())
  beforeEach(fill)

  const cases: readonly (readonly [string, (base: Base) => Partial<Base>, string])[] = [
    ['kept too few differences', () => ({ found: 30, kept: 10 }), 'the last verified run kept 10 of 30 differences'],
    ['noted no watermark', () => ({ watermark: undefined as never }), 'the last verified run noted no watermark'],
    [
      'went by another column',
      (base) => ({ watermark: { ...base.watermark!, source: 'made_at' } }),
      'the last verified run went by made_at and updated_at',
    ],
    [
      'compared something else',
      () => ({ fingerprint: 'x' }),
      'the tables, or what is compared of them, changed since the last run',
    ],
  ]
  it.each(cases)('compares in full where it %s', async (_, more, because) => {
    const base = await after(await full())
    await target(`update t set a = 'unseen' where id = 3`)
    const second = await since({ ...base, ...more(base) })
    expect(whyFull(second)).toEqual([`Compared in full: ${because}.`])
    expect(wordsOf(second)).toEqual(['changed 3 a'])
  })

  it('compares in full where more was written than it could look up', async () => {
    const base = await after(await full())
    const many: Side = {
      ...copies.source.side,
      changed: async (_plan, _column, _since, rowsMax) => Array.from({ length: rowsMax }, (_, at) => [String(at)]),
    }
    const second = await run({ source: { side: many }, target: copies.target }, pair, {
      scope: { mode: 'incremental', base },
    })
    expect(whyFull(second)[0]).toMatch(
      /^Compared in full: more than 200,000 keys were written, going by updated_at, since \d{4}-/,
    )
  })

  const refused: readonly (readonly [Partial<PairInput>, string, string])[] = [
    [{ incremental: { column: 'updated' } }, 'SOURCE has no column updated.', 'It has id, a, updated_at.'],
    [
      { incremental: { column: 'updated_at', targetColumn: 'synced_at' } },
      'TARGET has no column synced_at.',
      'It has id, a, updated_at.',
    ],
    [
      { incremental: { column: 'a' } },
      'a of SOURCE is TEXT: it does not tell what was written lately.',
      'Name a timestamp, or a whole number that grows over the whole table, in incremental of pair.',
    ],
    [
      { incremental: { column: 'updated_at', overlap: 5 } },
      'The overlap of pair does not go with updated_at (SOURCE TIME) and updated_at (TARGET TIME).',
      'Write a time such as 10m for timestamps, a count such as 1000 for whole numbers.',
    ],
    [
      { incremental: undefined },
      'pair has no column that tells what was written lately.',
      'Name one in incremental.column of the pair.',
    ],
  ]
  it.each(refused)('refuses what its config cannot mean: %j', async (more, message, hint) => {
    const time = { postgres: 'timestamp with time zone', mysql: 'datetime(6)' }
    const said = message
      .replace('SOURCE TIME', time[copies.source.engine])
      .replace('TARGET TIME', time[copies.target.engine])
      .replace('SOURCE', nameOf('source'))
      .replace('TARGET', nameOf('target'))
      .replace('TEXT', { postgres: 'character varying(40)', mysql: 'varchar(40)' }[copies.source.engine])
    await expect(since(undefined, { ...pair, ...more })).rejects.toMatchObject({ message: said, hint })
  })
})

describe('a watermark', () => {
  it.each([
    ['2026-03-01 00:00:00.000001', { ms: 1 }, '2026-02-28 23:59:59.999001'],
    ['1970-01-01 00:00:00.000000', { ms: 0.001 }, '1969-12-31 23:59:59.999999'],
    ['2026-03-01 00:00:00.500000', { ms: 0 }, '2026-03-01 00:00:00.500000'],
    ['0001-01-01 00:00:00.000000', { ms: 1 }, null],
    ['9999-12-31 23:59:59.999999', { ms: 86_400_000 }, '9999-12-30 23:59:59.999999'],
    ['not a time', { ms: 1 }, null],
    ['9223372036854775807', { count: 8 }, '9223372036854775799'],
    ['3', { count: 8 }, '-5'],
    [null, { count: 8 }, null],
  ] as const)('%s moved back by %j is %s', (newest, back, moved) => {
    expect(before(newest, back)).toBe(moved)
  })
})

describe('the parts that keys are dealt out to', () => {
  it('are of about one size, and a key is always in the same', () => {
    const counts = [0, 0, 0, 0, 0, 0, 0, 0]
    for (let key = 0; key < 80_000; key++) counts[partOf(String(key), 8)]! += 1
    expect(Math.min(...counts)).toBeGreaterThan(9_000)
    expect(Math.max(...counts)).toBeLessThan(11_000)
    expect(['1', '77', '["a","b"]'].map((name) => partOf(name, 8))).toEqual(
      ['1', '77', '["a","b"]'].map((name) => partOf(name, 8)),
    )
  })
})
