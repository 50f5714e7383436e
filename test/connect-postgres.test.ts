import { setTimeout as sleep } from 'node:timers/promises'
import postgres, { type Sql } from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openPostgres, type OpenPostgres, type Postgres } from '../server/connect/postgres.ts'
import { fragileLink } from './services/fragile-link.ts'
import { freePort } from './services/process.ts'
import { postgresServer, type TestDatabase } from './services/postgres.ts'

let database: TestDatabase
let admin: Sql
let open: Postgres[] = []
beforeAll(async () => {
  database = await (await postgresServer()).createDatabase('connect')
  admin = postgres(database.url, { max: 2, onnotice() {} })
  await admin`create table t (id int primary key, a text)`
})
afterEach(async () => {
  await Promise.all(open.map((client) => client.close()))
  open = []
})
afterAll(async () => {
  await admin.end()
  await database.drop()
})

const opened = (more: Partial<OpenPostgres> = {}) => {
  const client = openPostgres({ name: 'crm', url: database.url, ...more })
  open.push(client)
  return client
}
const one = { limits: { connections: 1 } }
const processOf = async (asker: Pick<Postgres, 'ask'>) => {
  const [row] = await asker.ask<{ pid: number }>('select pg_backend_pid() as pid')
  return row!.pid
}
/** A transaction has one time from its beginning to its end. */
const expectNoTransaction = async (db: Postgres) =>
  expect(await db.ask('select now()::text as at')).not.toEqual(await db.ask('select now()::text as at'))
const sessions = async () => {
  const [row] = await admin<[{ n: number }]>`select count(*)::int as n from pg_stat_activity
    where datname = current_database() and application_name = 'tallyman'`
  return row.n
}
const waits = async (what: string) => {
  const [row] = await admin<[{ n: number }]>`select count(*)::int as n from pg_stat_activity
    where datname = current_database() and state = 'active' and query like ${`${what}%`}`
  return row.n
}

describe('a session', () => {
  it('has the settings that comparing relies on, and the limits it was given', async () => {
    const db = opened({ limits: { statementTimeoutMs: 7_000, lockTimeoutMs: 300 } })
    const [row] = await db.ask(
      `select ${Object.keys(pinned)
        .map((name) => `current_setting('${name}') as "${name}"`)
        .join(', ')}`,
    )
    expect(row).toEqual(pinned)
  })
  const pinned = {
    application_name: 'tallyman',
    default_transaction_read_only: 'on',
    statement_timeout: '7s',
    lock_timeout: '300ms',
    idle_in_transaction_session_timeout: '7s',
    TimeZone: 'UTC',
    DateStyle: 'ISO, MDY',
    IntervalStyle: 'iso_8601',
    extra_float_digits: '1',
    bytea_output: 'hex',
    jit: 'off',
  }

  it('takes further settings from the query of its URL, but not the right to write', async () => {
    const url = `${database.url}?search_path=pg_catalog&default_transaction_read_only=off&sslmode=prefer`
    const [row] = await opened({ url }).ask(
      `select current_setting('search_path') as path, current_setting('default_transaction_read_only') as only`,
    )
    expect(row).toEqual({ path: 'pg_catalog', only: 'on' })
  })

  it('cannot write', async () => {
    await expect(opened().ask(`insert into t values (1, 'x')`)).rejects.toMatchObject({
      code: 'system_error',
      message: 'crm: cannot execute INSERT in a read-only transaction',
    })
  })

  it('runs one statement, never several', async () => {
    await expect(opened().ask('select 1; select 2')).rejects.toThrow('cannot insert multiple commands')
  })

  it('gives a number that is too long for JavaScript as text', async () => {
    expect(await opened().ask(`select 9007199254740993 as a, 1.10 as b, 1 as c, null as d`)).toEqual([
      { a: '9007199254740993', b: '1.10', c: 1, d: null },
    ])
  })
})

describe('a pool', () => {
  it('opens nothing before the first question, and never more sessions than its limit', async () => {
    const db = opened({ limits: { connections: 2 } })
    // Those of the test before may still be closing.
    await expect.poll(sessions).toBe(0)
    const all = await Promise.all(Array.from({ length: 12 }, () => processOf(db)))
    expect(new Set(all).size).toBeLessThanOrEqual(2)
    expect(await sessions()).toBeLessThanOrEqual(2)
  })

  it('closes its sessions, also one that is at work', async () => {
    const db = opened()
    const asked = db.ask('select pg_sleep(30)').catch((thrown: unknown) => thrown)
    await expect.poll(() => waits('select pg_sleep')).toBe(1)
    const began = performance.now()
    await db.close()
    expect(performance.now() - began).toBeLessThan(4_000)
    expect(await asked).toMatchObject({ code: 'system_unreachable', message: 'crm: no connection (CONNECTION_CLOSED)' })
    await expect(db.ask('select 1')).rejects.toThrow('crm: no connection (CONNECTION_ENDED)')
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where query like 'select pg_sleep(30)%'`
    await expect.poll(sessions).toBe(0)
  })

  it('counts what was asked and read', async () => {
    const db = opened()
    expect(db.traffic()).toEqual({ bytesRead: 0, queries: 0 })
    await db.ask(`select repeat('x', 100000) as a`)
    const { bytesRead, queries } = db.traffic()
    expect(bytesRead).toBeGreaterThan(100_000)
    expect(bytesRead).toBeLessThan(102_000)
    expect(queries).toBe(1)
    await db.transaction('read only', (tx) => tx.ask('select 1'))
    expect(db.traffic().queries).toBe(4)
  })
})

describe('a statement whose signal aborts', () => {
  const stop = () => {
    const control = new AbortController()
    return { signal: control.signal, abort: () => control.abort(new Error('enough')) }
  }

  it('is cancelled on the server, and its session serves the next one', async () => {
    const db = opened(one)
    const before = await processOf(db)
    const { signal, abort } = stop()
    const asked = db.ask('select pg_sleep(30)', [], signal)
    await expect.poll(() => waits('select pg_sleep')).toBe(1)
    abort()
    await expect(asked).rejects.toThrow('enough')
    expect(await waits('select pg_sleep')).toBe(0)
    expect(await processOf(db)).toBe(before)
  })

  it('is cancelled when it aborts at once', async () => {
    const db = opened(one)
    await db.ask('select 1')
    const { signal, abort } = stop()
    const asked = db.ask('select pg_sleep(30)', [], signal)
    abort()
    await expect(asked).rejects.toThrow('enough')
    expect(await waits('select pg_sleep')).toBe(0)
  })

  it('never takes the next statement of its session with it', async () => {
    const db = opened(one)
    for (let turn = 0; turn < 60; turn += 1) {
      const { signal, abort } = stop()
      const asked = db.ask(`select pg_sleep(0.0${turn % 10})`, [], signal).catch(() => [])
      setTimeout(abort, turn % 12)
      const next = db.ask<{ a: number }>('select 1 as a, pg_sleep(0.01)')
      await asked
      expect((await next)[0]!.a).toBe(1)
    }
  })

  it('waits for a free session no longer', async () => {
    const db = opened(one)
    const { signal, abort } = stop()
    const busy = db.ask('select pg_sleep(1)')
    const asked = db.ask('select 1', [], signal)
    await sleep(100)
    abort()
    const began = performance.now()
    await expect(asked).rejects.toThrow('enough')
    expect(performance.now() - began).toBeLessThan(200)
    await busy
    expect(await db.ask('select 1 as a')).toEqual([{ a: 1 }])
  })

  it('ends a stream, and the transaction it is in', async () => {
    const db = opened(one)
    const { signal, abort } = stop()
    const streamed = db.transaction('read only', async (tx) => {
      let rows = 0
      for await (const batch of tx.stream('select generate_series(1, 1000000000) as i', 1_000, signal)) {
        rows += batch.length
        if (rows === 5_000) abort()
      }
    })
    await expect(streamed).rejects.toThrow('enough')
    await expectNoTransaction(db)
  })
})

describe('a transaction', () => {
  it('is one session and one moment', async () => {
    const db = opened({ limits: { connections: 2 } })
    await db.transaction('isolation level repeatable read read only', async (tx) => {
      const count = async () => (await tx.ask<{ n: number }>('select count(*)::int as n from t'))[0]!.n
      expect(await count()).toBe(0)
      await admin`insert into t values (1, 'a')`
      expect(await count()).toBe(0)
      expect(await processOf(tx)).toBe(await processOf(tx))
    })
    expect(await db.ask('select count(*)::int as n from t')).toEqual([{ n: 1 }])
    await admin`delete from t`
  })

  it('throws on what its work throws, and leaves its session free of it', async () => {
    const db = opened(one)
    const work = db.transaction('read only', async (tx) => {
      await tx.ask('select 1')
      throw new RangeError('mine')
    })
    await expect(work).rejects.toThrow(new RangeError('mine'))
    await expect(db.transaction('read only', (tx) => tx.ask('select nothing'))).rejects.toMatchObject({
      code: 'thing_missing',
    })
    await expectNoTransaction(db)
  })

  it('answers statements asked side by side one after the other', async () => {
    const db = opened(one)
    const answers = await db.transaction('read only', (tx) =>
      Promise.all([1, 2, 3].map((n) => tx.ask<{ n: number }>(`select ${n} as n, pg_sleep(0.02)`))),
    )
    expect(answers.map(([row]) => row!.n)).toEqual([1, 2, 3])
  })

  it.each([0, 1, 999, 1_000, 1_001, 5_000])('streams %i rows in batches', async (rows) => {
    const sizes: number[] = []
    await opened(one).transaction('read only', async (tx) => {
      for await (const batch of tx.stream<{ i: number }>(`select i from generate_series(1, ${rows}) i`, 1_000)) {
        expect(batch[0]!.i).toBe(sizes.reduce((sum, size) => sum + size, 0) + 1)
        sizes.push(batch.length)
      }
      expect(await tx.ask('select 1 as a')).toEqual([{ a: 1 }])
    })
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(rows)
    expect(Math.max(0, ...sizes)).toBeLessThanOrEqual(1_000)
  })

  it('may leave a stream before its end', async () => {
    const db = opened(one)
    await db.transaction('read only', async (tx) => {
      for await (const batch of tx.stream('select generate_series(1, 1000000000) as i', 10)) if (batch.length > 0) break
      expect(await tx.ask('select 1 as a')).toEqual([{ a: 1 }])
    })
    // Left open by one who is not there any more to close it.
    const work = db.transaction('read only', async (tx) => {
      await tx.stream('select generate_series(1, 1000000000) as i', 10)[Symbol.asyncIterator]().next()
      throw new Error('mine')
    })
    await expect(work).rejects.toThrow('mine')
    expect(await db.ask('select 1 as a')).toEqual([{ a: 1 }])
  })

  it('says what is wrong with a statement that it streams', async () => {
    const db = opened(one)
    const work = db.transaction('read only', async (tx) => {
      for await (const batch of tx.stream('select 1 / (5 - i) as a from generate_series(1, 9) i', 2)) void batch
    })
    await expect(work).rejects.toThrow('crm: division by zero')
    expect(await db.ask('select 1 as a')).toEqual([{ a: 1 }])
  })
})

describe('a connection that the server ends', () => {
  const lost =
    /^crm: (no connection \((CONNECTION_CLOSED|ECONNRESET|EPIPE)\)|terminating connection due to administrator command)$/
  const end = (pid: number) => admin`select pg_terminate_backend(${pid})`

  it('while nobody uses it is not handed out again', async () => {
    const db = opened(one)
    await end(await processOf(db))
    await sleep(50)
    expect(await db.ask('select 1 as a')).toEqual([{ a: 1 }])
  })

  it('in the middle of a statement ends that one alone', async () => {
    const db = opened(one)
    const [first, second] = [db.ask('select pg_sleep(30)'), db.ask('select 1 as a')]
    await expect.poll(() => waits('select pg_sleep')).toBe(1)
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'`
    await expect(first).rejects.toMatchObject({
      code: 'system_unreachable',
      message: expect.stringMatching(lost) as string,
    })
    expect(await second).toEqual([{ a: 1 }])
  })

  it('in the middle of a transaction ends everything that waits in it', async () => {
    const db = opened(one)
    for (let turn = 0; turn < 20; turn += 1) {
      const thrown: unknown[] = []
      const work = db.transaction('read only', async (tx) => {
        const pid = await processOf(tx)
        const all = Array.from({ length: 5 }, () =>
          tx.ask('select pg_sleep(0.02)').catch((one: unknown) => thrown.push(one)),
        )
        const stream = (async () => {
          for await (const batch of tx.stream('select generate_series(1, 1000000000) as i', 100)) void batch
        })().catch((one: unknown) => thrown.push(one))
        await sleep(turn * 7)
        await end(pid)
        await Promise.all([...all, stream])
      })
      await expect(work).rejects.toMatchObject({ code: 'system_unreachable' })
      expect(thrown.length).toBeGreaterThan(0)
      for (const each of thrown) expect((each as Error).message).toMatch(lost)
      expect(await db.ask('select 1 as a')).toEqual([{ a: 1 }])
    }
  })
})

describe('a connection that breaks on the way', () => {
  // A link breaks after what was sent the first time, the second time, …: at the start, in a transaction, in a stream.
  it('whenever it does, ends what was asked, and the next is answered', async () => {
    const link = await fragileLink(database.url)
    const db = opened({ url: link.through(database.url), ...one })
    let whole = 0
    for (let turn = 0; whole < 3; turn += 1) {
      const cut = link.cutAfter(1 + turn)
      const work = db.transaction('read only', async (tx) => {
        await tx.ask('select 1')
        for await (const batch of tx.stream('select generate_series(1, 25) as i', 10)) void batch
      })
      const outcome = await work.catch((thrown: unknown) => thrown)
      if (outcome !== undefined) expect(outcome).toMatchObject({ code: 'system_unreachable' })
      else whole += 1
      link.cut()
      await cut
      link.mend()
      // Time to notice that the idle one is gone.
      await sleep(50)
      expect(await db.ask('select 1 as a')).toEqual([{ a: 1 }])
    }
    await link.stop()
  })

  it('and says nothing of it, is given up by a signal all the same', async () => {
    const link = await fragileLink(database.url)
    const db = opened({ url: link.through(database.url), ...one })
    await db.ask('select 1')
    const control = new AbortController()
    link.silence()
    const asked = db.ask('select 1', [], control.signal)
    control.abort(new Error('enough'))
    const began = performance.now()
    await expect(asked).rejects.toThrow('enough')
    expect(performance.now() - began).toBeLessThan(7_000)
    link.mend()
    expect(await db.ask('select 1 as a')).toEqual([{ a: 1 }])
    await link.stop()
  })
})

describe('a writer', () => {
  it('writes, and says how many rows it wrote', async () => {
    const writer = opened().writable()
    expect(await writer.write(`insert into t select i, $1 from generate_series(1, 3) i`, ['x'])).toBe(3)
    expect(await writer.write(`update t set a = $1::text where a is distinct from $1::text`, [null])).toBe(3)
    expect(await writer.write(`delete from t where id > 9`, [])).toBe(0)
  })

  it('throws what the server says, and whether it went on after it', async () => {
    const writer = opened({ limits: { connections: 1 } }).writable()
    await expect(writer.write(`insert into t values (1, 'x')`, [])).rejects.toMatchObject({
      code: '23505',
      severity: 'ERROR',
    })
    const ended = writer.write('select pg_terminate_backend(pg_backend_pid())', [])
    await expect(ended).rejects.not.toHaveProperty('severity', 'ERROR')
    expect(await writer.write(`update t set a = 'y' where id = 1`, [])).toBe(1)
  })
})

describe('a server that cannot be reached', () => {
  it.each([
    [
      'does not run',
      () => freePort().then((port) => `postgres://a:hunter2@127.0.0.1:${port}/b`),
      'system_unreachable',
      'no connection (ECONNREFUSED)',
    ],
    ['has no such database', async () => `${database.url}_not`, 'thing_missing', 'does not exist'],
    [
      'does not know the login',
      async () => database.url.replace('postgres@', 'nobody_here:hunter2@'),
      'system_auth',
      'nobody_here',
    ],
    [
      'has no TLS',
      async () => `${database.url}?sslmode=require`,
      'system_error',
      'The server does not support SSL connections',
    ],
  ])('because it %s is told so', async (_, url, code, words) => {
    const thrown = await opened({ url: await url() })
      .ask('select 1')
      .catch((one: unknown) => one)
    expect(thrown).toMatchObject({ code, message: expect.stringContaining(words) as string })
    expect(String(thrown)).not.toContain('hunter2')
  })
})
