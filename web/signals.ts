import type { Signal, State } from './api.ts'
import { ago, chosen, measured, seconds, secondsBetween, unknown } from './format.ts'

export type SignalName = Signal['signal']

/** The five signals, always in this order. */
export const signalNames: readonly SignalName[] = ['lag', 'errors', 'dead-letters', 'duplicates', 'drift']

export const signalTitles: Record<SignalName, string> = {
  lag: 'Lag',
  errors: 'Errors',
  'dead-letters': 'Dead letters',
  duplicates: 'Duplicates',
  drift: 'Drift',
}

export const stateWords: Record<State, string> = {
  ok: 'ok',
  warn: 'warn',
  crit: 'crit',
  nodata: 'no data',
  paused: 'paused',
  unmeasured: 'not measured',
}

const atLeast = '≥ '

/** The first line of a cell: the value however old, or the sign for unknown. */
export function cellValue({ value, unit, floor }: Signal): string {
  if (value === null) return unknown
  return (floor ? atLeast : '') + measured(value, unit)
}

/** The same, for who hears it: "at least 4 m". */
export const spokenValue = (signal: Signal): string =>
  signal.value === null ? 'not known' : cellValue(signal).replace(atLeast, 'at least ').replace('> ', 'more than ')

/** The second line: what the first is to be held against, or why there is none. */
export function cellNote(signal: Signal, now: number, timezone: string): string {
  const { state, value, unit, target, alert, at, note } = signal
  if (state === 'paused') return note ?? 'paused'
  if (state === 'unmeasured') return note ?? 'not measured'
  if (state === 'nodata') {
    if (value === null || at === null) return note ?? 'no answer'
    return `${seconds(Math.max(0, (now - Date.parse(at)) / 1000))} old`
  }
  if (value === null) return note ?? 'no data'
  if (signal.signal === 'lag' || signal.signal === 'errors') {
    return [target === null ? null : `of ${chosen(target, unit)}`, note].filter((part) => part !== null).join(', ')
  }
  if (note !== null) return note
  if (signal.signal === 'drift') return at === null ? '' : ago(at, now, timezone)
  const bound = signal.signal === 'dead-letters' ? (alert ?? target) : target
  return bound === null ? '' : `of ${chosen(bound, unit)}`
}

/** The lines under a large value on the pipeline's page, most telling first. */
export function tileLines(signal: Signal, now: number, timezone: string): string[] {
  const { signal: name, value, unit, lower, upper, method, target, alert, better, at, note, state } = signal
  const bounds = name === 'lag' && lower !== null && upper !== null ? secondsBetween(lower, upper) : null
  const known = [bounds, method && `by ${method.replaceAll(/[-_]/g, ' ')}`].filter(Boolean).join(', ')
  const bound = [
    target !== null && `target ${chosen(target, unit)}`,
    alert !== null && alert !== target && `alert ${better === 'lower' ? 'above' : 'below'} ${chosen(alert, unit)}`,
  ]
  const old = state === 'nodata' || name === 'drift'
  return [
    known || null,
    note ?? (value === null ? stateWords[state] : null),
    old && at !== null && value !== null ? `measured ${ago(at, now, timezone)}` : null,
    bound.filter(Boolean).join(', ') || null,
  ].filter((line): line is string => line !== null)
}

/** What a tally mark says: every signal and its state, in order. */
export const tallyLabel = (signals: readonly Pick<Signal, 'signal' | 'state'>[]): string =>
  signals.map(({ signal, state }) => `${signalTitles[signal].toLowerCase()} ${stateWords[state]}`).join(', ')
