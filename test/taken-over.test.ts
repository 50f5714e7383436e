import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { runnerSteps } from '../server/compose/work.ts'
import type { Journal } from '../server/reconcile/journal.ts'
import { memoryJournal } from '../server/reconcile/memory-journal.ts'
import { pairSchema, type PairInput } from '../server/reconcile/pair.ts'
import { openStore, type Store } from '../server/store/open.ts'
import { requestRun, storedRun } from '../server/store/runs.ts'
import { workRun, type RunnerSteps } from '../server/work/runner.ts'
import { storePlaces } from './stores.ts'
import { run, steadyVerbs, twoCopies, type TwoCopies } from './two-copies.ts'

const rows = 600
const differing = rows / 3
const pair: PairInput = {
  id: 'pair',
  ...{ source: { table: 'source.t' }, target: { table: 'target.t' }, key: ['id'] },
  slice: { rows: 60 },
  settle: { wait: '0ms', tries: 1 },
  corrections: { mode: 'auto', limit: { ratio: 1 } },
}

// Every third row differs, and each write is told in its own transaction.
const fill = (name: string) => `
  drop table if exists t, written; create table written (id int); create table t (id int primary key, name text);
  insert into t select i, ${name} from generate_series(1, ${rows}) i; analyze t;
  create or replace function tell() returns trigger language plpgsql as $$ begin
    perform pg_sleep(0.002); insert into written values (new.id); return null; end $$;
  create trigger tell after insert or update on t for each row execute function tell()`

let copies: TwoCopies
beforeAll(async () => {
  copies = await twoCopies('taken')
  await copies.source.sql.unsafe(fill(`'name ' || i`)).simple()
})
afterAll(() => copies?.drop())
const brokenName = `case when i % 3 = 0 then 'old' else 'name ' || i end`
beforeEach(() => copies.target.sql.unsafe(fill(brokenName)).simple())

const writtenIds = async () =>
  (await copies.target.sql<{ id: number }[]>`select id from written order by id`).map(({ id }) => id)

/** A worker of its own, which tells what it complained of. */
function worker(store: Store, spec: PairInput = pair) {
  const complaints: string[] = []
  const steps = runnerSteps({
    store,
    owner: `worker ${randomUUID()}`,
    openPair: () => ({
      spec: pairSchema.parse(spec),
      source: copies.source.side,
      target: copies.target.side,
      verbs: steadyVerbs,
    }),
    changed: async () => {},
    complain: (message, cause) => void complaints.push(`${message} ${String(cause)}`),
  })
  return { steps, complaints }
}

async function newRun(store: Store): Promise<string> {
  const id = randomUUID()
  const asked = { id, pair: `pair ${id}`, pipeline: 'p', mode: 'full', trigger: 'cli', requestedBy: 'test' } as const
  await requestRun(store.db, asked)
  return id
}

const endLease = (store: Store, id: string) =>
  store.db.execute(sql`update runs set lease_until = now() - interval '1 second' where id = ${id}`)

/** Everything the store holds of a run. */
async function allOf(store: Store, id: string) {
  const own = ['slices', 'differences', 'decisions', 'corrections', 'audits'].map((table) => `${table} where run_id`)
  const ask = async (table: string) =>
    [...(await store.db.execute(sql`select * from ${sql.raw(table)} = ${id} order by 1, 2`))].map((row) => ({ ...row }))
  return Promise.all(['runs where id', ...own].map(ask))
}

/** What a run found and did, however many worked on it. */
async function outcome(store: Store, id: string) {
  const { state, verdict, fault, result } = (await storedRun(store.db, id))!
  const { differences, rows, kept, coverage, corrections, after } = result!
  const found = await store.db.execute(sql`
    select d.kind, d.key, d.fields, d.source, d.target, e.decision, c.state,
      (select array_agg(a.event order by a.id) from audits a where a.run_id = d.run_id and a.correction_id = d.id) as audit
    from differences d join decisions e using (run_id, id) left join corrections c using (run_id, id)
    where d.run_id = ${id} order by (d.key ->> 0)::int`)
  const told = { state, verdict, fault, differences, rows, kept, coverage, corrections, after }
  return { ...told, found: found.map((row) => ({ ...row })) }
}

/** Lets what a worker asks for wait, the nth time, until it may go on. */
function gate(nth: number) {
  let opened = () => {}
  let arrived = () => {}
  const open = new Promise<void>((resolve) => (opened = resolve))
  const waits = new Promise<void>((resolve) => (arrived = resolve))
  let times = 0
  return {
    waits,
    open: () => opened(),
    async pass() {
      if (++times !== nth) return
      arrived()
      await open
    },
  }
}
type Gate = ReturnType<typeof gate>

const beforeWriting =
  <Verb extends 'plan' | 'slice' | 'guards' | 'open' | 'advance'>(verb: Verb) =>
  (steps: RunnerSteps, { pass }: Gate): RunnerSteps => ({
    ...steps,
    journal(claimed) {
      const journal = steps.journal(claimed)
      const write = journal[verb] as (...asked: Parameters<Journal[Verb]>) => Promise<never>
      return { ...journal, [verb]: (...asked: Parameters<Journal[Verb]>) => pass().then(() => write(...asked)) }
    },
  })
const beforeRenewing = (steps: RunnerSteps, { pass }: Gate): RunnerSteps => ({
  ...steps,
  renew: (...asked) => pass().then(() => steps.renew(...asked)),
})

/** A worker stands still at a place, another takes the run over and ends it, and the first goes on: what was seen. */
async function takenOver(store: Store, stalling: ReturnType<typeof beforeWriting>, nth = 1) {
  const id = await newRun(store)
  const stall = gate(nth)
  const { steps, complaints } = worker(store)
  // Its timers stand still as well.
  const stale = workRun(id, stalling({ ...steps, every: () => () => {} }, stall), new AbortController().signal)
  await stall.waits
  await endLease(store, id)
  const other = worker(store)
  await workRun(id, other.steps, new AbortController().signal)
  const [before, ids] = [await allOf(store, id), await writtenIds()]
  stall.open()
  await stale
  expect(await allOf(store, id)).toEqual(before)
  expect(await writtenIds()).toEqual(ids)
  expect(other.complaints).toEqual([])
  expect(complaints).toEqual([`A run was given up here. Fault: Run ${id} was taken over by another worker.`])
  return { id, ids }
}

const places: readonly (readonly [string, ReturnType<typeof beforeWriting>, number])[] = [
  ['its plan', beforeWriting('plan'), 1],
  ['a slice', beforeWriting('slice'), 2],
  ['its guards', beforeWriting('guards'), 1],
  ['that it has compared all', beforeWriting('open'), 1],
  ['that it will write a batch', beforeWriting('advance'), 1],
  ['what became of a batch', beforeWriting('advance'), 2],
]

describe.each(Object.entries(storePlaces))(
  'a worker that stands still while another takes its run over, on %s',
  (_, place) => {
    let store: Store
    let drop: () => Promise<unknown>
    beforeAll(async () => {
      const { url, drop: dropPlace } = await place()
      store = await openStore(url)
      drop = dropPlace
    })
    afterAll(async () => {
      await store?.close()
      await drop?.()
    })

    it.each(places)(
      'before it writes down %s, writes nothing any more',
      { timeout: 60_000 },
      async (_, stalling, nth) => {
        const { id, ids } = await takenOver(store, stalling, nth)
        expect(new Set(ids).size).toBe(ids.length)
        const seen = await outcome(store, id)
        await copies.target.sql.unsafe(`update t set name = 'old' where id % 3 = 0`)
        const whole = await newRun(store)
        await workRun(whole, worker(store).steps, new AbortController().signal)
        expect(seen).toEqual(await outcome(store, whole))
        expect(seen).toMatchObject({ state: 'done', corrections: { applied: differing }, after: { verdict: 'match' } })
      },
    )

    it('before it sends a batch, sends none of it', { timeout: 60_000 }, async () => {
      const { id, ids } = await takenOver(store, beforeRenewing, 2)
      expect((await outcome(store, id)).corrections).toEqual({ applied: differing - 100, interrupted: 100 })
      expect(ids.length).toBe(differing - 100)
      expect(new Set(ids).size).toBe(ids.length)
    })
  },
)

describe('a batch that is sent more slowly than its lease lasts', () => {
  const slow = (renewals: number) => {
    let sent = 0
    return {
      async renew() {
        if (renewals-- === 0) throw new Error('lost')
        sent = 0
      },
      lasts: () => sent++ < 30,
    }
  }

  it('goes on once it is renewed, each row once', async () => {
    const { result } = await run(copies, pair, { lease: slow(-1) })
    expect(result).toMatchObject({ corrections: { applied: differing }, after: { verdict: 'match' } })
    expect(await writtenIds()).toEqual(Array.from({ length: differing }, (_, n) => (n + 1) * 3))
  })

  it('ends there when the run was taken over', async () => {
    const journal = memoryJournal('slow')
    await expect(run(copies, pair, { journal, lease: slow(2) })).rejects.toThrow('lost')
    expect((await writtenIds()).length).toBe(60)
    expect(await journal.tally()).toEqual({ applying: 100, approved: 100 })
  })
})

// The compiled worker in a process of its own, that can be stopped as a whole.
const compiled = (file: string) => JSON.stringify(new URL(`../dist/server/${file}.js`, import.meta.url).href)
const slowly: PairInput = { ...pair, slice: { rows: 6 } }
const script = (url: string, id: string) => `
  import { openPostgres } from ${compiled('connect/postgres')}
  import { runnerSteps } from ${compiled('compose/work')}
  import { pairSchema } from ${compiled('reconcile/pair')}
  import { postgresSide } from ${compiled('sides/postgres')}
  import { openStore } from ${compiled('store/open')}
  import { workRun } from ${compiled('work/runner')}
  const side = (name, url) => postgresSide(openPostgres({ name, url }))
  const steps = runnerSteps({
    store: await openStore(${JSON.stringify(url)}),
    owner: 'stopped',
    openPair: () => ({
      spec: pairSchema.parse(${JSON.stringify(slowly)}),
      source: side('source', ${JSON.stringify(copies.source.url)}),
      target: side('target', ${JSON.stringify(copies.target.url)}),
      verbs: { now: () => performance.now(), sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) },
    }),
    changed: async () => {},
    complain: (message, cause) => console.log(message, String(cause)),
  })
  await workRun(${JSON.stringify(id)}, steps, new AbortController().signal)
  process.exit(0)`

describe('a worker whose process is stopped', () => {
  let store: Store
  let url: string
  let drop: () => Promise<unknown>
  beforeAll(async () => {
    ;({ url, drop } = await storePlaces['a real PostgreSQL']())
    store = await openStore(url)
  })
  afterAll(async () => {
    await store?.close()
    await drop?.()
  })

  /** Stops a worker once so much of its run is seen, lets another end it, and lets the first go on. */
  async function stopped(at: (id: string) => Promise<boolean>, expire: (id: string) => Promise<unknown>) {
    const id = await newRun(store)
    const child = spawn(process.execPath, ['--input-type=module', '-e', script(url, id)], { stdio: 'pipe' })
    const said: string[] = []
    for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', (line) => said.push(line))
    try {
      while (!(await at(id))) if (child.exitCode !== null) throw new Error(said.join('\n'))
      child.kill('SIGSTOP')
      await expire(id)
      const other = worker(store, slowly)
      await workRun(id, other.steps, new AbortController().signal)
      expect(other.complaints).toEqual([])
      const [before, ids] = [await allOf(store, id), await writtenIds()]
      child.kill('SIGCONT')
      await once(child, 'close')
      expect(await allOf(store, id)).toEqual(before)
      expect(await writtenIds()).toEqual(ids)
      expect(new Set(ids).size).toBe(ids.length)
      expect(said).toContain(`A run was given up here. Fault: Run ${id} was taken over by another worker.`)
      return { id, ids, seen: await outcome(store, id) }
    } finally {
      child.kill('SIGKILL')
    }
  }

  it('while it reads, changes nothing of what the other has found and written', { timeout: 120_000 }, async () => {
    const whole = await newRun(store)
    await workRun(whole, worker(store, slowly).steps, new AbortController().signal)
    for (const slices of [1, 10, 30]) {
      await copies.target.sql.unsafe(fill(brokenName)).simple()
      const at = async (id: string) => (await allOf(store, id))[1]!.length >= slices
      const { seen, ids } = await stopped(at, (id) => endLease(store, id))
      expect(seen).toEqual(await outcome(store, whole))
      expect(ids.length).toBe(differing)
    }
  })

  it('while it writes, writes no row after its lease', { timeout: 120_000 }, async () => {
    const over = async (id: string) => {
      const [row] = await store.db.execute(sql`select lease_until < now() as over from runs where id = ${id}`)
      return row!.over === true
    }
    const { id, ids } = await stopped(
      async () => (await writtenIds()).length > 20,
      async (id) => {
        while (!(await over(id))) await new Promise((resolve) => setTimeout(resolve, 100))
      },
    )
    const states = await store.db.execute<{ id: number; state: string }>(sql`
      select (d.key ->> 0)::int as id, c.state from corrections c join differences d using (run_id, id)
      where run_id = ${id} order by 1`)
    expect(states.filter(({ state }) => state === 'applied').map((row) => row.id)).toEqual(ids)
    expect(new Set(states.map(({ state }) => state))).toEqual(new Set(['applied', 'interrupted']))
  })
})
