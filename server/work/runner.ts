import { Fault, sentenceOf } from '../fault.ts'
import type { Journal } from '../reconcile/journal.ts'
import type { PairSpec } from '../reconcile/pair.ts'
import type { RunInput, RunProgress, RunResult, RunVerbs } from '../reconcile/run.ts'
import type { Side } from '../sides/side.ts'

/** A run this process has taken. */
export interface Claimed {
  readonly id: string
  readonly pairId: string
  readonly pipelineId: string
  readonly apply: boolean
  readonly requestedBy: string
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
    run: string,
    leaseMs: number,
    progress: RunProgress | undefined,
  ): Promise<{ readonly held: boolean; readonly cancelBy?: string }>
  /** True when more was approved while it wrote: the run is to be taken again. */
  end(run: string, ending: Ending): Promise<boolean>
  /** Lets go of a run in the middle: another process goes on at once. */
  release(run: string): Promise<void>
  /** @throws Fault when the config no longer has the pair. */
  pair(id: string): OpenPair
  journal(run: string, pair: string): Journal
  reconcile(input: RunInput): Promise<RunResult>
  /** Called after every renewal and at the end. */
  changed(run: Claimed, ended: boolean): void
  /** Calls back every `ms` until the returned function is called. */
  every(ms: number, callback: () => void): () => void
  complain(message: string, cause: unknown): void
}

/** A process that dies is followed by another after this. */
const leaseMs = 15_000
const renewEveryMs = 1_000

class Cancelled extends Error {}
class LeaseLost extends Error {}

/**
 * Works one run from where its checkpoint stands to its end: a new one from the plan on, a killed one from its first
 * unfinished slice, an approved one from its first unwritten correction.
 *
 * @param shutdown lets go of the run, so that another process can go on with it.
 */
export async function workRun(id: string, steps: RunnerSteps, shutdown: AbortSignal): Promise<void> {
  const run = await steps.claim(id, leaseMs)
  if (!run) return

  const stop = new AbortController()
  const onShutdown = () => stop.abort(shutdown.reason)
  shutdown.addEventListener('abort', onShutdown)
  const lease = keepLease(run, steps, stop)
  let ending: Ending | undefined
  try {
    ending = await concluded(run, steps, stop.signal, lease.note)
  } catch (thrown) {
    if (!shutdown.aborted && !(thrown instanceof LeaseLost)) ending = endingOf(thrown, steps)
  } finally {
    lease.stop()
    shutdown.removeEventListener('abort', onShutdown)
  }
  const more = ending ? await steps.end(id, ending) : await steps.release(id)
  steps.changed(run, ending !== undefined)
  if (more) await workRun(id, steps, shutdown)
}

async function concluded(
  run: Claimed,
  steps: RunnerSteps,
  signal: AbortSignal,
  progress: (progress: RunProgress) => void,
): Promise<Ending> {
  const { spec, source, target, verbs } = steps.pair(run.pairId)
  const auto = spec.corrections.mode === 'auto' ? 'the config (mode auto)' : undefined
  const approvedBy = run.apply ? run.requestedBy : auto
  const journal = steps.journal(run.id, run.pairId)
  const result = await steps.reconcile({
    pair: spec,
    source,
    target,
    journal,
    verbs,
    signal,
    progress,
    ...(approvedBy ? { approvedBy } : {}),
  })
  return { state: (result.corrections.proposed ?? 0) > 0 ? 'waiting' : 'done', result }
}

/** Renews the lease until stopped, and stops the run when it is lost or somebody wants it cancelled. */
function keepLease(run: Claimed, steps: RunnerSteps, stop: AbortController) {
  let newest: RunProgress | undefined
  let heldAt = performance.now()
  const renew = async () => {
    try {
      const { held, cancelBy } = await steps.renew(run.id, leaseMs, newest)
      if (!held) return stop.abort(new LeaseLost('the lease of this run was lost'))
      heldAt = performance.now()
      if (cancelBy) stop.abort(new Cancelled(cancelBy))
      steps.changed(run, false)
    } catch (cause) {
      steps.complain(`The lease of run ${run.id} could not be renewed.`, cause)
      // Past this moment somebody else may have taken the run: two at once could write twice.
      if (performance.now() - heldAt > leaseMs * 0.8) stop.abort(new LeaseLost('the store did not answer in time'))
    }
  }
  const stopTimer = steps.every(renewEveryMs, () => void renew())
  return { note: (progress: RunProgress) => void (newest = progress), stop: stopTimer }
}

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
