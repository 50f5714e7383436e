import type { Run, RunSummary, State } from './api.ts'
import { chosenRatio, count, ratio, some } from './format.ts'

/** How a run's standing is drawn. `flight` is the violet of work under way. */
export interface Look {
  readonly state: State | 'flight'
  readonly word: string
}

export function lookOf({ state, verdict, waiting }: Pick<RunSummary, 'state' | 'verdict' | 'waiting'>): Look {
  if (waiting) return { state: 'paused', word: waiting.reason === 'paused' ? 'paused' : 'holds back' }
  switch (state) {
    case 'queued':
      return { state: 'flight', word: 'queued' }
    case 'running':
      return { state: 'flight', word: 'running' }
    case 'applying':
      return { state: 'flight', word: 'writing' }
    case 'waiting':
      return { state: 'warn', word: 'review waiting' }
    case 'failed':
      return { state: 'crit', word: 'failed' }
    case 'cancelled':
      return { state: 'paused', word: 'cancelled' }
    case 'done':
      if (verdict === 'match') return { state: 'ok', word: 'match' }
      return verdict === 'drift' ? { state: 'warn', word: 'drift' } : { state: 'nodata', word: 'could not be told' }
  }
}

export const underWay = ({ state }: Pick<RunSummary, 'state'>): boolean =>
  state === 'queued' || state === 'running' || state === 'applying'

export const differing = (run: Pick<RunSummary, 'differences'>): number | null =>
  run.differences && run.differences.missing + run.differences.extra + run.differences.changed

/** How much of the pair was compared, in a few words: `full`, `incremental`, `sample of 1 %`. */
export function modeWords({ mode, coverage }: Pick<RunSummary, 'mode' | 'coverage'>): string {
  if (!coverage) return mode
  if (coverage.mode === 'full') return mode === 'full' ? 'full' : `full instead of ${mode}`
  return coverage.mode === 'incremental' ? 'incremental' : `${coverage.mode} of ${chosenRatio(coverage.share)}`
}

/** What a verdict speaks for, in a sentence, where that is not all rows; null where it is. */
export function covers({ coverage }: Pick<RunSummary, 'coverage'>): string | null {
  return coverage && coverage.mode !== 'full' ? `${coverage.says}.` : null
}

/** Why a run stopped before its end by a limit of its own; null when it did not. */
export const overBudget = ({ slices }: Pick<Run, 'slices'>) => {
  const slice = slices.find(({ state, code }) => state === 'unknown' && code === 'limit_reached')
  return slice ? { message: slice.message ?? '', hint: slice.hint ?? '' } : null
}

/** The first line of a run's page. */
export function runHeadline(run: Run): string {
  const { slicesDone, slicesTotal } = run.progress
  if (run.waiting) return run.waiting.reason === 'paused' ? 'Paused.' : 'Holding back.'
  if (run.state === 'queued') return 'Waiting for a worker.'
  if (run.state === 'applying') return 'Writing corrections.'
  if (run.state === 'running')
    return slicesTotal > 0 ? `Comparing, ${slicesDone} of ${slicesTotal} slices.` : 'Comparing.'
  if (run.state === 'cancelled') return 'Cancelled.'
  if (run.state === 'failed') return 'The run failed.'
  const rows = differing(run)
  if (run.verdict === 'unknown' || run.verdict === null || rows === null) return 'Could not be told.'
  return rows === 0 ? 'Both copies agree.' : `${some(rows, 'row differs', 'rows differ')}.`
}

/** The second line: how much agrees, how complete the look was, and what was in flight. */
export function runLead(run: Run): string {
  const unknown = run.slices.filter(({ state }) => state === 'unknown').length
  const total = run.progress.slicesTotal
  const match =
    run.matchRatio === null ? null : `Match ${ratio(run.matchRatio)}, target ${chosenRatio(run.matchTarget)}.`
  if (underWay(run) && run.state !== 'applying') return match ?? ''
  const partly = run.coverage && run.coverage.mode !== 'full'
  const reached = overBudget(run) ? 'It reached its budget, and the rest is unknown; nothing will be written.' : null
  const whole =
    unknown > 0
      ? (reached ?? `${unknown} of ${total} slices failed; nothing will be written.`)
      : partly
        ? 'All that was to be looked at was compared'
        : 'Every slice was compared'
  if (run.verdict === null && unknown === 0) return match ?? ''
  if (unknown > 0) return [match, whole].filter(Boolean).join(' ')
  const healed =
    run.inFlight > 0
      ? `${whole}; ${count(run.inFlight)} more ${run.inFlight === 1 ? 'was' : 'were'} in flight and healed while we looked twice.`
      : `${whole}.`
  const open = run.unsettled > 0 ? `${count(run.unsettled)} were still changing at the last look.` : null
  return [match, healed, open].filter(Boolean).join(' ')
}

/** The steps of a run, in order; `after` is what the verified stage is called when nothing is to be written. */
export const runSteps = ['plan', 'digest', 'settle', 'resolve', 'correct', 'verify'] as const

/** `3 updates, 1 insert, 0 deletes`: every kind of write is named, also at none. */
export const writesOf = ({
  update,
  insert,
  delete: removed,
}: {
  update: number
  insert: number
  delete: number
}): string => [some(update, 'update'), some(insert, 'insert'), some(removed, 'delete')].join(', ')
