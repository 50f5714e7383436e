import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Fault } from '../server/fault.ts'
import { sliceOf, judged, alertRecord, noticeTo, resultOf, runRequest } from './store-rows.ts'
import { alertRow, alertRows, acknowledgeAlert } from '../server/store/alerts.ts'
import { allDues, keepDues, setDue } from '../server/store/dues.ts'
import type { Journal } from '../server/reconcile/journal.ts'
import type { Claim } from '../server/store/claim.ts'
import { proposedAmong, runJournal } from '../server/store/journal.ts'
import { openStore, type Store } from '../server/store/open.ts'
import { channelTotals, noticesDue, outbox } from '../server/store/outbox.ts'
import { tidy } from '../server/store/retention.ts'
import { allDifferences, differencePage } from '../server/store/difference-reads.ts'
import { runDetail, runRows } from '../server/store/run-reads.ts'
import {
  cancelRun,
  claimRun,
  endRun,
  releaseRun,
  renewRun,
  requestRun,
  runsToWork,
  storedRun,
} from '../server/store/runs.ts'
import { sampleBuckets, silences, stateBuckets } from '../server/store/series.ts'
import { noteAbsence, noteStates } from '../server/store/states.ts'
import { addToken, anyToken, tokenBySha256 } from '../server/store/tokens.ts'
import { recallTurns, recordTurn } from '../server/store/turns.ts'
import { postgresServer } from './services/postgres.ts'
import { storePlaces } from './stores.ts'

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1_000)
const nobody = { address: () => [] }
const planned = {
  method: 'native',
  strategy: 'range',
  fingerprint: 'f',
  columns: [],
  notes: [],
  rowsEstimate: 9,
} as const

describe.each(Object.entries(storePlaces))('the store on %s', (_, place) => {
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

  describe('what a turn leaves behind', () => {
    const check = {
      id: 'orders.table-lag',
      pipeline: 'orders',
      probe: 'table-lag',
      lastRunAt: at(10),
      lastSuccessAt: at(5),
      tookMs: 12.5,
      answered: false,
      fault: new Fault('system_timeout', 'It took too long.', { hint: 'Wait.' }),
      readings: [{ metric: 'lag_records', value: 3 }],
      runs: 7,
      failures: { system_timeout: 2 },
      skipped: {},
    }

    it('comes back as it was, faults and dates included', async () => {
      const observation = { check: check.id, at: at(10), tookMs: 12.5, answered: false as const, fault: check.fault }
      const alert = alertRecord({ check: check.id, incident: 'i-1', status: 'firing' })
      await recordTurn(store.db, { observation, check, samples: [], hops: [], alerts: [alert], notices: [] }, nobody)

      const remembered = await recallTurns(store.db, [check.id])
      expect(remembered.checks).toEqual([check])
      expect(remembered.checks[0]!.fault).toMatchObject({ code: 'system_timeout', hint: 'Wait.' })
      expect(remembered.alerts).toEqual([alert])
    })

    it('is all or nothing: a number that is none takes the whole turn with it', async () => {
      const before = await recallTurns(store.db, ['all.or-nothing'])
      const samples = [{ check: 'all.or-nothing', metric: 'x', at: at(1), value: Number.NaN }]
      const turn = { check: { ...check, id: 'all.or-nothing' }, samples, hops: [], alerts: [], notices: [] }
      await expect(recordTurn(store.db, turn, nobody)).rejects.toThrow()
      expect(await recallTurns(store.db, ['all.or-nothing'])).toEqual(before)
    })

    it('puts a notice into the outbox once, however often the turn is taken again', async () => {
      const alert = alertRecord({ check: 'n.check', incident: 'i-2', status: 'firing' })
      const turned = { id: 'i-2.fired', event: 'fired' as const, at: at(20), alert, connections: [] }
      const turn = { samples: [], hops: [], alerts: [alert], notices: [turned] }
      const ports = { address: () => [noticeTo('ops', 'i-2', 'fired', at(20))] }
      expect(await recordTurn(store.db, turn, ports)).toEqual(['i-2.fired.ops'])
      await recordTurn(store.db, turn, ports)
      expect(await noticesDue(store.db, at(30), 10)).toEqual(['i-2.fired.ops'])
    })

    it('tells whoever addresses a resolve which channels heard the fire', async () => {
      const alert = alertRecord({ check: 'n.check', incident: 'i-2', status: 'quiet' })
      const turned = { id: 'i-2.resolved', event: 'resolved' as const, at: at(40), alert, connections: [] }
      let heard: readonly string[] = []
      const address = (_: unknown, firedTo: readonly string[]) => {
        heard = firedTo
        return [noticeTo('ops', 'i-2', 'resolved', at(40))]
      }
      await recordTurn(store.db, { samples: [], hops: [], alerts: [alert], notices: [turned] }, { address })
      expect(heard).toEqual(['ops'])
      expect(await alertRow(store.db, 'i-2')).toMatchObject({
        status: 'resolved',
        notices: [{ event: 'fired' }, { event: 'resolved' }],
      })
    })
  })

  describe('the outbox', () => {
    it('hands a whole line to one mover at a time, in order', async () => {
      const box = outbox(store.db)
      const line = await box.claim('i-2.resolved.ops', 60_000)
      expect(line?.map(({ notice, state }) => `${notice.event} ${state}`)).toEqual([
        'fired waiting',
        'resolved waiting',
      ])
      expect(await box.claim('i-2.fired.ops', 60_000)).toBeUndefined()

      await box.failed(['i-2.fired.ops'], { error: 'answered 500', nextAt: at(60) })
      expect((await box.claim('i-2.fired.ops', 60_000))?.[0]).toMatchObject({ attempts: 1, nextAt: at(60) })
      await box.delivered(['i-2.fired.ops', 'i-2.resolved.ops'], at(70))
      expect(await noticesDue(store.db, at(90), 10)).toEqual([])
      expect(await channelTotals(store.db)).toEqual([{ channel: 'ops', sent: 2, failed: 1, waiting: 0 }])
    })
  })

  describe('alerts', () => {
    it('are acknowledged by the first who says so', async () => {
      const who = { incident: 'i-1', comment: 'on it', at: at(100) }
      await acknowledgeAlert(store.db, { ...who, actor: 'ada' })
      await expect(acknowledgeAlert(store.db, { ...who, actor: 'bob' })).rejects.toThrow(
        'ada has acknowledged it already.',
      )
      expect((await alertRow(store.db, 'i-1'))?.acknowledged).toEqual({ by: 'ada', at: at(100), comment: 'on it' })
    })

    it('lists open ones and those that are over', async () => {
      const rows = await alertRows(store.db, { recentMax: 5 })
      expect(rows.map(({ id, status }) => [id, status])).toEqual([
        ['i-1', 'firing'],
        ['i-2', 'resolved'],
      ])
    })

    it('keeps the acknowledgement when the next turn writes the alert again', async () => {
      const alert = alertRecord({ check: 'orders.table-lag', incident: 'i-1', status: 'recovering' })
      await recordTurn(store.db, { samples: [], hops: [], alerts: [alert], notices: [] }, nobody)
      expect((await alertRow(store.db, 'i-1'))?.acknowledged?.by).toBe('ada')
    })
  })

  describe('numbers over time', () => {
    const keys = [{ check: 's.check', metric: 'lag_seconds' }]
    const now = new Date()
    const ago = (seconds: number) => new Date(now.getTime() - seconds * 1_000)

    it('keep their least, greatest and last value in each part', async () => {
      const samples = [300, 290, 280, 120].map((seconds, index) => ({
        ...keys[0]!,
        at: ago(seconds),
        value: [5, 9, 2, 7][index]!,
      }))
      await recordTurn(store.db, { samples, hops: [], alerts: [], notices: [] }, nobody)
      const parts = await sampleBuckets(store.db, { keys, from: ago(600), to: now, bucketMs: 3_600_000, now })
      expect(
        parts.reduce((all, { min, max }) => ({ min: Math.min(all.min, min), max: Math.max(all.max, max) }), {
          min: 99,
          max: 0,
        }),
      ).toEqual({ min: 2, max: 9 })
      expect(parts.at(-1)).toMatchObject({ last: 7 })
    })

    it('fold into minutes and hours that say the same', async () => {
      await tidy(store.db)
      await tidy(store.db)
      const [{ sum, rows }] = (await store.db.execute(
        sql`select sum(sum)::float8 as sum, sum(count)::int as rows from rollups where check_id = 's.check' and step_seconds = 60`,
      )) as unknown as [{ sum: number; rows: number }]
      expect({ sum: Number(sum), rows: Number(rows) }).toEqual({ sum: 23, rows: 4 })
    })

    it('tell silences from the first to the next answer', async () => {
      const seen = (seconds: number, answered: boolean) => ({
        observation: answered
          ? { check: 'q.check', at: at(seconds), tookMs: 1, answered, readings: [] }
          : {
              check: 'q.check',
              at: at(seconds),
              tookMs: 1,
              answered,
              fault: new Fault('probe_timeout', 'late', { hint: '' }),
            },
        samples: [],
        hops: [],
        alerts: [],
        notices: [],
      })
      for (const [seconds, answered] of [
        [0, true],
        [10, false],
        [20, false],
        [30, true],
        [40, false],
      ] as const) {
        await recordTurn(store.db, seen(seconds, answered) as Parameters<typeof recordTurn>[1], nobody)
      }
      expect(await silences(store.db, { checks: ['q.check'], from: at(0), to: at(100) })).toEqual([
        { check: 'q.check', from: at(10), to: at(30), message: 'late' },
        { check: 'q.check', from: at(40), to: at(40), message: 'late' },
      ])
    })

    it('draw a strip with the worst state of each part, carried over where nothing changed', async () => {
      const change = (seconds: number, state: 'ok' | 'warn' | 'crit') => ({ pipeline: 'strip', at: at(seconds), state })
      await noteStates(store.db, [change(-50, 'ok'), change(12, 'crit'), change(14, 'ok'), change(31, 'warn')])
      const parts = await stateBuckets(store.db, {
        from: at(0),
        bucketMs: 10_000,
        buckets: 10,
        now: at(45),
        pipeline: 'strip',
      })
      expect(parts.map(({ bucket, state }) => `${bucket} ${state}`)).toEqual([
        '0 ok',
        '1 crit',
        '2 ok',
        '3 warn',
        '4 warn',
      ])
    })
  })

  it('leaves the time nobody watched empty in a strip', async () => {
    const states = () => store.db.execute(sql`select state from pipeline_states where pipeline_id = 'left' order by at`)
    await noteStates(store.db, [{ pipeline: 'left', at: at(-3_600), state: 'ok' }])
    await noteAbsence(store.db)
    await noteAbsence(store.db)
    expect((await states()).map(({ state }) => state)).toEqual(['ok', 'unmeasured'])
  })

  describe('runs', () => {
    it('are refused while one of the pair is under way, and once an occasion', async () => {
      const first = runRequest('customers', { occasion: '2026-01-01 02:00' })
      expect(await requestRun(store.db, first)).toBe(first.id)
      expect(await requestRun(store.db, runRequest('customers', { occasion: '2026-01-01 02:00' }))).toBeUndefined()
      await expect(requestRun(store.db, runRequest('customers'))).rejects.toMatchObject({ code: 'conflict' })
      await cancelRun(store.db, first.id, 'ada')
      await expect(cancelRun(store.db, first.id, 'ada')).rejects.toMatchObject({ code: 'conflict' })
      await expect(cancelRun(store.db, randomUUID(), 'ada')).rejects.toMatchObject({ code: 'not_found' })
    })

    it('are held by one worker at a time, and taken over when its lease ends', async () => {
      const { id } = runRequest('leased')
      await requestRun(store.db, { ...runRequest('leased'), id })
      const one = (await claimRun(store.db, id, 'one', 60_000))!
      expect(one).toMatchObject({ id, state: 'running' })
      expect(await claimRun(store.db, id, 'two', 60_000)).toBeUndefined()
      expect(await claimRun(store.db, id, 'one', 60_000)).toBeUndefined()
      expect(await renewRun(store.db, one, 1, undefined)).toEqual({ held: true })
      await new Promise((resolve) => setTimeout(resolve, 30))
      expect(await runsToWork(store.db, 10)).toEqual([{ id, state: 'running' }])
      const two = (await claimRun(store.db, id, 'one', 60_000))!
      expect(two).toMatchObject({ id })
      expect(await renewRun(store.db, one, 50, undefined)).toEqual({ held: false })
      await cancelRun(store.db, id, 'ada')
      expect(await renewRun(store.db, two, 50, undefined)).toEqual({ held: true, cancelBy: 'ada' })
      const cancelled = { state: 'cancelled', fault: { code: 'cancelled', message: '', hint: '' } } as const
      expect(await endRun(store.db, one, cancelled)).toBe('lost')
      expect(await endRun(store.db, two, cancelled)).toBe('ended')
      expect((await runRows(store.db, { pair: 'leased', limit: 5 }))[0]).toMatchObject({
        state: 'cancelled',
        verdict: 'unknown',
      })
    })

    it('find their checkpoint again, without what was kept of a slice that is read again', async () => {
      const request = runRequest('journalled')
      await requestRun(store.db, request)
      const journal = runJournal(store.db, (await claimRun(store.db, request.id, 'one', 60_000))!)
      expect(await journal.recall()).toBeUndefined()
      await journal.plan({
        ...planned,
        intervals: [{ from: '0', to: '18' }],
      })
      await journal.keep(0, [judged('b', 'changed')])
      expect(await journal.recall()).toMatchObject({ kept: 0, begun: [0], slices: [] })
      await journal.forget([0])
      await journal.keep(0, [judged('a', 'missing')])
      await journal.slice(sliceOf(0), [judged('c', 'extra')], 1_500.5)
      expect(await journal.recall()).toMatchObject({
        kept: 2,
        begun: [],
        readMs: 1_500.5,
        compared: false,
        slices: [{ ordinal: 0 }],
      })
      expect(await differencePage(store.db, request.id, { offset: 0, limit: 10 })).toMatchObject({
        total: 2,
        rows: [{ id: 'a' }, { id: 'c' }],
      })
      expect(await differencePage(store.db, request.id, { offset: 0, limit: 10, kind: 'extra' })).toMatchObject({
        total: 1,
      })
      const within = async (from?: string, to?: string) => {
        const filter = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
        const page = await differencePage(store.db, request.id, { offset: 0, limit: 10, ...filter })
        const ids = []
        for await (const batch of allDifferences(store.db, request.id, filter)) ids.push(...batch.map(({ id }) => id))
        expect(page).toMatchObject({ total: ids.length, rows: ids.map((id) => ({ id })) })
        return ids
      }
      expect(await within('1', '2')).toEqual(['c'])
      expect(await within('0', '0')).toEqual(['a'])
      expect(await within('3')).toEqual([])
      expect(await within(undefined, '99999999999999999999')).toEqual(['a', 'c'])
      await journal.plan({ ...planned, strategy: 'hash', intervals: [] })
      expect(await within('0', '0')).toEqual(['a', 'c'])
      expect(await within('1')).toEqual([])
      await journal.plan({ ...planned, intervals: [{ from: '0', to: '18' }] })
      expect(await runDetail(store.db, request.id)).toMatchObject({
        slices: [{ state: 'differing' }, { state: 'pending' }],
        actions: { insert: 1, hold: 1 },
      })

      expect(await journal.open('proposed', 'nobody')).toBe(1)
      expect(await journal.open('proposed', 'nobody')).toBe(1)
      expect(await journal.recall()).toMatchObject({ compared: true })
      expect((await proposedAmong(store.db, request.id, 'all')).map(({ id }) => id)).toEqual(['a'])
      let streamed = 0
      for await (const batch of allDifferences(store.db, request.id)) streamed += batch.length
      expect(streamed).toBe(2)
    })

    it('take nothing from a worker that another has followed, nor from one that has let go', async () => {
      const asked = runRequest('followed')
      await requestRun(store.db, asked)
      const one = (await claimRun(store.db, asked.id, 'one', 0))!
      const told = { on: 'target', action: 'insert', key: ['0'], before: null, after: {}, reason: '', by: 'x' } as const
      const writes = (journal: Journal) => [
        () => journal.plan({ ...planned, intervals: [{ from: '0', to: '18' }] }),
        () => journal.keep(1, [judged('c', 'extra')]),
        () => journal.slice(sliceOf(0), [judged('a', 'missing')], 1),
        () => journal.slice({ ...sliceOf(1), state: 'unknown' }, [], 1),
        () => journal.guards([]),
        () => journal.open('approved', 'x'),
        () =>
          journal.advance([
            { id: 'a', from: 'approved', to: 'applying', message: null, audit: { event: 'applying', ...told } },
          ]),
        () => journal.forget([1]),
      ]
      // The end of its lease alone takes nothing from it.
      for (const write of writes(runJournal(store.db, one))) await write()
      const two = (await claimRun(store.db, asked.id, 'one', 0))!
      await runJournal(store.db, two).keep(1, [judged('d', 'extra')])
      const written = async () => {
        const tables = [
          'runs where id',
          ...['slices', 'differences', 'decisions', 'corrections', 'audits'].map((t) => `${t} where run_id`),
        ]
        return Promise.all(
          tables.map((table) => store.db.execute(sql`select * from ${sql.raw(table)} = ${asked.id} order by 1, 2`)),
        )
      }
      const refused = async (claim: Claim) => {
        const before = await written()
        expect(before.map((rows) => rows.length)).toEqual([1, 1, 2, 2, 1, 1])
        const message = `Run ${asked.id} was taken over by another worker.`
        for (const write of writes(runJournal(store.db, { ...claim, pairId: 'followed' })))
          await expect(write()).rejects.toMatchObject({ code: 'conflict', message })
        expect(await written()).toEqual(before)
      }
      await refused(one)
      await releaseRun(store.db, one)
      expect(await renewRun(store.db, two, 60_000, undefined)).toEqual({ held: true })
      await releaseRun(store.db, two)
      await refused(two)
    })

    it('move a correction only from the state it is in, with its audit in the same breath', async () => {
      const [run] = await runRows(store.db, { pair: 'journalled', limit: 1 })
      const journal = runJournal(store.db, (await storedRun(store.db, run!.id))!)
      const audit = {
        event: 'approved',
        on: 'target',
        action: 'insert',
        key: ['1'],
        before: null,
        after: {},
        reason: '',
        by: 'ada',
      } as const
      const step = { id: 'a', from: 'proposed', to: 'approved', message: null, audit } as const
      expect([...(await journal.advance([step]))]).toEqual(['a'])
      expect([...(await journal.advance([step]))]).toEqual([])
      expect(await journal.tally()).toEqual({ approved: 1 })
      expect(await journal.corrections('approved', 'insert', 10)).toMatchObject([{ id: 'a', decidedBy: 'ada' }])
      const audits = await store.db.execute(sql`select event, actor from audits where run_id = ${run!.id}`)
      expect([...audits]).toEqual([{ event: 'approved', actor: 'ada' }])
    })

    it('show where in the key space their differences lie', async () => {
      const [run] = await runRows(store.db, { pair: 'journalled', limit: 1 })
      const { buckets } = (await runDetail(store.db, run!.id))!
      expect(buckets).toHaveLength(19)
      expect(buckets![0]).toEqual({
        from: '0',
        to: '0',
        state: 'differing',
        counts: { missing: 1, extra: 0, changed: 0 },
        more: false,
        covered: 1,
      })
      expect(buckets![1]).toMatchObject({ state: 'verified' })
      expect(buckets![2]).toMatchObject({ state: 'differing', counts: { extra: 1 } })
      expect(buckets!.at(-1)).toMatchObject({ to: '18', state: 'pending' })
    })

    it('take back what an older run of the pair still proposes, and say so in the audit', async () => {
      const [older, newer] = [runRequest('superseded'), runRequest('superseded')]
      for (const { id } of [older, newer]) {
        await requestRun(store.db, { ...runRequest('superseded'), id })
        const taken = (await claimRun(store.db, id, 'one', 60_000))!
        const journal = runJournal(store.db, taken)
        await journal.plan({ ...planned, intervals: [{ from: '0', to: '9' }] })
        await journal.slice(sliceOf(0), [judged('a', 'missing')], 1)
        await journal.open('proposed', 'nobody')
        await endRun(store.db, taken, { state: 'waiting', result: resultOf(id) })
      }
      expect(await runRows(store.db, { pair: 'superseded', limit: 2 })).toMatchObject([
        { id: newer.id, state: 'waiting', proposed: 1 },
        { id: older.id, state: 'done', proposed: 0 },
      ])
      const audits = await store.db.execute(sql`select event, actor from audits where run_id = ${older.id}`)
      expect([...audits]).toEqual([{ event: 'rejected', actor: 'a newer run' }])
    })

    it('leave an audit nobody can change', async () => {
      await expect(store.db.execute(sql`update audits set actor = 'eve'`)).rejects.toMatchObject({
        cause: { message: 'audits are append-only' },
      })
      await expect(store.db.execute(sql`delete from audits`)).rejects.toMatchObject({
        cause: { message: 'audits are append-only' },
      })
    })
  })

  it('remembers when pairs are due, and moves a due time on once', async () => {
    const due = { pairId: 'p', schedule: '0 2 * * * UTC', at: at(0), occasion: '2026-01-01 00:00' }
    await setDue(store.db, due)
    expect(await setDue(store.db, { ...due, at: at(60) }, at(0))).toBe(true)
    expect(await setDue(store.db, { ...due, at: at(60) }, at(0))).toBe(false)
    expect(await allDues(store.db)).toMatchObject([{ pairId: 'p', at: at(60) }])
    await keepDues(store.db, [])
    expect(await allDues(store.db)).toEqual([])
  })

  it('finds a token by its hash alone', async () => {
    expect(await anyToken(store.db)).toBe(false)
    await addToken(store.db, { hash: 'ab12', name: 'ci', role: 'viewer' })
    expect(await anyToken(store.db)).toBe(true)
    expect(await tokenBySha256(store.db, 'ab12')).toMatchObject({ name: 'ci', role: 'viewer' })
    expect(await tokenBySha256(store.db, 'ab13')).toBeUndefined()
  })
})

describe('a store that several processes open at once', () => {
  it('is migrated by one of them and ready for all', async () => {
    const database = await (await postgresServer()).createDatabase('migrate')
    const stores = await Promise.all([1, 2, 3].map(() => openStore(database.url)))
    await Promise.all(stores.map((store) => store.ping()))
    await Promise.all(stores.map((store) => store.close()))
    await database.drop()
  })
})

describe('a store that is not there', () => {
  it('says so without the password of its address', async () => {
    const opening = openStore('postgres://ada:s3cret@127.0.0.1:1/none')
    await expect(opening).rejects.toMatchObject({
      code: 'store_unavailable',
      message: 'The store did not answer: ECONNREFUSED',
    })
  })
})
