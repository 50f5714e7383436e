import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { writeFile } from 'node:fs/promises'
import postgres, { type Sql } from 'postgres'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { client, type Client } from './client.ts'
import { eventually, startProcess } from './services/process.ts'
import { postgresServer, type TestDatabase } from './services/postgres.ts'
import { scratchFolder } from './services/run.ts'
import { startTallyman } from './services/tallyman.ts'
import { webhookReceiver, type WebhookReceiver } from './services/webhook.ts'

const cli = join(import.meta.dirname, '../dist/server/cli.js')
const quickPairs = ['q0', 'q1', 'q2', 'q3', 'q4', 'q5']
const rows = 240

/** Who of them did something is told by which of three equal databases it asked. */
type Name = 'anna' | 'bela' | 'worker'

interface Process {
  readonly pid: number
  kill(): Promise<void>
  stop(): Promise<void>
}
interface Server extends Process {
  readonly api: Client
  metrics(): Promise<string>
}

let databases: TestDatabase[]
let sources: Readonly<Record<Name, TestDatabase>>
let target: Sql
let store: Sql
let receiver: WebhookReceiver
let servers: Readonly<Record<'anna' | 'bela', Server>>
let worker: Process

const fillSource = `
  create table t (id int primary key, name text);
  insert into t select n, 'name ' || n from generate_series(0, ${rows - 1}) n`
const fillTarget = `
  create table t (id int primary key, name text);
  insert into t select n, 'old' from generate_series(0, ${rows - 1}) n;
  create table written (id int);
  create function tell() returns trigger language plpgsql as $$ begin insert into written values (new.id); return null; end $$;
  create trigger tell after update on t for each row execute function tell()`

function configText(storeUrl: string, billing: string): string {
  const pair = (id: string, where: string, more = {}) => ({
    id,
    source: { table: 'crm.t', where },
    target: { table: 'billing.t', where },
    key: ['id'],
    settle: { wait: '50ms', tries: 1 },
    corrections: { mode: 'auto', limit: { ratio: 1 } },
    ...more,
  })
  const slow = pair('slow', 'id >= 200', {
    source: { table: 'crm.t', where: 'id >= 200 and pg_sleep(0.1) is not null' },
  })
  return JSON.stringify({
    store: storeUrl,
    connections: { crm: { url: '${CRM_URL}' }, billing: { url: billing } },
    channels: { oncall: { webhook: { url: receiver.url } } },
    pipelines: {
      things: {
        title: 'Things',
        pattern: 'batch',
        tier: 'reference',
        owner: 'team-things',
        checks: [
          {
            probe: 'sql',
            id: 'who',
            every: '1s',
            timeout: '900ms',
            connection: 'crm',
            query: `select strpos(current_database(), 'bela')::float8 as who`,
            metrics: { who: { help: 'Not 0 when bela asks.', unit: 'records' } },
            rules: [{ metric: 'who', above: -1, for: '0s', severity: 'crit' }],
          },
        ],
        pairs: [...quickPairs.map((id, n) => pair(id, `id < 200 and id % ${quickPairs.length} = ${n}`)), slow],
      },
    },
  })
}

beforeAll(async () => {
  const server = await postgresServer()
  const create = async (name: string) => {
    const database = await server.createDatabase(name)
    databases.push(database)
    return database
  }
  databases = []
  sources = { anna: await create('anna'), bela: await create('bela'), worker: await create('worker') }
  const [copy, own] = [await create('target'), await create('store')]
  for (const { url } of Object.values(sources)) {
    const sql = postgres(url, { max: 1, onnotice() {} })
    await sql.unsafe(fillSource).simple()
    await sql.end()
  }
  target = postgres(copy.url, { max: 1, onnotice() {} })
  await target.unsafe(fillTarget).simple()
  store = postgres(own.url, { max: 1, onnotice() {} })
  receiver = await webhookReceiver()
  const config = configText(own.url, copy.url)
  const serve = async (name: 'anna' | 'bela'): Promise<Server> => {
    const tallyman = await startTallyman({ config, env: { CRM_URL: sources[name].url } })
    return {
      pid: tallyman.pid(),
      api: client(tallyman),
      metrics: async () => (await tallyman.get('/metrics')).text(),
      kill: () => tallyman.kill('SIGKILL'),
      stop: () => tallyman.stop(),
    }
  }
  // At once, on an empty database: each of them wants to make its tables.
  const folder = await scratchFolder('worker')
  const file = join(folder, 'tallyman.yaml')
  await writeFile(file, config)
  const [anna, bela, third] = await Promise.all([
    serve('anna'),
    serve('bela'),
    startProcess({
      command: process.execPath,
      args: [cli, 'worker', '--config', file],
      log: join(folder, 'log'),
      env: { CRM_URL: sources.worker.url },
    }),
  ])
  servers = { anna, bela }
  worker = third
})
afterAll(async () => {
  await Promise.all([servers?.anna.stop(), servers?.bela.stop(), worker?.stop()])
  await receiver?.stop()
  await Promise.all([target?.end({ timeout: 2 }), store?.end({ timeout: 2 })])
  for (const database of databases ?? []) await database.drop()
})

const leads = async ({ metrics }: Server) => /^tallyman_leader 1$/m.test(await metrics())
const other = (name: 'anna' | 'bela') => (name === 'anna' ? 'bela' : 'anna')
/** Who asked, by every sample since a time. */
async function askedSince(at: Date): Promise<{ readonly names: readonly string[]; readonly times: number }> {
  const found = await store<{ value: number }[]>`
    select value from samples where check_id = 'things.who' and metric = 'who' and at > ${at}`
  const name = ({ value }: { value: number }) => (value > 0 ? 'bela' : 'anna')
  return { names: [...new Set(found.map(name))], times: found.length }
}

describe('two servers and a worker on one store', () => {
  let leader: 'anna' | 'bela'

  it('have one that runs the checks, each check once', { timeout: 60_000 }, async () => {
    leader = (await leads(servers.anna)) ? 'anna' : 'bela'
    expect(await leads(servers[other(leader)])).toBe(false)
    const from = new Date()
    await sleep(6_000)
    const { names, times } = await askedSince(from)
    expect(names).toEqual([leader])
    expect(times).toBeGreaterThanOrEqual(4)
    expect(times).toBeLessThanOrEqual(8)
  })

  it('show the same, whichever is asked', async () => {
    for (const { api } of Object.values(servers)) {
      const { checks } = await eventually('a reading', async () => {
        const pipeline = await api.pipeline('things')
        return pipeline.checks[0]?.readings.length ? pipeline : undefined
      })
      expect(checks[0]).toMatchObject({ id: 'things.who', fault: null })
    }
    const [mine, theirs] = await Promise.all(Object.values(servers).map(({ api }) => api.alerts()))
    expect(mine!.open.map(({ id }) => id)).toEqual(theirs!.open.map(({ id }) => id))
    expect(mine!.open.length).toBe(1)
  })

  it('do each run once, whoever was asked for it', { timeout: 90_000 }, async () => {
    const requested = await Promise.all(
      quickPairs.map(async (pair, n) => {
        const { api } = Object.values(servers)[n % 2]!
        return { api, id: await api.request(pair) }
      }),
    )
    for (const { api, id } of requested) {
      expect(await api.ended(id)).toMatchObject({ state: 'done', verdict: 'drift', after: { verdict: 'match' } })
    }
    const [writes] = await target`select count(*)::int as all, count(distinct id)::int as rows from written`
    expect(writes).toEqual({ all: 200, rows: 200 })
    expect(await store`select run_id, correction_id, event from audits group by 1, 2, 3 having count(*) > 1`).toEqual(
      [],
    )
  })

  it('do not both take a run of one pair', async () => {
    const answers = await Promise.allSettled(Object.values(servers).map(({ api }) => api.request('slow')))
    expect(answers.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    const { reason } = answers.find((one) => one.status === 'rejected') as PromiseRejectedResult
    expect(String(reason)).toContain('slow is being reconciled already')
    const [{ id }] = (await store`select id from runs where pair_id = 'slow'`) as unknown as [{ id: string }]
    await servers.anna.api.post(`/api/v1/runs/${id}/cancel`)
    await servers.anna.api.ended(id)
  })

  it('go on with the run and with the checks of one that is killed', { timeout: 120_000 }, async () => {
    const survivor = servers[other(leader)]
    const incident = (await survivor.api.alerts()).open[0]!.id
    const run = await survivor.api.request('slow')
    const holder = await eventually('somebody to take the run', async () => {
      const [row] = await store<{ owner: string | null }[]>`select lease_owner as owner from runs where id = ${run}`
      return row?.owner ?? undefined
    })
    const pid = Number(holder.slice(hostname().length + 1).split(':')[0])
    const held = [servers.anna, servers.bela, worker].find((one) => one.pid === pid)
    expect(held).toBeDefined()

    // Whoever works on the run dies in the middle of it, and so does whoever runs the checks: never the survivor.
    const killedAt = new Date()
    if (held !== survivor) await held!.kill()
    await servers[leader].kill()

    await eventually('the other to run the checks', async () => (await leads(survivor)) || undefined, 30_000)
    const { names } = await eventually(
      'checks of the other',
      async () => {
        const asked = await askedSince(new Date(killedAt.getTime() + 2_000))
        return asked.times > 2 ? asked : undefined
      },
      30_000,
    )
    expect(names).toEqual([other(leader)])

    expect(await survivor.api.ended(run, 90_000)).toMatchObject({ state: 'done', after: { verdict: 'match' } })
    const [writes] = await target`select count(*)::int as all, count(distinct id)::int as rows from written`
    expect(writes).toEqual({ all: rows, rows })

    // The alert goes on under its own name, and is not told a second time.
    expect((await survivor.api.alerts()).open.map(({ id }) => id)).toEqual([incident])
    expect(receiver.deliveries.length).toBe(1)
  })
})
