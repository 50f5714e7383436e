/**
 * Numbers, units, ages and instants as people read them. Pure: the present and the time zone are parameters.
 *
 * A narrow no-break space keeps a number and its unit on one line. What is exact is said exactly, what is rounded
 * never rounds up to perfect or down to nothing, and what is not known is `unknown`, never a number.
 */

export type Unit = 'seconds' | 'records' | 'ratio' | 'per_second'

const thin = '\u202f'
export const unknown = '–'

const minuteSeconds = 60
const hourSeconds = 3600
const daySeconds = 86_400
/** Ages are told in hours up to here, then in days or as a date. */
const hoursMax = 48

/** Counted for a decision: every digit, in groups of three. */
export const count = (value: number): string =>
  Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, thin)

/** Three significant digits with k, M, G or T; below a thousand as it is. */
export function short(value: number): string {
  const suffixes = ['', 'k', 'M', 'G', 'T']
  let step = 0
  let scaled = Math.abs(value)
  while (step < suffixes.length - 1 && Number(scaled.toPrecision(3)) >= 1000) {
    scaled /= 1000
    step++
  }
  const digits = Number.isInteger(value) && step === 0 ? scaled.toString() : trimmed(scaled)
  return `${value < 0 ? '−' : ''}${digits}${step > 0 ? thin + suffixes[step] : ''}`
}

/** At most three significant digits and at most two decimals, without idle zeros. */
const trimmed = (value: number): string => Number(Number(value.toPrecision(3)).toFixed(2)).toString()

/** Below 10 one decimal, else none; an idle zero is left out. */
const coarse = (value: number): string =>
  value >= 9.95 ? Math.round(value).toString() : Number(value.toFixed(1)).toString()

/** Lags and ages: `12 ms`, `0.8 s`, `48 s`, `6.9 m`, `26 h`, `3 d`. Negative seconds read as none. */
export function seconds(value: number): string {
  const [amount, unit] = secondsIn(Math.max(0, value))
  return `${amount}${thin}${unit}`
}

function secondsIn(value: number): [amount: string, unit: string] {
  if (value > 0 && value < 0.001) return ['< 1', 'ms']
  if (value > 0 && value < 0.0995) return [Math.round(value * 1000).toString(), 'ms']
  if (Number(coarse(value)) < minuteSeconds) return [coarse(value), 's']
  if (Number(coarse(value / minuteSeconds)) < minuteSeconds) return [coarse(value / minuteSeconds), 'm']
  if (Number(coarse(value / hourSeconds)) <= hoursMax) return [coarse(value / hourSeconds), 'h']
  return [coarse(value / daySeconds), 'd']
}

/** The seconds a lag lies between: `6.8 to 7.1 m`; one number when both ends read the same. */
export function secondsBetween(lower: number, upper: number): string {
  const [low, lowUnit] = secondsIn(Math.max(0, lower))
  const [high, highUnit] = secondsIn(Math.max(0, upper))
  if (lowUnit !== highUnit) return `${low}${thin}${lowUnit} to ${high}${thin}${highUnit}`
  return low === high ? `${high}${thin}${highUnit}` : `${low} to ${high}${thin}${highUnit}`
}

/** How long something has lasted, in its two largest units: `48 s`, `9 m`, `2 h 56 m`, `3 d 4 h`. */
export function duration(ms: number): string {
  const whole = Math.max(0, Math.floor(ms / 1000))
  if (whole < minuteSeconds) return `${whole}${thin}s`
  if (whole < hourSeconds) return `${Math.floor(whole / minuteSeconds)}${thin}m`
  if (whole < hoursMax * hourSeconds) return pair(whole, hourSeconds, 'h', minuteSeconds, 'm')
  return pair(whole, daySeconds, 'd', hourSeconds, 'h')
}

/** How long a piece of work took, finer than `duration`: `4 ms`, `0.4 s`, `42 s`, `4 m 12 s`. */
export function took(ms: number): string {
  if (ms < 100) return `${ms < 1 ? '< 1' : Math.round(ms)}${thin}ms`
  if (ms < minuteSeconds * 1000) return `${coarse(Math.round(ms / 100) / 10)}${thin}s`
  if (ms < hourSeconds * 1000) return pair(Math.floor(ms / 1000), minuteSeconds, 'm', 1, 's')
  return duration(ms)
}

function pair(whole: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((whole % large) / small)
  const first = `${Math.floor(whole / large)}${thin}${largeUnit}`
  return rest > 0 ? `${first} ${rest}${thin}${smallUnit}` : first
}

/** A share of one as a percentage: `0.61 %`; `100 %` and `0 %` only when it is all or nothing. */
export function ratio(value: number): string {
  if (value >= 1) return value === 1 ? `100${thin}%` : `${trimmed(value * 100)}${thin}%`
  if (value <= 0) return `0${thin}%`
  if (value < 0.00005) return `< 0.01${thin}%`
  if (value >= 0.99995) return `> 99.99${thin}%`
  return `${(value * 100).toFixed(2)}${thin}%`
}

/** A share that somebody chose, such as a target: `0.1 %`, `99.5 %`. */
export const chosenRatio = (value: number): string => `${Number((value * 100).toFixed(4))}${thin}%`

/** Records per second; slow flows are told per minute or per hour, so that they never read as nothing. */
export function rate(perSecond: number): string {
  if (perSecond <= 0) return `0${thin}/s`
  if (perSecond >= 0.095) return perUnit(perSecond, 's')
  if (perSecond * minuteSeconds >= 0.095) return perUnit(perSecond * minuteSeconds, 'min')
  return perUnit(perSecond * hourSeconds, 'h')
}

function perUnit(value: number, unit: string): string {
  if (value >= 1000) return `${short(value)}/${unit}`
  return `${value < 0.05 ? '< 0.1' : coarse(value)}${thin}/${unit}`
}

export function bytes(value: number): string {
  if (value < 1000) return `${value}${thin}B`
  const [digits, suffix] = short(value).split(thin)
  return `${digits}${thin}${suffix === 'k' ? 'kB' : `${suffix}B`}`
}

/** Records are exact up to here: past it the digits outweigh the meaning. */
const exactMax = 99_999

/** A measured value in its unit. */
export function measured(value: number, unit: Unit): string {
  if (unit === 'seconds') return seconds(value)
  if (unit === 'ratio') return ratio(value)
  if (unit === 'per_second') return rate(value)
  if (!Number.isInteger(value)) return short(value)
  return Math.abs(value) <= exactMax ? count(value) : short(value)
}

/** A value somebody chose, such as a target or a threshold, without idle digits. */
export const chosen = (value: number, unit: Unit): string =>
  unit === 'ratio' ? chosenRatio(value) : measured(value, unit)

/** A key as it is written, its digits in groups when it is a number: for reading, not for copying. */
export const keyText = (key: string): string => (/^\d{5,15}$/.test(key) ? count(Number(key)) : key)

/** How long ago, up to 48 h; then the date. `at` in the future reads as `0 s ago`. */
export function ago(at: string, now: number, timezone: string): string {
  const past = (now - Date.parse(at)) / 1000
  return past <= hoursMax * hourSeconds ? `${seconds(Math.max(0, Math.floor(past)))} ago` : date(at, timezone)
}

/** How long until then: `in 8 s`; what is due now or overdue is `now`. */
export function until(at: string, now: number): string {
  const rest = (Date.parse(at) - now) / 1000
  return rest < 1 ? 'now' : `in ${seconds(Math.ceil(rest))}`
}

type Instant = string | number

const written = (at: Instant, timezone: string, options: Intl.DateTimeFormatOptions): string =>
  new Intl.DateTimeFormat('en-GB', { timeZone: timezone, hourCycle: 'h23', ...options }).format(new Date(at))

export const clock = (at: Instant, timezone: string): string =>
  written(at, timezone, { hour: '2-digit', minute: '2-digit' })

export const clockSeconds = (at: Instant, timezone: string): string =>
  written(at, timezone, { hour: '2-digit', minute: '2-digit', second: '2-digit' })

export const date = (at: Instant, timezone: string): string => written(at, timezone, { day: 'numeric', month: 'short' })

/** The clock for today's instants, the date and the clock for all others. */
export function when(at: Instant, now: number, timezone: string): string {
  return date(at, timezone) === date(now, timezone)
    ? clock(at, timezone)
    : `${date(at, timezone)} ${clock(at, timezone)}`
}

/** The whole truth about an instant, for hover and focus: `21 Nov 2026 03:03:12 Europe/Berlin`. */
export function exactly(at: Instant, timezone: string): string {
  const day = written(at, timezone, { day: 'numeric', month: 'short', year: 'numeric' })
  return `${day} ${clockSeconds(at, timezone)} ${timezone}`
}

/** The last part of a time zone's name, as people say it: `Berlin`. */
export const city = (timezone: string): string => (timezone.split('/').at(-1) ?? timezone).replaceAll('_', ' ')

/** `1 row`, `2 rows`: the noun follows the number. */
export const some = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`
