import type { AlertRecord } from '../evaluate/alert.ts'
import { thaw } from '../evaluate/hop-state.ts'
import type { Standing } from '../evaluate/standing.ts'
import { retireAlerts } from '../evaluate/step-alerts.ts'
import { Fault } from '../fault.ts'
import type { Check, Observation } from './check.ts'
import { blank, draw } from './draw.ts'
import { notMeasured, observationOf, reconcileProbe, type PairVerdict } from './reconcile-check.ts'
import { openScheduler } from './scheduler.ts'
import type { Remembered, Steps, Timers } from './steps.ts'
import { digest, turn, type CheckMemory } from './turn.ts'

export interface CheckRun {
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
export const traceLinesMax = 200

/** Recalls what is remembered, then starts. Nothing has been run when it resolves, but the standing is there. */
export async function openMonitor(options: OpenMonitor): Promise<Monitor> {
  const { steps, timers, signal } = options
  let checks = new Map<string, Check>()
  const memories = new Map<string, CheckMemory>()
  const claimed = new Set<string>()
  const acknowledged = new Map<string, string>()
  const listeners = new Set<(pipelines: readonly string[]) => void>()
  let lastTurnAt: Date | undefined
  /** Drawn when it is asked for, and kept until something changes. */
  let standing: Standing | undefined
  let told = Promise.resolve()

  const scheduler = openScheduler<CheckRun>({
    timers,
    signal,
    concurrency: options.concurrency ?? concurrencyDefault,
    run: runTurn,
    skipped: (id) => skip(id, 'overlap'),
  })

  async function runTurn(id: string): Promise<CheckRun> {
    const check = checks.get(id)!
    const { trace, line } = tracer()
    try {
      if (!(await mayRun(id))) {
        skip(id, 'leader')
        return { observation: elsewhere(check, timers.now()), trace }
      }
      const context = { signal, now: timers.now, connection: steps.connection, trace: line }
      const { observation, after } = await turn(check, memoryOf(check), steps, { context, timers })
      keep(id, after)
      return { observation, trace }
    } catch (cause) {
      // Only a shutdown and our own bugs come this far: neither may end the rounds of the other checks.
      if (!signal.aborted) steps.complain(`The turn of ${id} broke off.`, cause)
      return { observation: broken(check, timers.now(), cause), trace }
    }
  }

  async function mayRun(id: string): Promise<boolean> {
    if (!steps.claim) return true
    if (!(await steps.claim(id))) {
      claimed.delete(id)
      return false
    }
    // Taken over: what the process before us knew is in the store alone.
    if (!claimed.has(id)) learn([id], await steps.recall([id]))
    claimed.add(id)
    return true
  }

  const memoryOf = (check: Check): CheckMemory => memories.get(check.id) ?? blank(check)

  function keep(id: string, after: CheckMemory): void {
    const check = checks.get(id)
    // The config may have let go of the check while it ran.
    if (!check) return
    const { skipped } = memoryOf(check).record
    memories.set(id, { ...after, record: { ...after.record, skipped } })
    lastTurnAt = after.record.lastRunAt
    redraw([check.pipeline])
  }

  function skip(id: string, reason: string): void {
    const check = checks.get(id)
    if (!check) return
    const memory = memoryOf(check)
    const skipped = { ...memory.record.skipped, [reason]: (memory.record.skipped[reason] ?? 0) + 1 }
    memories.set(id, { ...memory, record: { ...memory.record, skipped } })
    redraw([])
  }

  function learn(ids: readonly string[], remembered: Remembered): void {
    for (const id of ids) {
      const check = checks.get(id)
      if (!check) continue
      const record = remembered.checks.find((each) => each.id === id)
      const hops = remembered.hops.flatMap(({ check: of, hop, state }) => {
        const thawed = of === id ? thaw(state) : undefined
        return thawed ? [[hop, { ...thawed, flow: {} }] as const] : []
      })
      const alerts = remembered.alerts.filter((alert) => alert.check === id)
      // Pipeline and probe are the config's to say; the record may be from before an edit.
      const { pipeline, probe } = check
      memories.set(id, {
        record: { ...(record ?? memoryOf(check).record), pipeline, probe },
        hops: new Map(hops),
        alerts: new Map(alerts.map((alert) => [alert.rule, alert])),
      })
    }
    for (const { incident, acknowledgedBy } of remembered.alerts) {
      if (acknowledgedBy !== undefined) acknowledged.set(incident, acknowledgedBy)
    }
  }

  async function replace(next: readonly Check[]): Promise<void> {
    const fresh = next.filter(({ id }) => !memories.has(id)).map(({ id }) => id)
    // Before anything is swapped: when the store cannot tell, the old checks go on as they were.
    const remembered = fresh.length > 0 ? await steps.recall(fresh) : undefined

    const gone = [...memories].filter(([id]) => !next.some((check) => check.id === id))
    const touched = new Set([...checks.values(), ...next].map(({ pipeline }) => pipeline))
    checks = new Map(next.map((check) => [check.id, check]))
    if (remembered) learn(fresh, remembered)
    for (const [id] of gone) memories.delete(id)
    scheduler.replace(
      next.filter(({ probe }) => probe !== reconcileProbe),
      (id) => memories.get(id)?.record.lastRunAt,
    )
    redraw([...touched])
    await retire(gone.flatMap(([, { alerts }]) => [...alerts.values()]))
  }

  /** Ends the alerts of checks that are gone, those that went while we were not running among them. */
  async function retire(left: readonly AlertRecord[]): Promise<void> {
    try {
      const strays = (await steps.strays?.([...checks.keys()])) ?? left
      if (strays.length > 0) await steps.record({ samples: [], hops: [], ...retireAlerts(strays, timers.now()) })
    } catch (cause) {
      steps.complain('Alerts of checks that are gone could not be ended.', cause)
    }
  }

  function redraw(pipelines: readonly string[]): void {
    standing = undefined
    if (pipelines.length > 0) for (const listener of listeners) listener(pipelines)
  }

  await replace(options.checks)

  return {
    standing: () => (standing ??= draw(timers.now(), checks, memories, acknowledged, (id) => scheduler.nextAt(id))),
    vitals: () => ({
      ...(lastTurnAt && { lastTurnAt }),
      ...(scheduler.lagMs !== undefined && { schedulerLagMs: scheduler.lagMs }),
    }),
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    replace,
    async runNow(id) {
      const check = checks.get(id)
      if (!check) throw missing(id)
      if (check.probe === reconcileProbe) throw notMeasured(check.pipeline)
      return scheduler.runNow(id)
    },
    judgeRuns(pipeline, verdicts) {
      const observation = observationOf(pipeline, verdicts, timers.now())
      // One after the other: two runs that end together would each step the alert from the same state.
      told = told
        .then(async () => {
          const check = checks.get(observation.check)
          if (check) keep(check.id, await digest(check, memoryOf(check), observation, steps))
        })
        .catch((cause: unknown) => steps.complain(`The verdicts of ${pipeline} could not be judged.`, cause))
      return told
    },
    acknowledge(incident, by) {
      if (by === undefined) acknowledged.delete(incident)
      else acknowledged.set(incident, by)
      redraw([...checks.values()].filter(({ id }) => holds(memories.get(id), incident)).map(({ pipeline }) => pipeline))
    },
    async refresh() {
      const others = [...checks.keys()].filter((id) => steps.claim && !claimed.has(id))
      if (others.length === 0) return
      learn(others, await steps.recall(others))
      redraw([...new Set(others.map((id) => checks.get(id)!.pipeline))])
    },
    ended: () => scheduler.ended(),
  }
}

const holds = (memory: CheckMemory | undefined, incident: string) =>
  [...(memory?.alerts.values() ?? [])].some((alert) => alert.incident === incident)

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

const elsewhere = (check: Check, at: Date): Observation => ({
  check: check.id,
  at,
  tookMs: 0,
  answered: false,
  fault: new Fault('conflict', `${check.id} is run by another process.`, {
    hint: 'Its newest answer is shown as soon as that process has stored it.',
  }),
})

const broken = (check: Check, at: Date, cause: unknown): Observation => ({
  check: check.id,
  at,
  tookMs: 0,
  answered: false,
  fault:
    cause instanceof Fault
      ? cause
      : new Fault('internal', `The turn of ${check.id} broke off.`, { hint: 'The log has its stack.', cause }),
})
