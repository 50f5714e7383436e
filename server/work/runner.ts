import { Fault, sentenceOf } from '../fault.ts'
import type { Journal } from '../reconcile/journal.ts'
import { takenOver, type Lease } from '../reconcile/lease.ts'
import type { Mode } from '../reconcile/mode.ts'
import { openPace, type Waiting } from '../reconcile/pace.ts'
import type { PairSpec } from '../reconcile/pair.ts'
import type { RunInput, RunProgress, RunResult, RunVerbs } from '../reconcile/run.ts'
import type { Scope } from '../reconcile/scope.ts'
import type { Side } from '../sides/side.ts'

/** A run this process has taken. */
export interface Claimed {
  readonly id: string
  /** Which taking of it this is: a later one makes this one worth nothing. */
  readonly attempt: number
  readonly pairId: string
  readonly pipelineId: string
  readonly apply: boolean
  readonly requestedBy: string
  readonly mode: Mode
  /** What a sample is drawn by; its id when null. */
  readonly seed: string | null
  /** Who wants it cancelled, if anybody did before it was taken. */
  readonly cancelBy: string | null
}

/** What the config says of a pair now, its sides opened. */
export interface OpenPair {
  readonly spec: PairSpec
  readonly source: Side
  readonly target: Side
  readonly verbs: RunVerbs
}

interface FaultWords {
  readonly code: string
  readonly message: string
  readonly hint: string
}

type Ending =
  | { readonly state: 'waiting' | 'done'; readonly result: RunResult }
  | { readonly state: 'failed' | 'cancelled'; readonly fault: FaultWords }

export interface RunnerSteps {
  claim(run: string, leaseMs: number): Promise<Claimed | undefined>
  renew(
    run: Claimed,
    leaseMs: number,
    progress: RunProgress | undefined,
  ): Promise<{ readonly held: boolean; readonly cancelBy?: string; readonly pausedBy?: string }>
  /** `more` was approved while it wrote: the run is to be taken again. `lost`: somebody else has it, and nothing was ended. */
  end(run: Claimed, ending: Ending): Promise<'ended' | 'more' | 'lost'>
  /** Lets go of a run in the middle: another process goes on at once. */
  release(run: Claimed): Promise<void>
  /** Lets go of a run that will not go on before then; without a time, before it is resumed. */
  park(run: Claimed, parked: { readonly progress: RunProgress | undefined; readonly until?: Date }): Promise<void>
  /** @throws Fault when the config no longer has the pair. */
  pair(id: string): OpenPair
  /** Refuses every write once somebody else has the run. */
  journal(run: Claimed): Journal
  /** What it is to compare, with what is remembered of earlier runs. */
  scope(run: Claimed): Promise<Scope>
  reconcile(input: RunInput): Promise<RunResult>
  /** Called after every renewal and at the end. */
  changed(run: Claimed, ended: boolean): void
  /** Called when a run begins to wait, when the reason changes, and with undefined when it goes on. */
  waits?(run: Claimed, waiting: Waiting | undefined): void
  /** Epoch milliseconds, for time windows. */
  now(): number
  /** Calls back every `ms` until the returned function is called. */
  every(ms: number, callback: () => void): () => void
  complain(message: string, cause: unknown): void
}

/** A process that dies is followed by another after this. */
const leaseMs = 15_000
const renewEveryMs = 1_000

/** What is being compared gets this long to finish before a run that waits for long is let go of. */
const parkAfterMs = 5_000
/** A window that opens sooner is waited for. */
const parkForMs = 60_000

class Cancelled extends Error {}
class StoreSilent extends Error {}
class Parked extends Error {
  readonly until: Date | undefined
  constructor({ why, untilMs }: Waiting) {
    super(why)
    this.until = untilMs === undefined ? undefined : new Date(untilMs)
  }
}

/**
 * Works one run from where its checkpoint stands to its end: a new one from the plan on, a killed one from its first
 * unfinished slice, an approved one from its first unwritten correction.
 *
 * @param shutdown lets go of the run, so that another process can go on with it.
 */
export async function workRun(id: string, steps: RunnerSteps, shutdown: AbortSignal): Promise<void> {
  const askedMs = performance.now()
  const run = await steps.claim(id, leaseMs)
  if (!run) return

  const stop = new AbortController()
  const onShutdown = () => stop.abort(shutdown.reason)
  shutdown.addEventListener('abort', onShutdown)
  const lease = keepLease(run, askedMs, steps, stop)
  let ending: Ending | undefined
  try {
    if (run.cancelBy !== null) throw new Cancelled(run.cancelBy)
    ending = await concluded(run, steps, stop.signal, lease)
  } catch (thrown) {
    const letGo = stop.signal.reason instanceof Parked || stop.signal.reason instanceof StoreSilent
    if (!shutdown.aborted && !letGo) ending = endingOf(thrown, steps)
  } finally {
    lease.stop()
    shutdown.removeEventListener('abort', onShutdown)
  }
  const end = ending ? await steps.end(run, ending) : await letGo(run, steps, lease.progress(), stop.signal.reason)
  if (end === 'lost') steps.complain('A run was given up here.', takenOver(id))
  steps.changed(run, end === 'ended' || end === 'more')
  if (end === 'more') await workRun(id, steps, shutdown)
}

async function letGo(
  run: Claimed,
  steps: RunnerSteps,
  progress: RunProgress | undefined,
  why: unknown,
): Promise<undefined> {
  if (why instanceof Parked) await steps.park(run, { progress, ...(why.until ? { until: why.until } : {}) })
  else await steps.release(run)
}

async function concluded(run: Claimed, steps: RunnerSteps, signal: AbortSignal, lease: HeldLease): Promise<Ending> {
  const { spec, source, target, verbs } = steps.pair(run.pairId)
  const auto = spec.corrections.mode === 'auto' ? 'the config (mode auto)' : undefined
  const approvedBy = run.apply ? run.requestedBy : auto
  const journal = steps.journal(run)
  const pace = openPace({
    limits: spec.pace,
    timezone: spec.timezone,
    sides: { source, target },
    now: steps.now,
    sleep: verbs.sleep,
    pausedBy: lease.pausedBy,
    told: lease.waits,
  })
  lease.parks((waiting) => pace.underWay() === 0 && steps.now() - waiting.sinceMs >= parkAfterMs)
  const result = await steps.reconcile({
    pair: spec,
    source,
    target,
    journal,
    lease,
    verbs,
    signal,
    scope: await steps.scope(run),
    progress: lease.note,
    pace,
    ...(approvedBy ? { approvedBy } : {}),
  })
  return { state: (result.corrections.proposed ?? 0) > 0 ? 'waiting' : 'done', result }
}

interface HeldLease extends Lease {
  note(progress: RunProgress): void
  waits(waiting: Waiting | undefined): void
  pausedBy(): string | undefined
  /** Says whether a run that waits is at rest, so that it may be let go of. */
  parks(atRest: (waiting: Waiting) => boolean): void
  progress(): RunProgress | undefined
  stop(): void
}

/**
 * Renews the lease until stopped, and stops the run when it is lost, will wait for long, or is to be cancelled.
 * @param claimedMs when the run was asked for: the lease began no sooner.
 */
function keepLease(run: Claimed, claimedMs: number, steps: RunnerSteps, stop: AbortController): HeldLease {
  let newest: RunProgress | undefined
  let waiting: Waiting | undefined
  let paused: string | undefined
  let atRest: (waiting: Waiting) => boolean = () => false
  let askedMs = claimedMs
  const progress = () => newest && { ...newest, ...(waiting ? { waiting } : {}) }
  const ask = async () => {
    const nowMs = performance.now()
    const renewal = await steps.renew(run, leaseMs, progress())
    if (renewal.held) askedMs = nowMs
    return renewal
  }
  const renew = async () => {
    try {
      const { held, cancelBy, pausedBy } = await ask()
      if (!held) return stop.abort(takenOver(run.id))
      paused = pausedBy
      if (cancelBy) stop.abort(new Cancelled(cancelBy))
      else if (waiting && willLast(waiting, steps.now()) && atRest(waiting)) stop.abort(new Parked(waiting))
      steps.changed(run, false)
    } catch (cause) {
      steps.complain(`The lease of run ${run.id} could not be renewed.`, cause)
      // Past this moment somebody else may have taken the run: two at once could write twice.
      if (performance.now() - askedMs > leaseMs * 0.8) stop.abort(new StoreSilent('the store did not answer in time'))
    }
  }
  const stopTimer = steps.every(renewEveryMs, () => void renew())
  return {
    note: (progress) => void (newest = progress),
    waits(now) {
      waiting = now
      steps.waits?.(run, now)
    },
    pausedBy: () => paused,
    parks: (rest) => void (atRest = rest),
    progress,
    async renew() {
      if (!(await ask()).held) throw takenOver(run.id)
    },
    // Half of it is left to the row that is being sent.
    lasts: () => performance.now() - askedMs < leaseMs / 2,
    stop: stopTimer,
  }
}

const willLast = ({ reason, untilMs }: Waiting, nowMs: number) =>
  reason === 'paused' || (reason === 'window' && untilMs !== undefined && untilMs - nowMs > parkForMs)

function endingOf(thrown: unknown, steps: RunnerSteps): Ending {
  if (thrown instanceof Cancelled) {
    const message = `Cancelled by ${thrown.message}.`
    return { state: 'cancelled', fault: { code: 'cancelled', message, hint: 'Start another run when it is wanted.' } }
  }
  if (thrown instanceof Fault) {
    const { code, message, hint } = thrown
    return { state: 'failed', fault: { code, message, hint } }
  }
  steps.complain('A run failed in a way it does not know.', thrown)
  const hint = 'This is a bug; its stack is in the log.'
  return { state: 'failed', fault: { code: 'internal', message: sentenceOf(thrown), hint } }
}
