import { waitReasons } from '../reconcile/wait.ts'
import { secondsOf } from './metrics-lag.ts'
import type { PairStanding, Snapshot } from './reads.ts'
import { byReason } from './reason.ts'
import type { Sheet } from './sheet.ts'

const triggers = ['schedule', 'dashboard', 'api', 'cli'] as const
const actions = ['insert', 'update', 'delete'] as const

/** What runs found and put right, a pipeline's pairs taken together; the times are those of its most neglected pair. */
export function writeReconcile(sheet: Sheet, { catalog, pairs }: Snapshot): void {
  const own = ['pipeline']
  const runs = sheet.counter('tallyman_reconcile_runs_total', 'Runs that were started.', ...own, 'trigger')
  const failures = sheet.counter(
    'tallyman_reconcile_failures_total',
    'Runs that could not tell whether the copies agree.',
    ...own,
    'trigger',
    'reason',
  )
  const going = sheet.gauge('tallyman_reconcile_in_progress', 'Runs under way.', ...own)
  const progress = sheet.gauge(
    'tallyman_reconcile_progress_ratio',
    'How far the run under way is; absent when none is.',
    ...own,
  )
  const waiting = sheet.gauge(
    'tallyman_reconcile_waiting',
    'Runs under way that hold back at the moment, by what they wait for; absent when none does.',
    ...own,
    'reason',
  )
  const started = sheet.gauge('tallyman_reconcile_last_start_timestamp_seconds', 'When a run last started.', ...own)
  const succeeded = sheet.gauge(
    'tallyman_reconcile_last_success_timestamp_seconds',
    'When a run last told whether the copies agree; the pair that waits longest.',
    ...own,
  )
  const duration = sheet.gauge('tallyman_reconcile_duration_seconds', 'How long the last runs took together.', ...own)
  const compared = sheet.gauge('tallyman_reconcile_compared_records', 'Keys on either side in the last runs.', ...own)
  const drift = sheet.gauge('tallyman_drift_records', 'Records that differ, by the last runs.', ...own, 'kind')
  const corrected = sheet.counter('tallyman_corrections_total', 'Corrections that were written.', ...own, 'action')
  const unwritten = sheet.counter(
    'tallyman_correction_failures_total',
    'Corrections that could not be written.',
    ...own,
    'action',
  )
  const unverified = sheet.gauge(
    'tallyman_oldest_unverified_timestamp_seconds',
    'When the run began that read the part of the pair which was compared longest ago; absent when nothing ever was.',
    ...own,
    'pair',
  )
  const coverage = sheet.gauge(
    'tallyman_reconcile_coverage_ratio',
    'Share of the key space that the last verdict is of, by what the run compared; of an incremental run, of the keys.',
    ...own,
    'pair',
    'mode',
  )
  const pending = sheet.gauge(
    'tallyman_corrections_pending',
    'Corrections that wait to be approved or written.',
    ...own,
  )

  for (const { id, pairs: named } of catalog.pipelines) {
    if (named.length === 0) continue
    const who = { pipeline: id }
    const mine = pairs.filter((pair) => pair.pipeline === id)
    for (const trigger of triggers) {
      runs(
        { ...who, trigger },
        total(mine, (pair) => countOf(pair.runs, trigger)),
      )
      // Ten reasons for each of four triggers are begun only where runs are: most pipelines use one.
      if (!mine.some((pair) => countOf(pair.runs, trigger) > 0)) continue
      const failed = mine.flatMap((pair) => pair.failures.filter((each) => each.trigger === trigger))
      for (const [reason, count] of byReason(failed.map((each) => [each.reason, each.count] as const))) {
        failures({ ...who, trigger, reason }, count)
      }
    }
    for (const action of actions) {
      const written = mine.flatMap((pair) => pair.corrections.filter((each) => each.action === action))
      corrected(
        { ...who, action },
        written.reduce((sum, each) => sum + each.applied, 0),
      )
      unwritten(
        { ...who, action },
        written.reduce((sum, each) => sum + each.failed, 0),
      )
    }
    pending(
      who,
      total(mine, (pair) => pair.pending),
    )

    for (const { pair, unverifiedSince, last } of mine) {
      unverified({ ...who, pair }, secondsOf(unverifiedSince))
      if (last?.coverage) coverage({ ...who, pair, mode: last.coverage.mode }, last.coverage.share)
    }
    const underWay = mine.flatMap(({ running }) => running ?? [])
    going(who, underWay.length)
    if (underWay.length > 0) progress(who, Math.min(...underWay.map((run) => run.progress)))
    for (const reason of waitReasons) {
      const held = underWay.filter((run) => run.waiting?.reason === reason).length
      if (held > 0) waiting({ ...who, reason }, held)
    }
    const starts = mine.flatMap(({ lastStartAt }) => lastStartAt ?? [])
    if (starts.length > 0) started(who, Math.max(...starts.map((at) => at.getTime())) / 1_000)
    const successes = mine.flatMap(({ lastSuccessAt }) => lastSuccessAt ?? [])
    if (successes.length > 0) succeeded(who, Math.min(...successes.map((at) => at.getTime())) / 1_000)
    writeLast(mine, who, { duration, compared, drift })
  }
}

type Write = ReturnType<Sheet['gauge']>

function writeLast(
  mine: readonly PairStanding[],
  who: { pipeline: string },
  to: Record<'duration' | 'compared' | 'drift', Write>,
) {
  const last = mine.flatMap((pair) => pair.last ?? [])
  const timed = last.flatMap(({ startedAt, endedAt }) =>
    startedAt && endedAt ? [secondsOf(endedAt)! - secondsOf(startedAt)!] : [],
  )
  if (timed.length > 0)
    to.duration(
      who,
      timed.reduce((sum, seconds) => sum + seconds, 0),
    )
  const counted = last.flatMap(({ counts, rows }) => (counts && rows ? [{ counts, rows }] : []))
  if (counted.length === 0) return
  const sum = (of: (run: (typeof counted)[number]) => number) => counted.reduce((all, run) => all + of(run), 0)
  // Keys on either side: what the source has, and what only the target has.
  to.compared(
    who,
    sum(({ counts, rows }) => rows.source + counts.extra),
  )
  to.drift(
    { ...who, kind: 'missing' },
    sum(({ counts }) => counts.missing),
  )
  to.drift(
    { ...who, kind: 'extra' },
    sum(({ counts }) => counts.extra),
  )
  to.drift(
    { ...who, kind: 'mismatched' },
    sum(({ counts }) => counts.changed),
  )
}

const total = (pairs: readonly PairStanding[], of: (pair: PairStanding) => number) =>
  pairs.reduce((sum, pair) => sum + of(pair), 0)

const countOf = (runs: PairStanding['runs'], trigger: string) =>
  runs.find((each) => each.trigger === trigger)?.count ?? 0
