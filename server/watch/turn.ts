import type { ProbeContext } from '../../checks/probe.ts'
import type { AlertRecord } from '../evaluate/alert.ts'
import { derived } from '../evaluate/derived.ts'
import { freeze } from '../evaluate/hop-state.ts'
import { measureHop, type MeasuredHop } from '../evaluate/hop.ts'
import { derivedOf, stepAlerts } from '../evaluate/step-alerts.ts'
import type { Check, Observation } from './check.ts'
import { observe } from './observe.ts'
import type { CheckRecord, Sample, Steps, Timers } from './steps.ts'

/** What a check carries from one turn to the next. */
export interface CheckMemory {
  readonly record: CheckRecord
  readonly hops: ReadonlyMap<string, MeasuredHop>
  /** Its open alerts by rule. */
  readonly alerts: ReadonlyMap<string, AlertRecord>
}

/** One turn of one check: the whole monitor, in reading order. */
export async function turn(
  check: Check,
  before: CheckMemory,
  steps: Steps,
  { context, timers }: { context: ProbeContext; timers: Timers },
): Promise<{ observation: Observation; after: CheckMemory }> {
  const observation = await observe(check, context, timers)
  return { observation, after: await digest(check, before, observation, steps) }
}

/** What follows an observation, whoever made it: measure, judge, advance, and remember all of it at once. */
export async function digest(
  check: Check,
  before: CheckMemory,
  observation: Observation,
  steps: Steps,
): Promise<CheckMemory> {
  const measured = observation.answered ? measureAll(check, before, observation.positions ?? []) : undefined
  const record = tally(before.record, observation)
  const stepped = stepAlerts(check, factsOf(observation, measured, record), before.alerts)
  const { alerts, notices } = check.paused ? nothing : stepped

  const hops = measured ?? before.hops
  try {
    // State and notices go into one transaction: a crash may repeat a notice and never loses one.
    await steps.record({
      observation,
      check: record,
      samples: samplesOf(observation, measured),
      hops: [...(measured?.values() ?? [])].map((hop) => ({
        check: check.id,
        hop: hop.standing.hop,
        at: hop.standing.at,
        state: freeze(hop),
      })),
      alerts,
      notices,
    })
  } catch (cause) {
    steps.complain(`What ${check.id} answered could not be stored.`, cause)
    // An alert that could not be remembered has not advanced: the next turn takes the same step, and its notice.
    return { record, hops, alerts: before.alerts }
  }
  return { record, hops, alerts: opened(before.alerts, alerts) }
}

const nothing = { alerts: [], notices: [] }

function measureAll(check: Check, before: CheckMemory, positions: NonNullable<Answered['positions']>) {
  const measured = positions.map((each) => measureHop(before.hops.get(each.hop), each, placeOf(check)))
  return new Map(measured.map((hop) => [hop.standing.hop, hop]))
}

type Answered = Extract<Observation, { answered: true }>

const placeOf = ({ pipeline, id, stillMs }: Check) => ({ pipeline, check: id, stillMs })

function factsOf(observation: Observation, measured: ReadonlyMap<string, MeasuredHop> | undefined, after: CheckRecord) {
  return {
    at: observation.at,
    readings: observation.answered ? observation.readings : [],
    hops: [...(measured?.values() ?? [])],
    ...(!observation.answered && { fault: observation.fault }),
    ...(after.lastSuccessAt && { lastSuccessAt: after.lastSuccessAt }),
  }
}

/** The counters and last words of a check, one observation later. */
function tally(before: CheckRecord, observation: Observation): CheckRecord {
  const { id, pipeline, probe, lastSuccessAt, readings, failures, skipped } = before
  const run = {
    ...{ id, pipeline, probe, skipped },
    lastRunAt: observation.at,
    tookMs: observation.tookMs,
    answered: observation.answered,
    runs: before.runs + 1,
  }
  if (observation.answered) return { ...run, lastSuccessAt: observation.at, readings: observation.readings, failures }
  const { fault } = observation
  return {
    ...run,
    ...(lastSuccessAt && { lastSuccessAt }),
    fault,
    readings,
    failures: { ...failures, [fault.code]: (failures[fault.code] ?? 0) + 1 },
  }
}

/** Readings under their own name, and what is derived; a silence has none, and is drawn as silence. */
function samplesOf(observation: Observation, measured: ReadonlyMap<string, MeasuredHop> | undefined): Sample[] {
  if (!observation.answered) return []
  const { check, at, readings } = observation
  const sample = (metric: string, value: number): Sample => ({ check, metric, at, value })
  const hops = [...(measured?.values() ?? [])]
  const samples = readings.map(({ metric, value }) => sample(metric, value))
  const lag = derivedOf('lag_seconds', hops)
  for (const metric of Object.keys(derived)) {
    const told = metric === 'lag_seconds' && lag?.floor ? undefined : derivedOf(metric, hops)
    if (told && (metric !== 'lag_lower_bound_seconds' || lag?.floor)) samples.push(sample(metric, told.value))
  }
  if (hops.length < 2) return samples
  for (const { standing } of hops) {
    if (standing.lag?.seconds !== undefined) samples.push(sample(`lag_seconds:${standing.hop}`, standing.lag.seconds))
  }
  return samples
}

function opened(before: ReadonlyMap<string, AlertRecord>, changed: readonly AlertRecord[]) {
  const open = new Map(before)
  for (const alert of changed) {
    if (alert.status === 'quiet') open.delete(alert.rule)
    else open.set(alert.rule, alert)
  }
  return open
}
