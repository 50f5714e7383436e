import type { Metric, Positions } from '../../checks/probe.ts'
import type { Flow } from './flow.ts'
import type { LagEstimate } from './lag.ts'
import type { Rule } from './rule.ts'
import type { HopStanding } from './standing.ts'

/** Narrow and unbreakable, so that a number and its unit never wrap apart. */
const space = '\u202f'

const minute = 60
const hour = 3_600
const day = 86_400

/** `0.8 s`, `48 s`, `6.9 m`, `2.5 h`, `3 d`: below 10 one decimal, else none. Seconds in. */
export function inWords(seconds: number): string {
  if (seconds < minute) return seconds > 0 && seconds < 0.05 ? `< 0.1${space}s` : `${short(seconds)}${space}s`
  if (seconds < hour) return `${short(seconds / minute)}${space}m`
  if (seconds < 2 * day) return `${short(seconds / hour)}${space}h`
  return `${short(seconds / day)}${space}d`
}

function short(value: number): string {
  const text = value < 9.95 ? value.toFixed(1) : value.toFixed(0)
  return text.endsWith('.0') ? text.slice(0, -2) : text
}

/** A value with its unit, as a person reads it. */
function valueInWords(value: number, unit: Metric['unit']): string {
  if (unit === 'seconds') return inWords(value)
  if (unit === 'ratio') return percent(value)
  if (unit === 'per_second') return `${short(value)}${space}/s`
  return grouped(value)
}

/** Never rounded up to perfect: 99.9996 % is `> 99.99 %`, and 100 % means all. */
function percent(ratio: number): string {
  const value = ratio * 100
  if (value > 99.99 && value < 100) return `>${space}99.99${space}%`
  if (value > 0 && value < 0.01) return `<${space}0.01${space}%`
  return `${String(Number(value.toFixed(2)))}${space}%`
}

const grouped = (value: number) =>
  (Number.isInteger(value) ? String(value) : value.toFixed(1)).replace(/\B(?=(\d{3})+(?!\d))/g, space)

const clock = (ms: number) => `${new Date(ms).toISOString().slice(11, 19)}Z`

const exactly: Readonly<Record<NonNullable<Positions['exact']>['method'], string>> = {
  heartbeat: 'A record of ours, sent through the pipeline, took this long.',
  record_timestamp: 'The oldest source record beyond the position of the target was stamped this long ago.',
  offset_by_time: 'The system was asked which record stood at the end this long ago.',
  interpolated: 'Interpolated between source positions we have seen.',
  id_timestamp: 'The id of the oldest record beyond the position of the target holds its time.',
  reported: 'The system itself reports it.',
}

/** How a lag is known that the system tells, a sentence a line. */
export function explainExact({ seconds, method, floor }: NonNullable<Positions['exact']>): readonly string[] {
  if (seconds === 0 && !floor) return ['The target has everything the source has.']
  return [
    floor ? `The lag is at least ${inWords(seconds)}.` : `The lag is ${inWords(seconds)}.`,
    exactly[method],
    'Ages are told by the clock that stamped the data.',
  ]
}

/** How a lag is known from positions alone, a sentence a line. Times are UTC, by our clock. */
export function explainLag(positions: Positions, estimate: LagEstimate, at: number): readonly string[] {
  const { source, target } = positions
  const reached = `At ${clock(at)} the target had reached ${target} and the source ${source}.`
  const { left, right, seconds, lowerSeconds, upperSeconds } = estimate
  if (!right) return [reached, 'The target has everything the source has.']
  if (!left || seconds === undefined || upperSeconds === undefined) {
    return [
      reached,
      `The source was already at ${right.position} when we first looked, at ${clock(right.firstSeen)}.`,
      `So the lag is at least ${inWords(lowerSeconds)}; more cannot be known until the target has come that far.`,
    ]
  }
  return [
    reached,
    `The source stood at ${left.position} until ${clock(left.lastSeen)} and at ${right.position} from ${clock(right.firstSeen)}.`,
    `So the oldest record the target lacks is between ${inWords(lowerSeconds)} and ${inWords(upperSeconds)} old.`,
    `Interpolated between the two: ${inWords(seconds)}.`,
  ]
}

const subjects: Readonly<Record<string, string>> = {
  lag_seconds: 'Lag',
  match_ratio: 'Match',
  error_ratio: 'Errors',
}

const subjectOf = (metric: string) =>
  subjects[metric] ??
  metric.charAt(0).toUpperCase() +
    metric
      .slice(1)
      .replaceAll('_', ' ')
      .replace(/ (seconds|ratio)$/, '')

/** Why a rule is red, in a sentence or two: `Lag 6.9 m, target 5 m. Growing 0.25 s each second; …`. */
export function whyOf(rule: Rule, value: { value: number; floor: boolean }, hop?: HopStanding, flow?: Flow): string {
  const amount = `${value.floor ? 'at least ' : ''}${valueInWords(value.value, rule.unit)}`
  const aim = rule.severity === 'crit' && rule.signal !== 'lag' ? 'alert' : 'target'
  const limit =
    aim === 'alert'
      ? `alert ${rule.when} ${valueInWords(rule.threshold, rule.unit)}`
      : `target ${valueInWords(rule.target, rule.unit)}`
  const said = rule.unit === 'records' ? `${amount} ${recordsOf(rule.metric)}` : `${subjectOf(rule.metric)} ${amount}`
  return [`${said}, ${limit}.`, rule.metric === 'lag_seconds' ? trend(hop, flow) : undefined].filter(Boolean).join(' ')
}

/** What a recovering alert says: the value is well again, and is watched until that holds. */
export function whyCalm(rule: Rule, value: { value: number; floor: boolean }): string {
  const amount = valueInWords(value.value, rule.unit)
  const said = rule.unit === 'records' ? `${amount} ${recordsOf(rule.metric)}` : `${subjectOf(rule.metric)} ${amount}`
  return `Recovering: ${said}, target ${valueInWords(rule.target, rule.unit)}. Resolved when it holds for ${inWords(rule.recoverMs / 1_000)}.`
}

const recordsOf = (metric: string) => metric.replaceAll('_', ' ')

const steady = 0.01

/** Where a lag is going; undefined when that is not known. */
function trend(hop: HopStanding | undefined, flow: Flow | undefined): string | undefined {
  if (hop?.motion === 'stopped' || hop?.motion === 'stalled') return 'The target stands still.'
  if (hop?.etaSeconds !== undefined) return `Catching up, in about ${inWords(hop.etaSeconds)}.`
  const growth = flow?.growth
  if (growth === undefined) return undefined
  if (growth > steady) {
    return `Growing ${growth.toFixed(2)}${space}s each second; at this pace it never catches up.`
  }
  return growth < -steady ? `Shrinking ${(-growth).toFixed(2)}${space}s each second.` : 'Holding steady.'
}

const motions: Readonly<Partial<Record<HopStanding['motion'], string>>> = {
  stalled: 'The target stands still while records wait for it.',
  stopped: 'The target has stopped: it has stood still for longer than it was seen to move.',
  rewound: 'The target has fallen back behind where it had been.',
}

export function whyMotion({ motion, lag, records }: HopStanding): string {
  const waits = [
    records !== undefined && records > 0n ? `${grouped(Number(records))} records wait` : undefined,
    lag === undefined
      ? undefined
      : lag.seconds === undefined
        ? `lag at least ${inWords(lag.lowerSeconds)}`
        : `lag ${inWords(lag.seconds)}`,
  ].filter((part) => part !== undefined)
  return [motions[motion] ?? 'The target moves again.', waits.length > 0 ? `${capital(waits.join(', '))}.` : undefined]
    .filter(Boolean)
    .join(' ')
}

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
