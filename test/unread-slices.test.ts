import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openPostgres } from '../server/connect/postgres.ts'
import { memoryJournal } from '../server/reconcile/memory-journal.ts'
import type { PairInput } from '../server/reconcile/pair.ts'
import { postgresSide } from '../server/sides/postgres.ts'
import type { RunResult } from '../server/reconcile/run.ts'
import type { Side } from '../server/sides/side.ts'
import { compare, run, steadyVerbs, twoCopies, type TwoCopies } from './two-copies.ts'

let copies: TwoCopies
beforeAll(async () => {
  copies = await twoCopies()
})
beforeEach(async () => {
  const table = `drop table if exists t cascade; create table t (id int primary key, a text, n int);
    insert into t select i, 'a' || i, i from generate_series(1, 5000) i; analyze t`
  await copies.source.sql.unsafe(table)
  await copies.target.sql.unsafe(
    `${table}; update t set a = 'x' where id in (100, 4900); delete from t where id = 2500`,
  )
})
afterAll(() => copies.drop())

const pair: Omit<PairInput, 'id'> = {
  ...{ source: { table: 'source.t' }, target: { table: 'target.t' }, key: ['id'] },
  slice: { rows: 1_000 },
}
const patient = { ...steadyVerbs, sleep: async () => {} }

/** Does something right before the digest of the slice that holds a key, each time it is asked for. */
function before(side: Side, key: bigint, happen: (signal: AbortSignal | undefined) => Promise<unknown>): Side {
  return {
    ...side,
    connections: 1,
    describe: async (...asked) => ({ ...(await side.describe(...asked)), rowsEstimate: 5_000 }),
    snapshot: (work, signal) =>
      side.snapshot(
        (reader) =>
          work({
            ...reader,
            async digest(plan, slice, cut, stop) {
              if (slice.kind === 'range' && slice.from <= key && key <= slice.to) await happen(stop)
              return reader.digest(plan, slice, cut, stop)
            },
          }),
        signal,
      ),
  }
}
const once = (work: () => Promise<unknown>) => {
  let done: Promise<unknown> | undefined
  return () => (done ??= work())
}

describe('columns that change while a run reads', () => {
  const change = async (sql: string, key = 2_500n) => {
    const alter = once(async () => copies.target.sql.unsafe(sql))
    return run({ source: copies.source, target: { side: before(copies.target.side, key, alter) } }, pair, {
      verbs: patient,
    })
  }

  it.each([
    ['a column is dropped', 'alter table t drop column a', 'a is gone'],
    ['a column is added', 'alter table t add column late int', 'late is new'],
    ['a type is another', 'alter table t alter n type numeric using n + 0.5', 'n is numeric and was integer'],
    [
      'a column is another by the same name',
      'alter table t drop column n; alter table t add column n bigint',
      'n is bigint and was integer',
    ],
  ])('make what is read from then on unknown, and say so: %s', async (_, sql, says) => {
    const { result, journal } = await change(sql)
    expect(result.verdict).toBe('unknown')
    expect(result.matchRatio).toBe(null)
    const unknown = result.slices.filter(({ state }) => state === 'unknown')
    expect(unknown.length).toBeGreaterThan(0)
    for (const { fault, counts } of unknown) {
      expect(fault).toEqual({
        code: 'conflict',
        message: `The columns of target.public.t changed while it was compared: ${says}.`,
        hint: 'Start a new run: it compares the tables as they are now.',
      })
      expect(counts).toEqual({ missing: 0, extra: 0, changed: 0 })
    }
    // What differed before the change may be told; nothing that only differs because of it is.
    const kept = journal.kept().map(({ difference: { key } }) => key[0])
    expect(['100', '2500', '4900']).toEqual(expect.arrayContaining(kept))
    expect(result.coverage.share).toBeLessThan(1)
    expect(result.corrections.applied).toBe(undefined)
  })

  it('are seen at the end, where nothing differed', async () => {
    await copies.target.sql`update t set a = 'a' || id`
    await copies.target.sql`insert into t values (2500, 'a2500', 2500)`
    const { result } = await change('alter table t add column late int', 4_500n)
    expect(result.verdict).toBe('unknown')
    expect(result.slices.every(({ state }) => state === 'unknown')).toBe(true)
  })

  it('are no match for diff either', async () => {
    const alter = once(async () => copies.target.sql`alter table t alter n type numeric using n + 0.5`)
    const sides = { source: copies.source.side, target: before(copies.target.side, 1n, alter) }
    const { verdict, items, faults, share } = await compare(sides, 't')
    expect({ verdict, items, share }).toEqual({ verdict: 'unknown', items: [], share: 0 })
    expect(faults.map(({ message }) => message)).toEqual([
      'The columns of target.public.t changed while it was compared: n is numeric and was integer.',
    ])
  })
})

describe('a slice that cannot be read', () => {
  it('is unknown when the server refuses it, and no row of it is a difference', async () => {
    const broken = `create or replace view t_view as select id, case when id = 3333 then (1 / (id - 3333))::text else a end as a, n from t`
    await copies.target.sql.unsafe(`drop view if exists t_view; ${broken}`)
    const { result, journal } = await run(
      { source: copies.source, target: copies.target },
      { ...pair, target: { table: 'target.t_view' } },
      { verbs: patient },
    )
    expect(result.verdict).toBe('unknown')
    const unknown = result.slices.filter(({ state }) => state === 'unknown')
    for (const { fault } of unknown) expect(fault).toMatchObject({ message: 'target: division by zero' })
    expect(journal.kept().every(({ difference: { key } }) => ['100', '2500', '4900'].includes(key[0]!))).toBe(true)
  })

  it('is unknown when it takes longer than a statement may, in the end of a smaller part only', async () => {
    const client = openPostgres({ name: 'target', url: copies.target.url, limits: { statementTimeoutMs: 400 } })
    try {
      const where = '(id <> 4321 or pg_sleep(2) is not null)'
      const { result } = await run(
        { source: copies.source, target: { side: postgresSide(client) } },
        { ...pair, target: { table: 'target.t', where } },
        { verbs: patient },
      )
      expect(result.verdict).toBe('unknown')
      const unknown = result.slices.filter(({ state }) => state === 'unknown')
      expect(unknown.length).toBe(1)
      const { from, to, fault } = unknown[0]!
      expect(fault!.code).toBe('system_timeout')
      expect(Number(from)).toBeLessThanOrEqual(4321)
      expect(Number(to)).toBeGreaterThanOrEqual(4321)
      expect(Number(to) - Number(from)).toBeLessThan(300)
      expect(result.differences.missing).toBe(1)
    } finally {
      await client.close()
    }
  })

  it('is read again when its connection was killed, and told as it is', async () => {
    const kill = once(
      () => copies.target.sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name like 'tallyman%' and pid <> pg_backend_pid()`,
    )
    const sides = { source: copies.source, target: { side: before(copies.target.side, 2_500n, kill) } }
    const { result } = await run(sides, pair, { verbs: patient })
    expect(result).toMatchObject({ verdict: 'drift', differences: { missing: 1, extra: 0, changed: 2 }, kept: 3 })
  })

  it('is unknown when its connection is killed every time', async () => {
    const kill = () => copies.target.sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name like 'tallyman%' and pid <> pg_backend_pid()`
    const sides = { source: copies.source, target: { side: before(copies.target.side, 2_500n, kill) } }
    const { result } = await run(sides, pair, { verbs: patient })
    expect(result).toMatchObject({ verdict: 'unknown', differences: { missing: 0, extra: 0, changed: 2 } })
    expect(result.slices.filter(({ state }) => state === 'unknown').map(({ fault }) => fault!.code)).toEqual([
      'system_unreachable',
    ])
  })
})

describe('a budget', () => {
  it('stops a run that finds nothing but differences, says so, and corrects nothing', async () => {
    await copies.target.sql`update t set a = 'x'`
    const corrections = { mode: 'auto', limit: { rows: 1e6, ratio: 1 } } as const
    const serial = { side: before(copies.target.side, -1n, async () => {}) }
    const { result } = await run(
      { source: copies.source, target: serial },
      { ...pair, budget: { ratio: 0.1 }, corrections },
      { verbs: patient },
    )
    expect(result.verdict).toBe('unknown')
    expect(result.differences.changed).toBeGreaterThan(500)
    expect(result.differences.changed).toBeLessThan(5_000)
    expect(result.slices.at(-1)).toMatchObject({
      state: 'unknown',
      fault: {
        code: 'limit_reached',
        message: expect.stringMatching(
          /^\d+ of about 5\d+ rows differ, more than the 10 % of the budget; the rest was not compared\.$/,
        ) as string,
      },
    })
    expect(result.guards).toContainEqual(expect.objectContaining({ name: 'complete', state: 'fail' }))
    expect(result.corrections.applied).toBe(undefined)
    expect(await copies.target.sql`select count(*)::int as n from t where a = 'x'`).toEqual([{ n: 5000 - 1 }])
    expect(result.coverage.share).toBeGreaterThan(0)
    expect(result.coverage.share).toBeLessThan(1)
  })

  it('does not stop a run that is through', async () => {
    await copies.target.sql`update t set a = 'x'`
    const { result } = await run(copies, { ...pair, slice: {}, budget: { ratio: 0.1 } }, { verbs: patient })
    expect(result).toMatchObject({ verdict: 'drift', differences: { changed: 4999, missing: 1 } })
  })

  it('of time ends even what is being read', async () => {
    const slow = { side: before(copies.target.side, 2_500n, () => copies.target.sql`select pg_sleep(0.2)`) }
    const where = '(id <> 3333 or pg_sleep(20) is not null)'
    const startMs = performance.now()
    const { result } = await run(
      { source: copies.source, target: slow },
      { ...pair, target: { table: 'target.t', where }, budget: { time: '1s' } },
    )
    expect(performance.now() - startMs).toBeLessThan(8_000)
    expect(result.verdict).toBe('unknown')
    const unknown = result.slices.filter(({ state }) => state === 'unknown')
    for (const { fault } of unknown)
      expect(fault!.message).toBe('The time budget of 1 s is spent; the rest was not compared.')
    expect(unknown.length).toBeGreaterThan(0)
    expect(result.differences.changed).toBeGreaterThan(0)
  })
})

describe('the time of a budget', () => {
  /** A clock that only moves when a slice is read or waited for. */
  const readOnClock = (
    readMs: number,
    waitMs: number,
    spec: Partial<PairInput>,
    { journal = memoryJournal('run'), killedAfter = Infinity } = {},
  ) => {
    const killed = new AbortController()
    let nowMs = 0
    let [turns, told] = [0, 0]
    const serial = before(copies.target.side, -1n, async () => {})
    const tick = <T>(work: Promise<T>) => work.finally(() => (nowMs += readMs))
    const snapshot: Side['snapshot'] = (work, signal) => tick(serial.snapshot(work, signal))
    return run(
      { source: copies.source, target: { side: { ...serial, snapshot } } },
      { ...pair, ...spec },
      {
        verbs: { now: () => nowMs, sleep: (_, signal) => new Promise((_, reject) => (signal.onabort = reject)) },
        signal: killed.signal,
        journal: {
          ...journal,
          async slice(...result) {
            await journal.slice(...result)
            if (++told >= killedAfter) killed.abort(new Error('killed'))
          },
        },
        pace: {
          async turn() {
            while (told < turns) await new Promise((resolve) => setImmediate(resolve))
            await new Promise((resolve) => setImmediate(resolve))
            turns += 1
            nowMs += waitMs
          },
          took() {},
        },
      },
    )
  }

  it('does not run while a run waits between its slices', async () => {
    const { result } = await readOnClock(1_000, 3_600_000, { budget: { time: '1h' } })
    expect(result).toMatchObject({ verdict: 'drift', coverage: { share: 1 } })
  })

  it('runs while slices are read', async () => {
    const { result } = await readOnClock(1_000, 0, { budget: { time: '2s' } })
    expect(result.verdict).toBe('unknown')
    expect(result.slices.at(-1)!.fault!.message).toBe('The time budget of 2 s is spent; the rest was not compared.')
  })

  it('is one time, however often the run is killed', async () => {
    const budget = { time: '4s' }
    const readOf = ({ slices }: RunResult) => slices.filter(({ state }) => state !== 'unknown').length
    const whole = await readOnClock(1_000, 0, { budget })
    const journal = memoryJournal('killed')
    for (let kills = 0; kills < 2; kills++)
      await expect(readOnClock(1_000, 0, { budget }, { journal, killedAfter: 1 })).rejects.toThrow('killed')
    const { result } = await readOnClock(1_000, 0, { budget }, { journal })
    expect(readOf(whole.result)).toBeGreaterThanOrEqual(3)
    expect(readOf(result)).toBe(readOf(whole.result))
    const faults = [whole.result, result].map(({ slices }) =>
      slices.flatMap(({ fault }) => fault?.message ?? []).at(-1),
    )
    expect(faults).toEqual(Array(2).fill('The time budget of 4 s is spent; the rest was not compared.'))
    // Nor is anything read in the time it takes to see that it was spent before.
    const again = await readOnClock(
      1_000,
      0,
      { budget },
      { journal: { ...journal, recall: async () => ({ ...(await journal.recall())!, compared: false }) } },
    )
    expect(readOf(again.result)).toBe(readOf(whole.result))
  })
})

describe('a run that was killed at any moment', () => {
  it('ends as one that was not', async () => {
    await copies.target.sql`update t set a = 'y' where id % 7 = 0`
    const told = async (journal = memoryJournal('run')) => {
      const { result } = await run(copies, { ...pair, slice: { rows: 400 } }, { journal })
      const { verdict, rows, differences, matchRatio, kept, coverage } = result
      const found = journal.kept().map(({ difference }) => difference.key[0]!)
      return { verdict, rows, differences, matchRatio, kept, coverage, found: found.toSorted() }
    }
    const startMs = performance.now()
    const whole = await told()
    const tookMs = performance.now() - startMs
    for (let moment = 0; moment < 17; moment++) {
      const journal = memoryJournal('run')
      for (let kills = 0; kills < 3; kills++) {
        const kill = new AbortController()
        const timer = setTimeout(() => kill.abort(new Error('killed')), Math.random() * tookMs)
        await run(copies, { ...pair, slice: { rows: 400 } }, { journal, signal: kill.signal }).catch(() => {})
        clearTimeout(timer)
      }
      expect(await told(journal)).toEqual(whole)
    }
  })
})
