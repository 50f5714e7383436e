import type { z } from '@hono/zod-openapi'
import { signals, type Signal } from '../../checks/probe.ts'
import type { AlertStanding } from '../evaluate/standing.ts'
import { inWords } from '../evaluate/words.ts'
import { isFresh } from './freshness.ts'
import { leadHop, measuredOf, silentChecks, type Measured } from './measured.ts'
import type { CatalogPipeline, RunRow, SeriesKey, SignalTargets, Snapshot } from './reads.ts'
import type { Severity } from '../evaluate/rule.ts'
import type { signalView } from './views.ts'

type SignalView = z.output<typeof signalView>
type Unit = SignalView['unit']

/** A signal without its sparkline, and the numbers that one would be drawn from. */
export interface Judged {
  readonly view: Omit<SignalView, 'spark'>
  readonly drawnFrom: readonly SeriesKey[]
}

const targetKeys = {
  lag: 'lag',
  errors: 'errors',
  'dead-letters': 'deadLetters',
  duplicates: 'duplicates',
  drift: 'drift',
} as const satisfies Record<Signal, keyof SignalTargets>
const units = {
  lag: 'seconds',
  errors: 'ratio',
  'dead-letters': 'records',
  duplicates: 'records',
  drift: 'ratio',
} as const satisfies Record<Signal, Unit>

/** Alerts that say something is wrong now: firing, or firing until it has been well for long enough. */
/** An alert that recovers is no longer critical: its value is well, and only has to stay so. */
export const weightOf = ({ severity, status }: AlertStanding): Severity => (status === 'recovering' ? 'warn' : severity)

export const isRaised = ({ status }: AlertStanding): boolean => status === 'firing' || status === 'recovering'

/** The five signals of a pipeline in their order. */
export const judgeSignals = (snapshot: Snapshot, pipeline: CatalogPipeline, now: Date): readonly Judged[] =>
  signals.map((signal) => {
    const found = find[signal](snapshot, pipeline, now)
    const rules = snapshot.standing.rules.filter((rule) => rule.pipeline === pipeline.id && rule.signal === signal)
    const critical = rules.find(({ severity, unit }) => severity === 'crit' && unit === found.unit)
    const { state, why } = stateOf(snapshot, pipeline, signal, found)
    const { value, unit, floor, lower, upper, method, note, drawnFrom } = found
    return {
      drawnFrom,
      view: {
        signal,
        state,
        ...{ value, unit, floor, lower, upper, method, note },
        target: unit === units[signal] ? pipeline.targets[targetKeys[signal]] : null,
        alert: critical?.threshold ?? null,
        better: signal === 'drift' && unit === 'ratio' ? 'higher' : 'lower',
        at: found.at?.toISOString() ?? null,
        why,
      },
    }
  })

/** What a signal reads, before anybody judges it. Without an `at` it was never measured. */
interface Found {
  readonly value: number | null
  readonly unit: Unit
  readonly floor: boolean
  readonly lower: number | null
  readonly upper: number | null
  readonly method: string | null
  readonly at: Date | null
  readonly note: string | null
  readonly fresh: boolean
  /** Why it cannot be told, where something should be measuring it. */
  readonly silent: string | null
  readonly drawnFrom: readonly SeriesKey[]
}

const blank = { floor: false, lower: null, upper: null, method: null } as const

type Find = (snapshot: Snapshot, pipeline: CatalogPipeline, now: Date) => Found

const find: Record<Signal, Find> = {
  lag(snapshot, pipeline, now) {
    const { standing } = snapshot
    const hop = leadHop(standing, pipeline.id)
    if (!hop) return fromReadings(snapshot, pipeline, now, 'lag', Math.max)
    return {
      value: hop.lag ? (hop.lag.seconds ?? hop.lag.lowerSeconds) : null,
      unit: 'seconds',
      floor: hop.lag !== undefined && hop.lag.seconds === undefined,
      lower: hop.lag?.lowerSeconds ?? null,
      upper: hop.lag?.upperSeconds ?? null,
      method: hop.lag?.method ?? null,
      at: hop.at,
      note:
        hop.motion === 'lagging'
          ? 'growing'
          : hop.motion === 'ok' || hop.motion === 'unknown'
            ? null
            : hop.motion.replace('_', ' '),
      fresh: isFresh(standing.checks.get(hop.check), now),
      silent: hop.lag ? null : 'The lag cannot be told from what both ends have answered so far.',
      drawnFrom: [{ check: hop.check, metric: 'lag_seconds' }],
    }
  },

  errors: (snapshot, pipeline, now) => fromReadings(snapshot, pipeline, now, 'errors', Math.max),

  'dead-letters'(snapshot, pipeline, now) {
    const found = fromReadings(snapshot, pipeline, now, 'dead-letters', sum)
    const ages = measuredOf(snapshot.standing, pipeline, 'dead-letters', now)
    const oldest = Math.max(...ages.filter(({ about }) => about.unit === 'seconds').map(({ value }) => value))
    return Number.isFinite(oldest) && found.value ? { ...found, note: `oldest ${inWords(oldest)}` } : found
  },

  duplicates: (snapshot, pipeline, now) => fromReadings(snapshot, pipeline, now, 'duplicates', sum),

  drift(snapshot, pipeline, now) {
    if (pipeline.pairs.length === 0) return fromReadings(snapshot, pipeline, now, 'drift', Math.min)
    const runs = snapshot.pairs.flatMap((pair) => (pair.pipeline === pipeline.id && pair.last ? [pair.last] : []))
    const told = runs.filter((run) => run.matchRatio !== undefined && run.endedAt)
    if (told.length === 0) {
      return {
        ...blank,
        value: null,
        unit: 'ratio',
        at: null,
        note: 'not compared yet',
        fresh: true,
        silent: null,
        drawnFrom: [],
      }
    }
    const differing = sum(...told.map(({ counts }) => (counts ? counts.missing + counts.extra + counts.changed : 0)))
    return {
      ...blank,
      value: Math.min(...told.map(({ matchRatio }) => matchRatio!)),
      unit: 'ratio',
      // The oldest of the newest: the pipeline is only as freshly compared as its most neglected pair.
      at: new Date(Math.min(...told.map(({ endedAt }) => endedAt!.getTime()))),
      note: [differing > 0 && `${grouped(differing)} differ`, partly(told)].filter(Boolean).join(', ') || null,
      fresh: true,
      silent: null,
      drawnFrom: [{ check: `${pipeline.id}.reconcile`, metric: 'match_ratio' }],
    }
  },
}

/** How the verdicts came about that do not speak for all rows; undefined when all do. */
function partly(told: readonly RunRow[]): string | undefined {
  const modes = new Set(told.flatMap(({ coverage }) => (coverage && coverage.mode !== 'full' ? [coverage.mode] : [])))
  return modes.size > 0 ? [...modes].join(' and ') : undefined
}

const absent = {
  lag: 'not measured',
  errors: 'not set',
  'dead-letters': 'no queue',
  duplicates: 'not set',
  drift: 'no pair',
} as const satisfies Record<Signal, string>

/** The readings of the signal's own unit, folded into one; of the first other unit where there are none. */
function fromReadings(
  { standing }: Snapshot,
  pipeline: CatalogPipeline,
  now: Date,
  signal: Signal,
  fold: (...values: number[]) => number,
): Found {
  const all = measuredOf(standing, pipeline, signal, now)
  const own = all.filter(({ about }) => about.unit === units[signal])
  const unit = own.length > 0 ? units[signal] : (all[0]?.about.unit ?? units[signal])
  const alike: readonly Measured[] = all.filter(({ about }) => about.unit === unit)
  const [silent] = silentChecks(standing, pipeline, signal)
  return {
    ...blank,
    unit,
    value: alike.length > 0 ? fold(...alike.map(({ value }) => value)) : null,
    at: alike.length > 0 ? new Date(Math.min(...alike.map(({ at }) => at.getTime()))) : null,
    note: alike.length > 0 ? null : silent ? 'no answer yet' : absent[signal],
    fresh: alike.every(({ fresh }) => fresh),
    silent: silent && alike.length === 0 ? sayWhy(standing.checks.get(silent.id)?.fault, silent.name) : null,
    drawnFrom: alike.map(({ check, metric }) => ({ check: check.id, metric })),
  }
}

function stateOf({ standing }: Snapshot, pipeline: CatalogPipeline, signal: Signal, found: Found) {
  if (pipeline.paused) return { state: 'paused', why: 'The pipeline is paused in the config.' } as const
  const raised = standing.alerts.filter((alert) => alert.pipeline === pipeline.id && isRaised(alert))
  const own = raised.filter((alert) => alert.signal === signal && alert.kind !== 'no-data')
  const worst = own.find((alert) => weightOf(alert) === 'crit') ?? own[0]
  if (worst) return { state: weightOf(worst), why: worst.why } as const
  if (found.silent) return { state: 'nodata', why: found.silent } as const
  if (!found.fresh) {
    const checks = new Set(found.drawnFrom.map(({ check }) => check))
    const blind = raised.find(({ kind, check }) => kind === 'no-data' && checks.has(check))
    const fault = [...checks].map((check) => standing.checks.get(check)?.fault).find(Boolean)
    return { state: 'nodata', why: blind?.why ?? sayWhy(fault, [...checks][0] ?? signal) } as const
  }
  return found.at ? ({ state: 'ok', why: null } as const) : ({ state: 'unmeasured', why: null } as const)
}

const sayWhy = (fault: { message: string } | undefined, check: string) =>
  fault ? `Cannot tell. ${fault.message}` : `Cannot tell. ${check} has not answered yet.`

const sum = (...values: number[]) => values.reduce((total, value) => total + value, 0)
export const grouped = (count: number): string => count.toLocaleString('en-US').replaceAll(',', '\u202f')
