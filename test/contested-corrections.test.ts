import postgres from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run, twoCopies, type TwoCopies } from './two-copies.ts'

const rows = 1_000
const writers = 2

let copies: TwoCopies
beforeAll(async () => {
  copies = await twoCopies()
  const table = 'create table t (id int primary key, phone text, seen int, note text)'
  await copies.source.sql.unsafe(
    `${table}; insert into t select i, 'right ' || i, 0, null from generate_series(1, ${rows}) i`,
  )
  // The history is written in the same moment as the row, so it cannot miss a write nor tell it twice.
  await copies.target.sql
    .unsafe(`${table}; insert into t select i, 'wrong ' || i, 0, null from generate_series(1, ${rows}) i;
    create table history (n serial, who text, id int, before text, after text);
    create function remember() returns trigger language plpgsql as $$ begin
      insert into history (who, id, before, after)
        values (current_setting('application_name'), old.id, old.phone || ' ' || old.seen, new.phone || ' ' || new.seen);
      return new; end $$;
    create trigger remember after update on t for each row execute function remember()`)
})
afterAll(() => copies.drop())

/** Writes random rows as fast as the server takes them, until told to stop. */
async function writeUntil(stop: AbortSignal, name: string): Promise<number> {
  const sql = postgres(copies.target.url, { max: 1, onnotice() {}, connection: { application_name: name } })
  let writes = 0
  for (; !stop.aborted; writes++) {
    const id = 1 + Math.floor(Math.random() * rows)
    await sql`update t set phone = ${`${name} ${writes}`}, seen = seen + 1 where id = ${id}`
  }
  await sql.end()
  return writes
}

describe('corrections of rows that others are writing', () => {
  it('never overwrite what was written after they were judged', { timeout: 120_000 }, async () => {
    const stop = new AbortController()
    let writing: Promise<number>[] = []
    const { result, journal } = await run(
      copies,
      {
        source: { table: 'source.t' },
        target: { table: 'target.t' },
        key: ['id'],
        corrections: { mode: 'auto', limit: { ratio: 1 } },
      },
      {
        progress({ step }) {
          if (step === 'correct' && writing.length === 0) {
            writing = Array.from({ length: writers }, (_, n) => writeUntil(stop.signal, `writer ${n}`))
          }
        },
      },
    )
    stop.abort()
    const writes = (await Promise.all(writing)).reduce((sum, some) => sum + some, 0)

    const { applied = 0, stale = 0, ...others } = result.corrections
    expect(others).toEqual({})
    expect(applied + stale).toBe(rows)
    expect(applied).toBeGreaterThan(0)
    expect(stale).toBeGreaterThan(0)

    const history = await copies.target.sql<{ who: string; id: number; before: string; after: string }[]>`
      select who, id, before, after from history order by n`
    const ours = history.filter(({ who }) => who === 'tallyman')
    const judged = new Map(journal.kept().map(({ difference: { key, target } }) => [Number(key[0]), target!]))
    expect(ours.length).toBe(applied)
    for (const { id, before } of ours) expect(before).toBe(`${judged.get(id)!.phone} ${judged.get(id)!.seen}`)
    // And nothing of the others is gone: every one of their writes counted its row up by one.
    const [{ seen }] = (await copies.target.sql`select sum(seen)::int as seen from t`) as unknown as [{ seen: number }]
    expect(seen).toBe(writes)
    expect(history.length - ours.length).toBe(writes)
  })
})
