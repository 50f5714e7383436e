import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { openPostgres } from '../server/connect/postgres.ts'
import { postgresSide } from '../server/sides/postgres.ts'
import type { Side } from '../server/sides/side.ts'
import { compare, run, twoCopies, type TwoCopies } from './two-copies.ts'

let copies: TwoCopies
beforeAll(async () => {
  copies = await twoCopies('limits')
})
beforeEach(async () => {
  const table = `drop table if exists t; create table t (id int primary key, a text);
    insert into t select i, 'a' || i from generate_series(1, 20000) i; analyze t`
  await copies.source.sql.unsafe(table)
  await copies.target.sql.unsafe(table)
})
afterAll(() => copies.drop())

const limited = (url: string, limits: NonNullable<Parameters<typeof openPostgres>[0]['limits']>) => {
  const client = openPostgres({ name: 'limited', url, limits })
  return { client, side: postgresSide(client) }
}

describe('a comparison', () => {
  it('gives a locked table up after its lock timeout, as unknown, and leaves no lock waiting', async () => {
    const { client, side } = limited(copies.target.url, { lockTimeoutMs: 300 })
    const holder = await copies.target.sql.reserve()
    // Somebody locks it once the run has looked at its columns.
    const lock = async () => {
      await holder`begin`
      await holder`lock table t in access exclusive mode`
    }
    let locked: Promise<void> | undefined
    const later: Side = {
      ...side,
      snapshot: async (work, signal) => {
        await (locked ??= lock())
        return side.snapshot(work, signal)
      },
    }
    try {
      const startMs = performance.now()
      const { result } = await run(
        { source: copies.source, target: { side: later } },
        { source: { table: 'source.t' }, target: { table: 'target.t' }, key: ['id'] },
      )
      expect(result).toMatchObject({ verdict: 'unknown', matchRatio: null })
      expect(result.slices.every(({ state }) => state === 'unknown')).toBe(true)
      expect(result.slices[0]!.fault).toMatchObject({
        code: 'system_timeout',
        message: 'limited: canceling statement due to lock timeout',
      })
      expect(performance.now() - startMs).toBeLessThan(15_000)
      const [left] = await copies.target.sql`select count(*)::int as waiting from pg_locks
        where not granted and database = (select oid from pg_database where datname = current_database())`
      expect(left).toEqual({ waiting: 0 })
    } finally {
      await holder`rollback`
      holder.release()
      await client.close()
    }
    expect((await compare({ source: copies.source.side, target: copies.target.side }, 't')).verdict).toBe('match')
  }, 60_000)

  it('ends a statement that takes too long on the server too', async () => {
    const { client, side } = limited(copies.target.url, { statementTimeoutMs: 200 })
    try {
      await expect(side.number('select count(*) from (select pg_sleep(10)) as s')).rejects.toMatchObject({
        code: 'system_timeout',
        message: 'limited: canceling statement due to statement timeout',
      })
      const [still] = await copies.target.sql`select count(*)::int as running from pg_stat_activity
        where datname = current_database() and state = 'active' and query like '%pg_sleep(10)%' and pid <> pg_backend_pid()`
      expect(still).toEqual({ running: 0 })
    } finally {
      await client.close()
    }
  })

  it('never has more sessions open than its connection allows', async () => {
    const most = { source: 0, target: 0 }
    const watching = setInterval(() => {
      for (const side of ['source', 'target'] as const) {
        void copies[side].sql`select count(*)::int as open from pg_stat_activity
          where datname = current_database() and application_name = 'tallyman'`
          .then(([row]) => (most[side] = Math.max(most[side], row!.open as number)))
          .catch(() => {})
      }
    }, 5)
    const looks = Array.from({ length: 6 }, () =>
      compare({ source: copies.source.side, target: copies.target.side }, 't'),
    )
    for (const { verdict } of await Promise.all(looks)) expect(verdict).toBe('match')
    clearInterval(watching)
    expect(most.source).toBeGreaterThan(0)
    expect(Math.max(most.source, most.target)).toBeLessThanOrEqual(2)
  }, 60_000)

  it('cannot write, whatever a condition of the config calls', async () => {
    await copies.source.sql.unsafe(`create or replace function meddle(i int) returns bool language plpgsql as
      $$ begin insert into t values (-i, 'meddled'); return true; end $$`)
    const outcome = await run(copies, {
      source: { table: 'source.t', where: 'meddle(id)' },
      target: { table: 'target.t' },
      key: ['id'],
    }).then(
      ({ result }) => result.slices[0]!.fault!.message,
      (thrown: Error) => thrown.message,
    )
    expect(outcome).toMatch(/cannot execute INSERT in a read-only transaction/)
    const [rows] = await copies.source.sql`select count(*)::int as count from t`
    expect(rows).toEqual({ count: 20_000 })
  })
})
