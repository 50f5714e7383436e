import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { channelSchema } from '../server/notify/channel.ts'
import { deliver, nextAttempt } from '../server/notify/deliver.ts'
import type { Entry, Outbox } from '../server/notify/deliver.ts'
import { addressed, dedupKeyOf, receivers } from '../server/notify/notice.ts'
import type { Notice, NoticeContent } from '../server/notify/notice.ts'

const start = Date.parse('2026-03-01T10:00:00Z')
const after = (seconds: number) => new Date(start + seconds * 1_000)

const content: NoticeContent = {
  incident: 'i-1',
  rule: 'customers.lag.lag_seconds.crit',
  pipeline: 'customers',
  pipelineTitle: 'CRM customers to billing',
  kind: 'value',
  event: 'fired',
  severity: 'crit',
  dedupKey: dedupKeyOf({ rule: 'customers.lag.lag_seconds.crit', since: after(0), severity: 'crit' }),
  at: after(0),
  since: after(0),
  what: 'The lag is 412 s.',
  owner: 'team-crm',
  links: {},
}
const fire: Notice = { ...content, id: 'fire', channel: 'ops' }
const resolve: Notice = { ...content, id: 'resolve', channel: 'ops', event: 'resolved', at: after(180) }

/** An outbox in memory that leases by line, as the store does. */
function memoryOutbox() {
  const rows = new Map<string, Entry & { error?: string }>()
  const leased = new Map<string, Date>()
  const lineOf = ({ incident, channel }: Notice) => `${incident} ${channel}`
  const free = (id: string) => leased.delete(lineOf(rows.get(id)!.notice))
  const clock = { now: after(0) }
  const outbox: Outbox = {
    async claim(id, leaseMs) {
      const row = rows.get(id)
      const until = row && leased.get(lineOf(row.notice))
      if (!row || (until && until > clock.now)) return undefined
      leased.set(lineOf(row.notice), new Date(clock.now.getTime() + leaseMs))
      return [...rows.values()].filter(({ notice }) => lineOf(notice) === lineOf(row.notice))
    },
    async delivered(ids) {
      for (const id of ids) rows.set(id, { ...rows.get(id)!, state: 'delivered' })
      free(ids[0]!)
    },
    async failed(ids, { error, nextAt }) {
      for (const id of ids) {
        const row = rows.get(id)!
        rows.set(id, { ...row, attempts: row.attempts + 1, error, nextAt, state: nextAt ? 'waiting' : 'dead' })
      }
      free(ids[0]!)
    },
    async release(id) {
      free(id)
    },
  }
  const add = (notice: Notice) => rows.set(notice.id, { notice, state: 'waiting', attempts: 0 })
  return { outbox, rows, add, clock }
}

let server: Server | undefined
afterEach(() => {
  server?.closeAllConnections()
  server?.close()
})

type Answer = number | 'drop' | 'hang'

/** A receiver that answers the list in order, then 200; tells `event id` of each delivery, `*` when it was refused. */
async function receiver(...answers: Answer[]) {
  const heard: string[] = []
  server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { tallyman } = JSON.parse(Buffer.concat(chunks).toString())
      const answer = answers.shift() ?? 200
      const told = `${tallyman.collapsed ? 'fired and resolved' : tallyman.event} ${request.headers['x-tallyman-delivery']}`
      heard.push(answer === 200 ? told : `${told} *`)
      if (answer === 'drop') response.destroy()
      else if (answer !== 'hang') response.writeHead(answer).end()
    })
  })
  await new Promise<void>((listening) => server!.listen(0, '127.0.0.1', listening))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, heard }
}

/** An outbox that moves to one receiver, on a clock set by hand. */
async function line(...answers: Answer[]) {
  const { url, heard } = await receiver(...answers)
  const memory = memoryOutbox()
  const ops = channelSchema.parse({ webhook: { url, timeout: '500ms' } }).open('ops')
  const signal = new AbortController().signal
  const call = (id: string, at: Date) => {
    memory.clock.now = at
    const channel = (name: string) => (name === 'ops' ? ops : undefined)
    return deliver(id, { outbox: memory.outbox, channel, signal, fetch, now: () => at })
  }
  return { ...memory, heard, call }
}

describe('a notice whose receiver has trouble', () => {
  it('is sent again under the same id until it is taken', async () => {
    const { add, call, heard, rows } = await line(500, 'drop', 'hang')
    add(fire)
    let at = after(0)
    for (const waitS of [5, 10, 20]) {
      const step = await call('fire', at)
      expect(step).toMatchObject({ state: 'waiting', until: new Date(at.getTime() + waitS * 1_000) })
      at = new Date(at.getTime() + waitS * 1_000)
    }
    expect(await call('fire', at)).toEqual({ state: 'delivered', noticeIds: ['fire'] })
    expect(heard).toEqual(['fired fire *', 'fired fire *', 'fired fire *', 'fired fire'])
    expect(rows.get('fire')).toMatchObject({ state: 'delivered', error: 'no answer within 500 ms' })
  })

  it('is not sent before its time, however often it is asked for', async () => {
    const { add, call, heard } = await line(500)
    add(fire)
    await call('fire', after(0))
    expect(await call('fire', after(4))).toEqual({ state: 'waiting', noticeId: 'fire', until: after(5) })
    expect(await call('fire', after(5))).toMatchObject({ state: 'delivered' })
    expect(heard).toHaveLength(2)
  })

  it('is sent once when two movers ask at the same time', async () => {
    const { add, call, heard } = await line()
    add(fire)
    const steps = await Promise.all([call('fire', after(0)), call('fire', after(0))])
    expect(steps.map(({ state }) => state).toSorted()).toEqual(['delivered', 'nothing'])
    expect(await call('fire', after(1))).toEqual({ state: 'nothing' })
    expect(heard).toEqual(['fired fire'])
  })

  it('is sent again when its mover died before it could say so', async () => {
    const { add, call, heard, outbox } = await line()
    add(fire)
    await outbox.claim('fire', 120_000)
    expect(await call('fire', after(119))).toEqual({ state: 'nothing' })
    expect(await call('fire', after(120))).toMatchObject({ state: 'delivered' })
    expect(heard).toEqual(['fired fire'])
  })

  it('is dead after a day, and says why', async () => {
    const { add, call, rows } = await line(500)
    add(fire)
    expect(await call('fire', after(86_400))).toEqual({ state: 'dead', noticeId: 'fire', error: 'answered 500' })
    expect(rows.get('fire')?.state).toBe('dead')
    expect(await call('fire', after(86_500))).toEqual({ state: 'nothing' })
  })

  it('waits for a channel that left the config, and says so', async () => {
    const { add, call } = await line()
    add({ ...fire, channel: 'gone' })
    expect(await call('fire', after(0))).toMatchObject({ state: 'waiting', error: 'no channel "gone" in the config' })
  })
})

describe('a fire and its resolve', () => {
  it('arrive in that order, even when the resolve is asked for first', async () => {
    const { add, call, heard } = await line()
    add(fire)
    await call('fire', after(0))
    add(resolve)
    await call('resolve', after(180))
    expect(heard).toEqual(['fired fire', 'resolved resolve'])
  })

  it('are one notice under the id of the resolve while the fire is undelivered', async () => {
    const { add, call, heard, rows } = await line(500, 500)
    add(fire)
    await call('fire', after(0))
    await call('fire', after(5))
    add(resolve)
    expect(await call('fire', after(180))).toEqual({ state: 'delivered', noticeIds: ['fire', 'resolve'] })
    expect(heard).toEqual(['fired fire *', 'fired fire *', 'fired and resolved resolve'])
    expect([...rows.values()].map(({ state }) => state)).toEqual(['delivered', 'delivered'])
    expect(await call('resolve', after(181))).toEqual({ state: 'nothing' })
  })

  it('never let the fire follow a resolve that was refused', async () => {
    const { add, call, heard } = await line(500, 500)
    add(fire)
    await call('fire', after(0))
    add(resolve)
    await call('resolve', after(180))
    await call('fire', after(182))
    await call('fire', after(185))
    expect(heard).toEqual(['fired fire *', 'fired and resolved resolve *', 'fired and resolved resolve'])
  })

  it('leave nothing behind when even the end could not be told', async () => {
    const { add, call, rows, heard } = await line(500, 500)
    add(fire)
    await call('fire', after(0))
    add(resolve)
    expect(await call('resolve', after(180 + 86_400))).toMatchObject({ state: 'dead' })
    expect([...rows.values()].map(({ state }) => state)).toEqual(['dead', 'dead'])
    await call('fire', after(180 + 86_500))
    expect(heard).toHaveLength(2)
  })

  it('tell the end of a fire that was given up', async () => {
    const { add, call, heard } = await line(500)
    add(fire)
    await call('fire', after(86_400))
    add({ ...resolve, at: after(90_000) })
    await call('resolve', after(90_000))
    expect(heard).toEqual(['fired fire *', 'fired and resolved resolve'])
  })
})

describe('the wait between attempts', () => {
  it('doubles from 5 s to a quarter of an hour, and ends a day after the notice', () => {
    const waits = [1, 2, 3, 8, 9, 50].map((attempts) => {
      const next = nextAttempt(after(0), attempts, after(60))
      return next && (next.getTime() - after(60).getTime()) / 1_000
    })
    expect(waits).toEqual([5, 10, 20, 640, 900, 900])
    expect(nextAttempt(after(0), 50, after(86_400 - 900))).toEqual(after(86_400))
    expect(nextAttempt(after(0), 50, after(86_400 - 899))).toBeUndefined()
  })

  it('is what the receiver asked for when that is longer', () => {
    expect(nextAttempt(after(0), 1, after(0), 30_000)).toEqual(after(30))
    expect(nextAttempt(after(0), 4, after(0), 30_000)).toEqual(after(40))
  })
})

describe('who receives', () => {
  const routes = [{ name: 'ops' }, { name: 'pager', severities: ['crit'] as const }]
  const to = (event: 'fired' | 'resolved', severity: 'warn' | 'crit', muted = false, firedTo: string[] = []) =>
    receivers({ event, severity }, { routes, muted, firedTo })

  it('a fire: the channels whose severities include it, of those its pipeline names', () => {
    expect(to('fired', 'crit')).toEqual(['ops', 'pager'])
    expect(to('fired', 'warn')).toEqual(['ops'])
    const reach = { routes, notify: ['pager'], muted: false, firedTo: [] }
    expect(receivers({ event: 'fired', severity: 'crit' }, reach)).toEqual(['pager'])
    expect(receivers({ event: 'fired', severity: 'warn' }, reach)).toEqual([])
  })

  it('a muted fire: nobody', () => {
    expect(to('fired', 'crit', true)).toEqual([])
  })

  it('a resolve: whoever got the fire, muted or no longer configured', () => {
    expect(to('resolved', 'crit', true, ['ops', 'removed'])).toEqual(['ops', 'removed'])
    expect(to('resolved', 'crit')).toEqual([])
  })

  it('each under an id of its own, the same however often it is told', () => {
    const notices = addressed(content, ['ops', 'pager'], 'i-1.fired')
    expect(notices.map(({ id, channel }) => `${id} ${channel}`)).toEqual(['i-1.fired.ops ops', 'i-1.fired.pager pager'])
  })
})
