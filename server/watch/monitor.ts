import type { AlertRecord } from '../evaluate/alert.ts'
import type { Standing } from '../evaluate/standing.ts'
import { retireAlerts } from '../evaluate/step-alerts.ts'
import { Fault } from '../fault.ts'
import type { Check, Observation } from './check.ts'
import { openLedger, type Ledger } from './ledger.ts'
import { notMeasured, observationOf, reconcileProbe, type PairVerdict } from './reconcile-check.ts'
import { openScheduler } from './scheduler.ts'
import type { Steps, Timers } from './steps.ts'
import { digest, turn } from './turn.ts'

interface CheckRun {
  readonly observation: Observation
  /** What was asked and answered, in order. */
  readonly trace: readonly string[]
}

/** How the monitor itself is doing. */
export interface Vitals {
  readonly lastTurnAt?: Date
  readonly schedulerLagMs?: number
}

/** Runs all checks on time and knows where everything stands. */
export interface Monitor {
  /** Immutable, replaced whole after every turn. Cheap. */
  standing(): Standing
  vitals(): Vitals
  /** Called after every change with the pipelines it touched; returns how to stop listening. */
  subscribe(listener: (pipelines: readonly string[]) => void): () => void
  /** Takes over a new config: what is remembered is kept by check id, what is gone is resolved and forgotten. */
  replace(checks: readonly Check[]): Promise<void>
  /**
   * One check, now, with a trace. Joins the run that is already under way, if there is one.
   * @throws Fault `not_found`, and `bad_request` for a pseudo check.
   */
  runNow(check: string): Promise<CheckRun>
  /** Judges what runs of a pipeline's pairs found, under the pseudo check `<pipeline>.reconcile`. Never rejects. */
  judgeRuns(pipeline: string, verdicts: readonly PairVerdict[]): Promise<void>
  /** Shows an acknowledgement that has been stored; undefined takes it back. */
  acknowledge(incident: string, by: string | undefined): void
  /** Reads again what other processes have recorded of checks that this one does not run. */
  refresh(): Promise<void>
  /** Resolves once every run under way has ended after the signal aborted. */
  ended(): Promise<void>
}

export interface OpenMonitor {
  /** Those of `reconcileCheck` among them. */
  readonly checks: readonly Check[]
  readonly steps: Steps
  readonly timers: Timers
  /** Stops the monitor. */
  readonly signal: AbortSignal
  /** Checks under way at once. */
  readonly concurrency?: number
}

const concurrencyDefault = 10
/** A probe that traces more than this is told so once, in the trace itself. */
const traceLinesMax = 200

/** Recalls what is remembered, then starts. Nothing has been run when it resolves, but the standing is there. */
export async function openMonitor(options: OpenMonitor): Promise<Monitor> {
  const { steps, timers, signal } = options
  const claimed = new Set<string>()
  let told = Promise.resolve()
  let lastTurnAt: Date | undefined

  const ledger: Ledger = openLedger({ now: timers.now, nextAt: (id) => scheduler.nextAt(id) })
  const scheduler = openScheduler<CheckRun>({
    timers,
    signal,
    concurrency: options.concurrency ?? concurrencyDefault,
    run: runTurn,
    skipped: (id) => ledger.skip(id, 'overlap'),
  })

  async function runTurn(id: string): Promise<CheckRun> {
    const check = ledger.check(id)!
    const { trace, line } = tracer()
    try {
      if (!(await mayRun(id))) {
        ledger.skip(id, 'leader')
        return { observation: silence(check, timers.now(), elsewhere(id)), trace }
      }
      const context = { signal, now: timers.now, connection: steps.connection, trace: line }
      const { observation, after } = await turn(check, ledger.memoryOf(check), steps, { context, timers })
      ledger.keep(id, after)
      lastTurnAt = observation.at
      return { observation, trace }
    } catch (cause) {
      // Only a shutdown and our own bugs come this far: neither may end the rounds of the other checks.
      if (!signal.aborted) steps.complain(`The turn of ${id} broke off.`, cause)
      return { observation: silence(check, timers.now(), broken(id, cause)), trace }
    }
  }

  async function mayRun(id: string): Promise<boolean> {
    if (!steps.claim) return true
    if (!(await steps.claim(id))) {
      claimed.delete(id)
      return false
    }
    // Taken over: what the process before us knew is in the store alone.
    if (!claimed.has(id)) ledger.learn([id], await steps.recall([id]))
    claimed.add(id)
    return true
  }

  async function replace(next: readonly Check[]): Promise<void> {
    const fresh = next.filter(({ id }) => !ledger.check(id)).map(({ id }) => id)
    // Before anything is swapped: when the store cannot tell, the old checks go on as they were.
    const remembered = fresh.length > 0 ? await steps.recall(fresh) : undefined

    const left = ledger.swap(next)
    if (remembered) ledger.learn(fresh, remembered)
    scheduler.replace(
      next.filter(({ probe }) => probe !== reconcileProbe),
      (id) => ledger.memoryOf(ledger.check(id)!).record.lastRunAt,
    )
    await retire(left)
  }

  /** Ends the alerts of checks that are gone, those that went while we were not running among them. */
  async function retire(left: readonly AlertRecord[]): Promise<void> {
    try {
      const strays = (await steps.strays?.(ledger.ids())) ?? left
      if (strays.length > 0) await steps.record({ samples: [], hops: [], ...retireAlerts(strays, timers.now()) })
    } catch (cause) {
      steps.complain('Alerts of checks that are gone could not be ended.', cause)
    }
  }

  async function judgeRuns(pipeline: string, verdicts: readonly PairVerdict[]): Promise<void> {
    const observation = observationOf(pipeline, verdicts, timers.now())
    const check = ledger.check(observation.check)
    try {
      // Whichever process hears of a run judges it: what another judged last is in the store alone.
      if (check && steps.claim) ledger.learn([check.id], await steps.recall([check.id]))
      if (check) ledger.keep(check.id, await digest(check, ledger.memoryOf(check), observation, steps))
    } catch (cause) {
      steps.complain(`The verdicts of ${pipeline} could not be judged.`, cause)
    }
  }

  await replace(options.checks)
  return {
    standing: () => ledger.standing(),
    vitals: () => ({
      ...(lastTurnAt && { lastTurnAt }),
      ...(scheduler.lagMs !== undefined && { schedulerLagMs: scheduler.lagMs }),
    }),
    subscribe: (listener) => ledger.subscribe(listener),
    replace,
    async runNow(id) {
      const check = ledger.check(id)
      if (!check) throw missing(id)
      if (check.probe === reconcileProbe) throw notMeasured(check.pipeline)
      return scheduler.runNow(id)
    },
    // One after the other: two runs that end together would each step the alert from the same state.
    judgeRuns: (pipeline, verdicts) => (told = told.then(() => judgeRuns(pipeline, verdicts))),
    acknowledge: (incident, by) => ledger.acknowledge(incident, by),
    async refresh() {
      const others = ledger.ids().filter((id) => steps.claim && !claimed.has(id))
      if (others.length > 0) ledger.learn(others, await steps.recall(others))
    },
    ended: () => scheduler.ended(),
  }
}

function tracer() {
  const trace: string[] = []
  const line = (text: string) => {
    if (trace.length < traceLinesMax) trace.push(text)
    else if (trace.length === traceLinesMax) trace.push(`(more than ${traceLinesMax} lines; the rest is left out)`)
  }
  return { trace, line }
}

const missing = (id: string) =>
  new Fault('not_found', `There is no check "${id}".`, { hint: 'The overview lists them by pipeline.' })

const elsewhere = (id: string) =>
  new Fault('conflict', `${id} is run by another process.`, {
    hint: 'Its newest answer is shown as soon as that process has stored it.',
  })

const broken = (id: string, cause: unknown) =>
  cause instanceof Fault
    ? cause
    : new Fault('internal', `The turn of ${id} broke off.`, { hint: 'The log has its stack.', cause })

const silence = ({ id }: Check, at: Date, fault: Fault): Observation => ({
  check: id,
  at,
  tookMs: 0,
  answered: false,
  fault,
})
