import type { PipelineRow, State } from './api.ts'
import type { SignalName } from './signals.ts'

/** Named in a sentence at most this many; the rest are counted. */
const namedMax = 3

const troubles: Record<SignalName, string> = {
  lag: 'runs late',
  errors: 'fails records',
  'dead-letters': 'piles up dead letters',
  duplicates: 'delivers twice',
  drift: 'has drifted',
}

type Row = Pick<PipelineRow, 'title' | 'state'> & {
  signals: Pick<PipelineRow['signals'][number], 'signal' | 'state'>[]
}

/** The first line of the overview: the answer a person would give. */
export function headline(rows: readonly Row[]): string {
  const of = (state: State) => rows.filter((row) => row.state === state).length
  if (rows.length === 0) return 'No pipelines yet.'
  if (of('crit') > 0) return counted(of('crit'), 'pipeline is failing.', 'pipelines are failing.')
  if (of('warn') > 0) return counted(of('warn'), 'pipeline misses a target.', 'pipelines miss a target.')
  if (of('nodata') > 0) return counted(of('nodata'), 'pipeline cannot be told.', 'pipelines cannot be told.')
  if (of('ok') === 0) return of('paused') > 0 ? 'Everything is paused.' : 'Nothing is measured yet.'
  return 'Everything holds its targets.'
}

/** The second line: which ones and how, and where the others stand. Empty when the first has said it all. */
export function lead(rows: readonly Row[]): string {
  const of = (state: State) => rows.filter((row) => row.state === state)
  const failing = of('crit')
  const missing = of('warn')
  const named = failing.length > 0 ? failing : missing
  const rest = [
    failing.length > 0 &&
      missing.length > 0 &&
      `${missing.length} more ${missing.length === 1 ? 'misses' : 'miss'} a target`,
    named.length > 0 && of('nodata').length > 0 && `${of('nodata').length} cannot be told`,
    of('paused').length > 0 && named.length > 0 && `${of('paused').length} ${are(of('paused').length)} paused`,
    of('ok').length > 0 && of('ok').length < rows.length && `${of('ok').length} ${are(of('ok').length)} well`,
  ].filter((part): part is string => typeof part === 'string')
  return [sentence(named.length > 0 ? namesOf(named) : ''), sentence(rest.join(', '))].filter(Boolean).join(' ')
}

function namesOf(rows: readonly Row[]): string {
  const named = rows.slice(0, namedMax).map((row) => `${row.title} ${troubleOf(row)}`)
  const others = rows.length - named.length
  return others > 0 ? `${named.join(', ')}, and ${others} more` : named.join(', ')
}

/** In the words of its worst signal, the first in order among equals. */
function troubleOf({ signals, state }: Row): string {
  const worst = signals.find((signal) => signal.state === state)
  return worst ? troubles[worst.signal] : 'needs a look'
}

const are = (number: number) => (number === 1 ? 'is' : 'are')
const counted = (number: number, one: string, many: string) => `${number} ${number === 1 ? one : many}`
const sentence = (text: string) => (text === '' ? '' : `${text.charAt(0).toUpperCase()}${text.slice(1)}.`)
