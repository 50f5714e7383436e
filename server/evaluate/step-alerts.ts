import type { Reading } from '../../checks/probe.ts'
import type { Fault } from '../fault.ts'
import { advance, type AlertRecord, type Hold, type Notice } from './alert.ts'
import type { MeasuredHop } from './hop.ts'
import { judge, type Judged, type Verdict } from './judge.ts'
import { isReconcile, type Rule, type Severity } from './rule.ts'
import { inWords, whyCalm, whyMotion, whyOf } from './words.ts'

/** The check whose alerts are stepped. */
export interface JudgedCheck {
  readonly id: string
  readonly pipeline: string
  readonly everyMs: number
  readonly connections: readonly string[]
  readonly rules: readonly Rule[]
}

/** What one observation brought. */
export interface Facts {
  readonly at: Date
  readonly readings: readonly Reading[]
  readonly hops: readonly MeasuredHop[]
  /** Set when the check did not answer. */
  readonly fault?: Fault
  readonly lastSuccessAt?: Date
}

export interface SteppedAlerts {
  /** Alerts that are open, or have just ended. One that could not be judged stays as it was, and is not among them. */
  readonly alerts: readonly AlertRecord[]
  readonly notices: readonly Notice[]
}

/** One thing an alert can be raised about, and how it looks now. */
interface Expectation extends Hold {
  readonly rule: string
  readonly kind: AlertRecord['kind']
  readonly severity: Severity
  readonly verdict: Verdict
  readonly about: Pick<AlertRecord, 'signal' | 'value' | 'threshold' | 'unit'>
  /** Not told when nothing is wrong. */
  why(): string
  /** Told while an alert recovers; absent keeps what was said last. */
  calm?(): string
}

/** Steps every alert of a check by what one observation brought. `before` holds its open alerts by rule. */
export function stepAlerts(check: JudgedCheck, facts: Facts, before: ReadonlyMap<string, AlertRecord>): SteppedAlerts {
  const expectations = [...expectationsOf(check, facts)]
  const steps = expectations.map((expectation) => step(check, expectation, facts.at, before.get(expectation.rule)))
  const expected = new Set(expectations.map(({ rule }) => rule))
  const stray = [...before.values()].filter(
    ({ rule, kind }) => !expected.has(rule) && !(facts.fault && kind === 'motion'),
  )
  const retired = retireAlerts(stray, facts.at)
  return {
    alerts: [...steps.flatMap(({ record }) => record ?? []), ...retired.alerts],
    notices: [...steps.flatMap(({ notice }) => notice ?? []), ...retired.notices],
  }
}

/** Ends alerts whose rule or hop is gone: whoever was told that it fired is told that it is over. */
export function retireAlerts(alerts: readonly AlertRecord[], at: Date): SteppedAlerts {
  const ended = alerts.map((alert): AlertRecord => ({
    ...alert,
    state: { status: 'quiet' },
    status: 'quiet',
    resolvedAt: at,
    why: 'No longer watched.',
  }))
  return {
    alerts: ended,
    notices: ended.filter(({ firedAt }) => firedAt).map((alert) => noticeOf('resolved', alert, at, [])),
  }
}

interface Step {
  readonly record?: AlertRecord
  readonly notice?: Notice
}

function step(check: JudgedCheck, expectation: Expectation, at: Date, before: AlertRecord | undefined): Step {
  const { rule, kind, severity, verdict, about } = expectation
  const { state, event } = advance(before?.state ?? { status: 'quiet' }, verdict, at.getTime(), expectation)
  const ended = state.status === 'quiet'
  // Unknown freezes an alert with the last value that was seen, and that is how it is shown.
  if (verdict === 'unknown' || (ended && !before)) return {}

  const since = ended ? before!.since : new Date(state.since)
  const firedAt = ended ? before!.firedAt : 'firedAt' in state ? new Date(state.firedAt) : undefined
  const record: AlertRecord = {
    rule,
    incident: before?.incident ?? `${rule}.${since.getTime().toString(36)}`,
    kind,
    pipeline: check.pipeline,
    check: check.id,
    ...about,
    severity,
    state,
    status: state.status,
    since,
    ...(firedAt && { firedAt }),
    ...(ended && { resolvedAt: at }),
    why: sentenceOf(expectation, state.status, before),
    ...(before?.acknowledgedBy !== undefined && { acknowledgedBy: before.acknowledgedBy }),
  }
  return { record, ...(event && { notice: noticeOf(event, record, at, check.connections) }) }
}

function sentenceOf(expectation: Expectation, status: AlertRecord['status'], before: AlertRecord | undefined): string {
  if (expectation.verdict === 'breach' || !before) return expectation.why()
  return (status === 'recovering' ? expectation.calm?.() : undefined) ?? before.why
}

const noticeOf = (event: Notice['event'], alert: AlertRecord, at: Date, connections: readonly string[]): Notice => ({
  id: `${alert.incident}.${event}`,
  event,
  at,
  alert,
  connections,
})

function* expectationsOf(check: JudgedCheck, facts: Facts): Generator<Expectation> {
  yield noData(check, facts)
  for (const rule of check.rules) yield valueOf(rule, facts)
  for (const hop of facts.hops) yield motionOf(check, hop)
}

/** Blindness has an alert of its own: the value alerts freeze, and a dead probe would look like health. */
function noData(check: JudgedCheck, { at, fault, lastSuccessAt }: Facts): Expectation {
  return {
    rule: `${check.id}.no-data`,
    kind: 'no-data',
    severity: 'warn',
    verdict: fault ? 'breach' : 'pass',
    about: {},
    // From the first silence to the third, less half an interval so that jitter never makes it the fourth.
    holdMs: isReconcile(check.id) ? 0 : check.everyMs * 1.5,
    recoverMs: 0,
    why() {
      const since = lastSuccessAt ? `for ${inWords((at.getTime() - lastSuccessAt.getTime()) / 1_000)}` : 'so far'
      return `No answer ${since}. ${fault?.message ?? ''}`.trim()
    },
  }
}

function valueOf(rule: Rule, { fault, readings, hops }: Facts): Expectation {
  const judged = fault ? undefined : find(rule, readings, hops)
  const hop = worst(hops)
  return {
    rule: rule.id,
    kind: 'value',
    severity: rule.severity,
    verdict: judge(judged, rule),
    about: {
      ...(rule.signal && { signal: rule.signal }),
      ...(judged && { value: judged.value }),
      threshold: rule.threshold,
      unit: rule.unit,
    },
    holdMs: rule.holdMs,
    recoverMs: rule.recoverMs,
    why: () => (judged ? whyOf(rule, judged, hop?.standing, hop?.flow) : ''),
    ...(judged && { calm: () => whyCalm(rule, judged) }),
  }
}

const standsStill = new Set(['stalled', 'stopped', 'rewound'])
const untold = new Set(['unknown', 'no_data'])

function motionOf(check: JudgedCheck, { standing }: MeasuredHop): Expectation {
  const { motion, hop } = standing
  return {
    rule: `${check.id}.${hop}.motion`,
    kind: 'motion',
    severity: 'warn',
    verdict: standsStill.has(motion) ? 'breach' : untold.has(motion) ? 'unknown' : 'pass',
    about: { signal: 'lag' },
    holdMs: check.everyMs / 2,
    recoverMs: check.everyMs / 2,
    why: () => whyMotion(standing),
  }
}

function find({ metric }: Rule, readings: readonly Reading[], hops: readonly MeasuredHop[]): Judged | undefined {
  const reading = readings.find((each) => each.metric === metric)
  if (reading) return { value: reading.value, floor: false }
  return derivedOf(metric, hops)
}

/** The hop that is furthest behind; undefined when no lag is known. */
function worst(hops: readonly MeasuredHop[]): MeasuredHop | undefined {
  const told = hops.filter(({ standing }) => standing.lag)
  return told.toSorted((one, other) => behind(other) - behind(one))[0]
}

const behind = ({ standing: { lag } }: MeasuredHop) => lag?.seconds ?? lag?.lowerSeconds ?? 0

/**
 * One derived number of a check, folded over its hops: the worst lag, the sum of what passes or waits.
 * A hop that cannot tell makes the worst of the others a floor, and a sum unknown.
 */
export function derivedOf(metric: string, hops: readonly MeasuredHop[]): Judged | undefined {
  const standings = hops.map(({ standing }) => standing)
  if (metric === 'lag_seconds' || metric === 'lag_lower_bound_seconds') {
    const hop = worst(hops)
    if (!hop) return undefined
    if (metric === 'lag_lower_bound_seconds') return { value: hop.standing.lag!.lowerSeconds, floor: false }
    return { value: behind(hop), floor: standings.some(({ lag }) => lag?.seconds === undefined) }
  }
  if (metric === 'lag_records')
    return summed(standings.map(({ records }) => (records === undefined ? undefined : Number(records))))
  if (metric === 'in_per_second') return summed(standings.map(({ inPerSecond }) => inPerSecond))
  if (metric === 'out_per_second') return summed(standings.map(({ outPerSecond }) => outPerSecond))
  return undefined
}

function summed(values: readonly (number | undefined)[]): Judged | undefined {
  const known = values.filter((value) => value !== undefined)
  if (known.length === 0 || known.length < values.length) return undefined
  return { value: known.reduce((sum, value) => sum + value, 0), floor: false }
}
