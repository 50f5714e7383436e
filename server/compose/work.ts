import { deliver } from '../notify/deliver.ts'
import type { Channel } from '../notify/kind.ts'
import { reconcile } from '../reconcile/reconcile.ts'
import type { PlacedPair } from './pairs.ts'
import { allDues, keepDues, setDue } from '../store/dues.ts'
import { runJournal } from '../store/journal.ts'
import type { Store } from '../store/open.ts'
import { noticesDue, outbox } from '../store/outbox.ts'
import { parkRun } from '../store/pause.ts'
import { tidy, tidyEmbedded } from '../store/retention.ts'
import { claimRun, endRun, releaseRun, renewRun, requestRun, runsToWork, type RunRequest } from '../store/runs.ts'
import type { Queue } from '../work/queue.ts'
import { workRun, type Claimed, type OpenPair, type RunnerSteps } from '../work/runner.ts'
import { startSchedule, type Scheduled } from '../work/schedule.ts'
import { scopeOf } from './scope.ts'
import { spanned } from './spans.ts'
import { timers } from './timers.ts'

/** Runs at once in one process; the heavy work is inside the databases being compared. */
const runLanes = 2
const noticeLanes = 2
const sweepEveryMs = 5_000
const sweepMax = 100
const tidyEveryMs = 60_000
const tidyEmbeddedEveryMs = 600_000

export interface WorkParts {
  readonly store: Store
  readonly queue: Queue
  /** This process, for leases. */
  readonly owner: string
  pairs(): readonly PlacedPair[]
  openPair(id: string): OpenPair
  channel(name: string): Channel | undefined
  changed(run: Claimed, ended: boolean): Promise<void>
  complain(message: string, cause: unknown): void
  /** Lets go of what is under way, so that another process can go on. */
  readonly signal: AbortSignal
}

export interface Work {
  /** Notes a run and queues it. @throws Fault `conflict`. */
  request(run: RunRequest): Promise<void>
  send(notices: readonly string[]): Promise<void>
  /** Queues a run that is to go on: one whose corrections were approved. */
  goOn(run: string): Promise<void>
  stop(): void
}

/** Starts moving what is queued, what falls due, and what others have left behind. */
export async function startWork(parts: WorkParts): Promise<Work> {
  const { store, queue, signal, complain } = parts
  const send = async (notices: readonly string[]) => {
    for (const notice of notices) await queue.send('notice', { notice })
  }
  const request = async (run: RunRequest) => {
    if (await requestRun(store.db, run)) await queue.send('run', { run: run.id })
  }

  await queue.work('run', runLanes, ({ run }) =>
    spanned('reconcile.run', { 'tallyman.run': run }, () => workRun(run, runnerSteps(parts), signal)),
  )
  await queue.work('notice', noticeLanes, ({ notice }) =>
    spanned('notify.send', { 'tallyman.notice': notice }, async () => {
      const steps = { outbox: outbox(store.db), channel: parts.channel, signal, fetch, now: timers.now }
      const delivery = await deliver(notice, steps)
      if (delivery.state === 'waiting') await queue.send('notice', { notice: delivery.noticeId }, delivery.until)
    }),
  )

  // The tables are the truth: whatever a lost job or a dead process left behind is found here and queued again.
  const sweep = async () => {
    for (const { id } of await runsToWork(store.db, sweepMax)) await queue.send('run', { run: id })
    await send(await noticesDue(store.db, timers.now(), sweepMax))
  }
  const quietly = (what: string, job: () => Promise<void>) => () =>
    void job().catch((cause: unknown) => complain(what, cause))
  const sweepNow = quietly('The sweep for unfinished work failed.', sweep)
  sweepNow()
  const stops = [
    timers.every(sweepEveryMs, sweepNow),
    timers.every(
      tidyEveryMs,
      quietly('Old samples could not be tidied.', () => tidy(store.db)),
    ),
    ...(store.kind === 'embedded'
      ? [
          timers.every(
            tidyEmbeddedEveryMs,
            quietly('The embedded store could not be tidied.', () => tidyEmbedded(store.db)),
          ),
        ]
      : []),
    startSchedule(() => scheduled(parts.pairs()), {
      dues: () => allDues(store.db),
      setDue: (due, was) => setDue(store.db, due, was),
      keepDues: (pairs) => keepDues(store.db, pairs),
      requestRun: ({ pair, ...run }) => {
        const pipeline = parts.pairs().find(({ spec }) => spec.id === pair)!.pipeline
        return request({ ...run, pair, pipeline, trigger: 'schedule', requestedBy: 'the schedule' })
      },
      now: timers.now,
      complain,
    }),
  ]
  return {
    request,
    send,
    goOn: (run) => queue.send('run', { run }),
    stop: () => stops.forEach((stop) => stop()),
  }
}

/** Each pair by its own schedule, and beside it full runs and scrubs where it has them. */
const scheduled = (pairs: readonly PlacedPair[]) =>
  pairs.flatMap(({ paused, spec: { id: pair, schedule, timezone, mode, full, scrub } }): Scheduled[] =>
    paused
      ? []
      : [
          ...(schedule ? [{ pair, mode, schedule, timezone }] : []),
          ...(full.schedule
            ? [{ pair, mode: 'full' as const, beside: 'full', schedule: full.schedule, timezone }]
            : []),
          ...(scrub.every ? [{ pair, mode: 'scrub' as const, beside: 'scrub', everyMs: scrub.every }] : []),
        ],
  )

/** What a run asks of the store, whoever works it: a server, a worker or the command line. */
export const runnerSteps = ({
  store: { db },
  owner,
  openPair,
  changed,
  complain,
}: Pick<WorkParts, 'store' | 'owner' | 'openPair' | 'changed' | 'complain'>): RunnerSteps => ({
  claim: (run, leaseMs) => claimRun(db, run, owner, leaseMs),
  renew: (run, leaseMs, progress) => renewRun(db, run, leaseMs, progress),
  end: (run, ending) => endRun(db, run, ending),
  release: (run) => releaseRun(db, run),
  park: (run, parked) => parkRun(db, run, parked),
  pair: openPair,
  journal: (run) => runJournal(db, run),
  scope: (run) => scopeOf(db, run),
  reconcile,
  changed: (run, ended) =>
    void changed(run, ended).catch((cause: unknown) => complain('A change of a run was not told.', cause)),
  every: timers.every,
  now: () => timers.now().getTime(),
  complain,
})
