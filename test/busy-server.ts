import postgres, { type Sql } from 'postgres'
import { client, type Client } from './client.ts'
import { eventually } from './services/process.ts'
import { postgresServer } from './services/postgres.ts'
import { startTallyman, type Tallyman } from './services/tallyman.ts'

export interface BusyServer {
  readonly tallyman: Tallyman
  readonly api: Client
  /** Starts one comparison after the other until told to stop. */
  reconcileUntil(stop: AbortSignal): Promise<void>
  /** How many statements of checks wait for the lock that this test holds. */
  hanging(): Promise<number>
  drop(): Promise<void>
}

/**
 * A server that watches two pipelines: one whose tables of so many rows are compared, one in `differing` of them not the
 * same, and one whose check hangs on a table that somebody else has locked.
 */
export async function busyServer(rows: number, differing = 10): Promise<BusyServer> {
  const server = await postgresServer()
  const databases = [await server.createDatabase('busy_source'), await server.createDatabase('busy_target')]
  const [source, target] = databases.map(({ url }) => postgres(url, { max: 2, onnotice() {} })) as [Sql, Sql]
  const table = (mark: string) => `
    create table orders (id int primary key, customer text, net numeric, placed_at timestamptz);
    insert into orders select i, 'customer ' || i ${mark}, i / 100.0, now() from generate_series(1, ${rows}) i;
    analyze orders;
    create table locked (id int primary key, updated_at timestamptz default now())`
  await Promise.all([
    source.unsafe(table('')),
    target.unsafe(table(`|| case when i % ${differing} = 0 then ' old' else '' end`)),
  ])

  const holder = await source.reserve()
  await holder`begin`
  await holder`lock table locked in access exclusive mode`

  const flow = { pattern: 'batch', tier: 'operational', owner: 'team-orders' }
  const patience = { connections: 3, lockTimeout: '10m', statementTimeout: '10m' }
  const config = {
    connections: { crm: { url: databases[0]!.url, limits: patience }, billing: { url: databases[1]!.url } },
    pipelines: {
      orders: {
        ...flow,
        title: 'Orders',
        pairs: [
          {
            id: 'orders',
            source: { table: 'crm.orders' },
            target: { table: 'billing.orders' },
            key: ['id'],
            settle: { wait: '100ms', tries: 1 },
          },
        ],
      },
      locked: {
        ...flow,
        title: 'Locked',
        checks: [
          {
            probe: 'table-lag',
            every: '15m',
            timeout: '10m',
            source: 'crm.locked',
            target: 'billing.locked',
            column: 'updated_at',
          },
        ],
      },
    },
  }
  const tallyman = await startTallyman({ config: JSON.stringify(config) })
  const api = client(tallyman)
  const hanging = async () => {
    const [row] = await source<[{ waiting: number }]>`
      select count(*)::int as waiting from pg_stat_activity
      where datname = current_database() and application_name = 'tallyman' and wait_event_type = 'Lock'`
    return row.waiting
  }
  await eventually('a check to hang', async () => (await hanging()) || undefined)
  return {
    tallyman,
    api,
    hanging,
    async reconcileUntil(stop) {
      while (!stop.aborted) await api.ended(await api.request('orders'), 120_000)
    },
    async drop() {
      await tallyman.stop()
      await holder`rollback`
      holder.release()
      await Promise.all([source.end({ timeout: 2 }), target.end({ timeout: 2 })])
      await Promise.all(databases.map((database) => database.drop()))
    },
  }
}

export interface Scrape {
  readonly status: number
  readonly text: string
  readonly ms: number
}

/** One scrape, as Prometheus makes it: a request of its own, read to the end. */
export async function scrape({ get }: Tallyman): Promise<Scrape> {
  const began = performance.now()
  const response = await get('/metrics')
  const text = await response.text()
  return { status: response.status, text, ms: performance.now() - began }
}

/** The numbers that a table of times shows: the middle one, the 99th of a hundred, the worst. */
export function spread(all: readonly number[]): { readonly p50: number; readonly p99: number; readonly max: number } {
  const sorted = all.toSorted((one, other) => one - other)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)]!
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1)! }
}
