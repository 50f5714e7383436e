import { join } from 'node:path'
import postgres from 'postgres'
import { openEmbedded } from '../connect/embedded.ts'
import { postgresOptions } from '../connect/postgres.ts'
import { demoConfig } from './config.ts'
import { seededRandom } from './random.ts'
import { seed } from './seed.ts'
import { demoWorker } from './worker.ts'
import type { Worker } from './worker.ts'

const turnMs = 500
/** After a turn that failed: the next one begins where this one was. */
const pauseMs = 2_000

interface DemoClock {
  now(): Date
  /** Calls back once after `ms`; the returned function calls it off. */
  after(ms: number, callback: () => void): () => void
}

export interface DemoSteps {
  /** The demo keeps its two databases in `demo/` below it. */
  readonly dataDirectory: string
  readonly clock: DemoClock
  readonly seed: number
  readonly signal: AbortSignal
  complain(message: string, cause: unknown): void
}

export interface Demo {
  /** The config file of the demo, as a user would write it. */
  readonly configText: string
  /** What its `${…}` references stand for. */
  readonly env: Readonly<Record<'CRM_URL' | 'BILLING_URL', string>>
  /** Waits for the turn that runs, then closes both databases. */
  stop(): Promise<void>
}

/**
 * Starts a small CRM, a small billing system and a sync worker between them that is not very good. About three seconds
 * the first time; about 600 MB of memory, since each system has an embedded database of its own.
 *
 * @throws Fault as `openEmbedded` words it.
 */
export async function startDemo({ dataDirectory, clock, seed: number, signal, complain }: DemoSteps): Promise<Demo> {
  const directoryOf = (name: string) => join(dataDirectory, 'demo', name)
  const [crm, billing] = await bothOpened(directoryOf('crm'), directoryOf('billing'))
  const databases = { crm: crm.sql, billing: billing.sql }
  const close = async () => {
    await Promise.all([crm.close(), billing.close()])
  }
  try {
    const starts = await seed(databases, clock.now(), number)
    // Every start draws other numbers, or the second one would create the rows of the first again.
    const worker = demoWorker(databases, seededRandom(number + starts * 7_919), clock.now())
    const stop = loop(worker, { clock, complain })
    signal.addEventListener('abort', () => void stop())
    return {
      configText: demoConfig,
      env: { CRM_URL: urlOf(directoryOf('crm')), BILLING_URL: urlOf(directoryOf('billing')) },
      async stop() {
        await stop()
        await close()
      },
    }
  } catch (thrown) {
    await close()
    throw thrown
  }
}

const urlOf = (directory: string) => `pglite://${encodeURI(directory)}`

async function bothOpened(crm: string, billing: string) {
  const [one, other] = await Promise.allSettled([opened(crm), opened(billing)])
  if (one.status === 'fulfilled' && other.status === 'fulfilled') return [one.value, other.value] as const
  for (const result of [one, other]) if (result.status === 'fulfilled') await result.value.close()
  throw one.status === 'rejected' ? one.reason : (other as PromiseRejectedResult).reason
}

async function opened(directory: string) {
  const embedded = await openEmbedded(directory)
  // One connection: the worker does one thing at a time, and all connections share a session anyway.
  const [url, options] = postgresOptions(embedded.url)
  const sql = postgres(url, { ...options, max: 1, fetch_types: false, onnotice() {} })
  return {
    sql,
    async close() {
      await sql.end({ timeout: 2 })
      await embedded.close()
    },
  }
}

/** Turns until it is stopped; stopping waits for the turn that runs. */
function loop(worker: Worker, { clock, complain }: Pick<DemoSteps, 'clock' | 'complain'>): () => Promise<void> {
  let stopped = false
  let callOff = () => {}
  let running = Promise.resolve()
  const turn = async () => {
    let waitMs = turnMs
    try {
      await worker.turn(clock.now())
    } catch (cause) {
      waitMs = pauseMs
      complain('The demo missed a turn.', cause)
    }
    if (!stopped) next(waitMs)
  }
  const next = (ms: number) => {
    callOff = clock.after(ms, () => {
      running = turn()
    })
  }
  next(0)
  return async () => {
    stopped = true
    callOff()
    await running
  }
}
