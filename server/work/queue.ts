import PgBoss from 'pg-boss'

/** What can be queued, and what each job carries: an id, never the thing itself, so that a job is always about the newest state. */
interface Jobs {
  readonly run: { readonly run: string }
  readonly notice: { readonly notice: string }
}
type JobName = keyof Jobs

export interface Queue {
  /** Sending what is already waiting under the same id is not an error, and makes no second job. */
  send<Name extends JobName>(name: Name, job: Jobs[Name], startAfter?: Date): Promise<void>
  /** Works jobs one at a time in each of `lanes` lanes. A throw is logged and left to the sweeper, which knows what is unfinished. */
  work<Name extends JobName>(name: Name, lanes: number, handler: (job: Jobs[Name]) => Promise<void>): Promise<void>
  /** Lets the jobs that run finish for at most this long, then closes. */
  stop(graceMs: number): Promise<void>
}

// A worker that died is noticed by its lease, not by this: it only bounds how long a lost job stays listed as active.
const expireInSeconds = 12 * 3_600
// One job waits under an id. With `stately` also only one may be active, and the job of a process that died stays active:
// the next one could never be taken, nor any job behind it.
const policy = 'short'
const names = ['run', 'notice'] as const

/**
 * The job queue, on the same database as the store, embedded or not. On a new database it makes its tables, which only one
 * process at a time can do.
 *
 * @param url as `Store.url`; the queue brings its own small pool.
 * @param onError hears what goes wrong inside the queue and inside a handler.
 */
export async function openQueue(url: string, onError: (error: unknown) => void): Promise<Queue> {
  const boss = new PgBoss({
    connectionString: url,
    max: 3,
    application_name: 'tallyman-queue',
    schedule: false,
    archiveCompletedAfterSeconds: 3_600,
    deleteAfterDays: 1,
  })
  boss.on('error', onError)
  try {
    await boss.start()
    // One after the other: on a new database each creates a partition of the same table.
    for (const name of names) await boss.createQueue(name, { name, policy, retryLimit: 0, expireInSeconds })
  } catch (thrown) {
    await boss.stop({ graceful: false, wait: true, close: true })
    throw thrown
  }

  return {
    async send(name, job, startAfter) {
      await boss.send(name, job, { singletonKey: Object.values(job)[0]!, ...(startAfter ? { startAfter } : {}) })
    },
    async work(name, lanes, handler) {
      for (let lane = 0; lane < lanes; lane++) {
        await boss.work<Jobs[typeof name]>(name, { batchSize: 1, pollingIntervalSeconds: 0.5 }, async (jobs) => {
          for (const { data } of jobs) await handler(data).catch(onError)
        })
      }
    },
    stop: (graceMs) => boss.stop({ graceful: true, wait: true, timeout: graceMs, close: true }),
  }
}
