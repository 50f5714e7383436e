import type { Answer, ProbeContext, Reading } from '../../checks/probe.ts'
import { Fault, sentenceOf } from '../fault.ts'
import type { Check, Observation } from './check.ts'
import type { Timers } from './steps.ts'

/** What one run may answer. More is a fault of the probe or of its target, never cut off without a word. */
export const readingsMax = 1_000
export const hopsMax = 200

/**
 * Runs a check once, within its deadline. A failed probe is an answer about the target, so it is returned; only a
 * shutdown is thrown, because it says nothing about the target.
 */
export async function observe(check: Check, context: ProbeContext, timers: Timers): Promise<Observation> {
  context.signal.throwIfAborted()
  const at = timers.now()

  // Not AbortSignal.any: Node retains every composite of a long-lived signal (node#54614, #64476).
  const run = new AbortController()
  const shutDown = () => run.abort(context.signal.reason)
  const callOff = timers.after(check.timeoutMs, () => run.abort(late(check)))
  context.signal.addEventListener('abort', shutDown)

  const ended = (outcome: { answered: true } & Answer): Observation => ({ ...base(), ...outcome })
  const base = () => ({ check: check.id, at, tookMs: Math.max(0, timers.now().getTime() - at.getTime()) })
  // Before the probe begins: one that aborts at once would otherwise not be heard.
  const stopped = rejectOnAbort(run.signal)
  try {
    const answer = await Promise.race([stopped, measured(check, { ...context, signal: run.signal })])
    return ended({ answered: true, ...sound(check, answer) })
  } catch (cause) {
    context.signal.throwIfAborted()
    const reason: unknown = run.signal.reason
    const fault = reason instanceof Fault ? reason : cause instanceof Fault ? cause : unforeseen(check, cause)
    return { ...base(), answered: false, fault }
  } finally {
    callOff()
    context.signal.removeEventListener('abort', shutDown)
    // A probe that has answered or failed is over: what it left behind may stop.
    run.abort(new Fault('cancelled', `${check.id} is over.`, { hint: 'Nothing to do.' }))
  }
}

/** A probe may throw before it returns its promise. */
const measured = async (check: Check, context: ProbeContext) => check.measure(context)

/** For probes that forget their signal: they lose their turn, not ours. */
const rejectOnAbort = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))

/** Refuses what would poison everything downstream: NaN, infinities, floods, one number twice. */
function sound(check: Check, { readings, positions }: Answer): Answer {
  if (readings.length > readingsMax) throw flood(check, readings.length, 'readings', readingsMax)
  if (positions && positions.length > hopsMax) throw flood(check, positions.length, 'hops', hopsMax)
  const named = new Set<string>()
  for (const reading of readings) {
    if (!Number.isFinite(reading.value)) throw notANumber(check, reading)
    if (!Object.hasOwn(check.metrics, reading.metric)) throw unsound(check, `reported ${reading.metric}, undeclared`)
    if (named.has(reading.metric)) throw unsound(check, `reported ${reading.metric} twice`)
    named.add(reading.metric)
  }
  const hops = new Set<string>()
  for (const { hop, exact } of positions ?? []) {
    if (exact && !Number.isFinite(exact.seconds)) throw unsound(check, `reported a lag of ${exact.seconds} seconds`)
    if (hops.has(hop)) throw unsound(check, `reported the hop ${hop} twice`)
    hops.add(hop)
  }
  return { readings, ...(positions && { positions }) }
}

const late = ({ id, timeoutMs }: Check) =>
  new Fault('probe_timeout', `${id} did not answer within ${timeoutMs} ms.`, {
    hint: 'See what the target is waiting for before raising the timeout of the check.',
  })

const unforeseen = ({ id }: Check, cause: unknown) =>
  new Fault('probe_failed', `${id} could not be measured: ${withoutSecrets(sentenceOf(cause))}`, {
    hint: 'The probe met an error it does not know; its stack is in the log.',
    cause,
  })

/** A driver we do not know may quote its URL, and that may hold a password. */
const withoutSecrets = (text: string) => text.replace(/\/\/[^/\s@]*@/g, '//…@')

const unsound = ({ id }: Check, what: string) =>
  new Fault('probe_failed', `${id} ${what}.`, { hint: 'What is not known must be absent; report this to its author.' })

const notANumber = (check: Check, { metric, value }: Reading) =>
  unsound(check, `reported ${String(value)} as ${metric}, which is not a number`)

const flood = ({ id }: Check, count: number, what: string, max: number) =>
  new Fault('limit_reached', `${id} answered ${count} ${what}; at most ${max} are taken.`, {
    hint: 'Aim the check at less, or split it into several.',
  })
