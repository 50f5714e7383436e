import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Fault } from '../server/fault.ts'
import type { Journal } from '../server/reconcile/journal.ts'
import { memoryJournal } from '../server/reconcile/memory-journal.ts'
import type { PairInput } from '../server/reconcile/pair.ts'
import type { Side } from '../server/sides/side.ts'
import { run, steadyVerbs, twoCopies, type TwoCopies } from './two-copies.ts'

let copies: TwoCopies
beforeAll(async () => {
  copies = await twoCopies()
  await copies.target.sql`create table written (id int, who text)`
  await copies.target.sql.unsafe(`create function remember() returns trigger language plpgsql as $$ begin
    insert into written values (coalesce(new.id, old.id), current_setting('application_name')); return null; end $$`)
})
// Rows a thousand numbers apart: with what is asked below, five slices of a thousand rows.
beforeEach(async () => {
  const table = `drop table if exists t; create table t (id int primary key, a text, b text);
    insert into t select i * 1000, 'a' || i, 'b' || i from generate_series(1, 5000) i`
  await copies.source.sql.unsafe(table)
  await copies.target.sql.unsafe(`${table}; truncate written;
    create trigger remember after insert or update or delete on t for each row execute function remember()`)
})
afterAll(() => copies.drop())

const pair: Omit<PairInput, 'id'> = {
  ...{ source: { table: 'source.t' }, target: { table: 'target.t' }, key: ['id'] },
  slice: { rows: 1_000 },
}
const auto = { mode: 'auto', limit: { rows: 10_000, ratio: 1, deletes: 10_000 } } as const

/** A side that knows how many rows it has, and reads one slice after the other. */
const sliced = (side: Side): Side => ({
  ...side,
  connections: 1,
  describe: async (...asked) => ({ ...(await side.describe(...asked)), rowsEstimate: 5_000 }),
})
const slicedCopies = () => ({
  source: { side: sliced(copies.source.side) },
  target: { side: sliced(copies.target.side) },
})

/** Tells which slice a side is asked to digest, from 1, and the how many-th time; lets a test answer in its place. */
function watched(side: Side, onDigest: (slice: number, time: number) => Promise<void> | void): Side {
  const times = new Map<unknown, number>()
  return {
    ...side,
    snapshot: (work, signal) =>
      side.snapshot(
        (reader) =>
          work({
            ...reader,
            async digest(...asked) {
              const { from } = asked[1] as { from: bigint }
              times.set(from, (times.get(from) ?? 0) + 1)
              await onDigest([...times.keys()].indexOf(from) + 1, times.get(from)!)
              return reader.digest(...asked)
            },
          }),
        signal,
      ),
  }
}

const breakTarget = () =>
  copies.target.sql.unsafe(`
  update t set a = 'x' where id % 250000 = 0; delete from t where id % 500000 = 1000;
  insert into t select i * 1000 + 1, 'new', 'new' from generate_series(1, 5) i; truncate written`)

const writtenByUs = async () =>
  (await copies.target.sql<{ id: number }[]>`select id from written where who = 'tallyman' order by id`).map(
    ({ id }) => id,
  )

describe('a run', () => {
  it('proposes, and writes nothing before somebody approves', async () => {
    await breakTarget()
    const { result, journal } = await run(slicedCopies(), pair)
    expect(result).toMatchObject({
      verdict: 'drift',
      rows: { source: 5000, target: 4995 },
      differences: { missing: 10, extra: 5, changed: 20 },
      corrections: { proposed: 30 },
      truncated: false,
      kept: 35,
    })
    expect(result.slices.length).toBe(5)
    expect(result.matchRatio).toBeCloseTo(4970 / 5005, 10)
    expect(await journal.decisions()).toEqual(
      expect.arrayContaining([
        { on: 'target', action: 'hold', rows: 5 },
        { on: 'target', action: 'insert', rows: 10 },
        { on: 'target', action: 'update', rows: 20 },
      ]),
    )
    expect(await writtenByUs()).toEqual([])

    await approve(journal)
    const again = await run(slicedCopies(), { ...pair, corrections: { limit: { ratio: 1 } } }, { journal })
    expect(again.result.corrections).toEqual({ applied: 30 })
    expect(again.result.after).toEqual({ verdict: 'match', missing: 0, extra: 0, changed: 0 })
    expect((await writtenByUs()).length).toBe(30)
  })

  it('writes each decision down before it writes the row, and the outcome after', async () => {
    await breakTarget()
    const { result, journal } = await run(copies, { ...pair, deletes: 'hard', corrections: auto })
    expect(result.corrections).toEqual({ applied: 35 })
    const entries = journal.audit().filter(({ key }) => key[0] === '250000')
    expect(entries.map(({ event, action, before, after, by }) => ({ event, action, before, after, by }))).toEqual(
      ['applying', 'applied'].map((event) => ({
        event,
        action: 'update',
        before: { id: '250000', a: 'x', b: 'b250' },
        after: { id: '250000', a: 'a250', b: 'b250' },
        by: 'the config',
      })),
    )
    expect((await run(copies, pair)).result.verdict).toBe('match')
  })

  it('writes nothing at all when one guard does not hold', async () => {
    await breakTarget()
    const { result } = await run(copies, { ...pair, deletes: 'hard', corrections: { mode: 'auto' } })
    expect(result.guards.filter(({ state }) => state === 'fail')).toEqual([
      { name: 'ratio', state: 'fail', detail: '0.699 % of 0.5 %' },
      { name: 'deletes', state: 'fail', detail: '5 of 0' },
    ])
    expect(result.corrections).toEqual({ proposed: 35 })
    expect(await writtenByUs()).toEqual([])
  })

  it('writes nothing that was approved when a guard no longer holds', async () => {
    await breakTarget()
    const loose = { ...pair, corrections: { limit: { ratio: 1 } } }
    const { journal } = await run(copies, loose)
    await approve(journal)
    const lag = async () => ({ healthy: false, detail: 'three hours behind' })
    const { result } = await run(copies, loose, { journal, verbs: { ...steadyVerbs, lag } })
    // They wait for a person again, who sees the guard; nobody else would ever take them up.
    expect(result.corrections).toEqual({ proposed: 30 })
    expect(journal.audit().at(-1)).toMatchObject({ event: 'proposed', reason: 'Not written: lag: three hours behind' })
    expect(await writtenByUs()).toEqual([])
    await approve(journal)
    expect((await run(copies, loose, { journal })).result.corrections).toEqual({ applied: 30 })
  })

  it('leaves alone a row that came or went since, also where no key forbids a second one', async () => {
    await copies.target.sql`alter table t drop constraint t_pkey`
    await copies.target.sql`delete from t where id in (1000, 2000)`
    await copies.target.sql`update t set a = 'x' where id in (3000, 4000)`
    const loose = { ...pair, corrections: { limit: { ratio: 1 } } }
    const { journal } = await run(copies, loose)
    await approve(journal)
    await copies.target.sql`insert into t values (1000, 'late', 'late'), (3000, 'x', 'b3')`
    const { result } = await run(copies, loose, { journal })
    expect(result.corrections).toEqual({ applied: 2, stale: 2 })
    expect(await writtenByUs()).toEqual([2000, 4000])
  })

  it('takes letters that a collation holds for equal for a change', async () => {
    const loose = { ...pair, corrections: { limit: { ratio: 1 } } }
    await copies.target.sql.unsafe(`drop collation if exists any_case;
      create collation any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      alter table t alter a type text collate any_case; update t set a = 'wrong' where id = 1000`)
    const { journal } = await run(copies, loose)
    await approve(journal)
    await copies.target.sql`update t set a = 'WRONG' where id = 1000`
    expect((await run(copies, loose, { journal })).result.corrections).toEqual({ stale: 1 })
  })

  it('writes fields in both directions, a side at a time, until both agree', async () => {
    await copies.target.sql`update t set a = 'from target', b = 'from target' where id = 7000`
    const both = { ...pair, authority: { fields: { a: 'target' as const } }, corrections: auto }
    const first = await run(copies, both)
    expect(first.journal.kept()[0]!.decision).toMatchObject({
      on: 'target',
      values: { b: 'b7' },
      reason: 'The source is right about b. The target is right about a: written to the source by the next run.',
    })
    expect(first.result.after?.verdict).toBe('drift')
    const second = await run(copies, both)
    expect(second.result).toMatchObject({ corrections: { applied: 1 }, after: { verdict: 'match' } })
    expect(await copies.source.sql`select a, b from t where id = 7000`).toEqual([{ a: 'from target', b: 'b7' }])
    expect((await run(copies, both)).result.verdict).toBe('match')
  })

  it('counts what arrives while it waits as in flight, not as a difference', async () => {
    await copies.target.sql`delete from t where id in (1000, 2000)`
    await copies.target.sql`update t set a = 'late' where id = 3000`
    let slept = 0
    const sleep = async () => {
      slept++
      await copies.target.sql`insert into t values (1000, 'a1', 'b1') on conflict do nothing`
      await copies.target.sql`update t set a = 'a3' where id = 3000`
    }
    const settle = { wait: '5s', tries: 3 }
    const { result } = await run(copies, { ...pair, settle }, { verbs: { ...steadyVerbs, sleep } })
    expect(result).toMatchObject({ inFlight: 2, unsettled: 0, differences: { missing: 1, extra: 0, changed: 0 } })
    expect(slept).toBe(1)
  })

  it('cannot tell while a row is different at every look, or the target is behind', async () => {
    await copies.target.sql`update t set a = 'busy' where id = 1000`
    const settle = { wait: '5s', tries: 3 }
    const sleep = async () => void (await copies.target.sql`update t set a = a || '.' where id = 1000`)
    const busy = await run(copies, { ...pair, settle }, { verbs: { ...steadyVerbs, sleep } })
    expect(busy.result).toMatchObject({ verdict: 'unknown', unsettled: 1, differences: { changed: 0 } })

    const settled = async () => false
    const behind = await run(copies, { ...pair, settle }, { verbs: { ...steadyVerbs, sleep: async () => {}, settled } })
    expect(behind.result).toMatchObject({ verdict: 'unknown', unsettled: 1, differences: { changed: 0 } })
  })
})

async function approve(journal: Journal) {
  for (const action of ['insert', 'update', 'delete'] as const) {
    const proposed = await journal.corrections('proposed', action, 1_000)
    await journal.advance(
      proposed.map(({ id, difference: { key }, decision }) => ({
        id,
        from: 'proposed',
        to: 'approved',
        message: null,
        audit: {
          event: 'approved',
          on: decision.on,
          action,
          key,
          before: null,
          after: null,
          reason: 'seen',
          by: 'ada',
        },
      })),
    )
  }
}

describe('a side that fails', () => {
  const lost = () =>
    new Fault('system_unreachable', 'target: no connection (ECONNRESET)', { hint: 'Check the server.' })

  it('makes its slice unknown: nothing is missing there, and nothing is corrected anywhere', async () => {
    await breakTarget()
    const target = watched(sliced(copies.target.side), (slice) => {
      if (slice === 2) throw lost()
    })
    const { result } = await run(
      { ...slicedCopies(), target: { side: target } },
      { ...pair, corrections: auto },
      { verbs: { ...steadyVerbs, sleep: async () => {} } },
    )
    expect(result.verdict).toBe('unknown')
    expect(result.matchRatio).toBe(null)
    expect(result.slices.map(({ state }) => state)).toEqual([
      'differing',
      'unknown',
      'differing',
      'differing',
      'differing',
    ])
    expect(result.slices[1]).toMatchObject({ counts: { missing: 0 }, fault: { code: 'system_unreachable' } })
    expect(result.guards).toContainEqual({ name: 'complete', state: 'fail', detail: '1 of 5 slices could not be read' })
    expect(result.corrections).toEqual({ proposed: expect.any(Number) as number })
    expect(await writtenByUs()).toEqual([])
  })

  it('is asked again when the fault may pass', async () => {
    await breakTarget()
    const waits: number[] = []
    const target = watched(sliced(copies.target.side), (slice, time) => {
      if (slice === 2 && time <= 2) throw lost()
    })
    const verbs = { ...steadyVerbs, sleep: async (ms: number) => void waits.push(ms) }
    const { result } = await run({ ...slicedCopies(), target: { side: target } }, pair, { verbs })
    expect(result).toMatchObject({ verdict: 'drift', differences: { missing: 10, extra: 5, changed: 20 }, kept: 35 })
    expect(waits).toEqual([500, 1000])
  })

  it('is not asked for every slice of a table when it is gone', async () => {
    let asked = 0
    const target = watched(sliced(copies.target.side), () => {
      asked++
      throw new Fault('system_permission', 'target: permission denied', { hint: 'Grant SELECT.' })
    })
    const many = { ...pair, slice: { rows: 100 } }
    const { result } = await run({ ...slicedCopies(), target: { side: target } }, many)
    // As many as are read at once may be asked for before the last of five was told.
    expect(asked).toBeLessThan(10)
    // Those that were asked for, and the rest.
    expect(result.slices.length).toBe(asked + 1)
    expect(result.slices.at(-1)!.to).toBe('5000000')
    expect(result.slices.every(({ state }) => state === 'unknown')).toBe(true)
    expect(result.coverage.share).toBe(0)
  })
})

describe('a run that was killed', () => {
  it('between slices, reads only what it had not read', async () => {
    await breakTarget()
    const journal = memoryJournal('killed')
    const kill = new AbortController()
    const dying = watched(sliced(copies.target.side), (slice) => {
      if (slice === 4) kill.abort(new Error('killed'))
    })
    const killed = run({ ...slicedCopies(), target: { side: dying } }, pair, { journal, signal: kill.signal })
    await expect(killed).rejects.toThrow('killed')
    const told = (await journal.recall())!.slices.length
    expect(told).toBeGreaterThan(0)
    expect(told).toBeLessThan(4)

    let asked = 0
    const living = watched(sliced(copies.target.side), () => void asked++)
    const { result } = await run({ ...slicedCopies(), target: { side: living } }, pair, { journal })
    // Once more when the cancelling of the killed run hits the next statement of its connection.
    expect(asked).toBeGreaterThanOrEqual(5 - told)
    expect(asked).toBeLessThanOrEqual(6 - told)
    expect(result).toMatchObject({
      rows: { source: 5000, target: 4995 },
      differences: { missing: 10, extra: 5, changed: 20 },
      kept: 35,
    })
    const ids = journal.kept().map(({ id }) => id)
    expect(new Set(ids).size).toBe(35)
  })

  it('after a row was written and before that was written down, does not write it twice', async () => {
    await breakTarget()
    const journal = memoryJournal('killed')
    const dying: Journal = {
      ...journal,
      async advance(steps) {
        if (steps[0]?.from === 'applying') throw new Error('killed')
        return journal.advance(steps)
      },
    }
    const hard = { ...pair, deletes: 'hard' as const, corrections: auto }
    await expect(run(copies, hard, { journal: dying })).rejects.toThrow('killed')
    const done = await writtenByUs()
    expect(done.length).toBeGreaterThan(0)

    const { result } = await run(copies, hard, { journal })
    expect(result).toMatchObject({ corrections: { applied: 35 }, after: { verdict: 'match' } })
    const all = await writtenByUs()
    expect(all.length).toBe(35)
    expect(new Set(all).size).toBe(35)
  })

  it('before a row was written, leaves it and says so', async () => {
    await breakTarget()
    const journal = memoryJournal('killed')
    const dying: Side = {
      ...copies.target.side,
      apply: async () => {
        throw new Error('killed')
      },
    }
    await expect(
      run({ ...copies, target: { side: dying } }, { ...pair, corrections: auto }, { journal }),
    ).rejects.toThrow('killed')
    const { result } = await run(copies, { ...pair, corrections: auto }, { journal })
    expect(result.corrections).toEqual({ interrupted: 20, applied: 10 })
    expect((await writtenByUs()).length).toBe(10)
    expect(journal.audit().find(({ event }) => event === 'interrupted')?.reason).toBe(
      'The outcome was lost and the row does not read as it was to be written: it was not sent again.',
    )
  })

  it('is refused when its tables are no longer the same', async () => {
    const journal = memoryJournal('killed')
    await run(copies, pair, { journal })
    await copies.target.sql`alter table t drop column b`
    await expect(run(copies, pair, { journal })).rejects.toMatchObject({
      code: 'conflict',
      message: 'The tables of pair changed while this run was interrupted.',
    })
  })
})

describe('rows that wait for each other', () => {
  it('are written in the order that references and unique values allow', async () => {
    const table = `drop table if exists t; create table t (id int primary key, a text unique, b int references t)`
    await copies.source.sql.unsafe(
      `${table}; insert into t values (3, 'c', null), (2, 'b', 3), (1, 'a', 2), (4, 'new', null)`,
    )
    await copies.target.sql.unsafe(`${table}; insert into t values (9, 'c', null), (4, 'a', null)`)
    const hard = { ...pair, deletes: 'hard' as const, corrections: auto }
    const { result } = await run(copies, hard)
    expect(result.corrections).toEqual({ applied: 5 })
    expect(result.after?.verdict).toBe('match')
  })
})
