import type { z } from 'zod'
import type { Postgres } from '../server/connect/postgres.ts'

/** The five signals of a pipeline, in the order they are always shown. */
export const signals = ['lag', 'errors', 'dead-letters', 'duplicates', 'drift'] as const
export type Signal = (typeof signals)[number]

/** One number about one target at one instant. The unit is the last word of the metric name. */
export interface Reading<Metric extends string = string> {
  readonly metric: Metric
  readonly value: number
}

/** How the seconds of a lag are known, best first (reference names of the `method` label). */
export type LagMethod =
  'heartbeat' | 'record_timestamp' | 'offset_by_time' | 'interpolated' | 'id_timestamp' | 'reported'

/**
 * How far both ends of a hop have got. Read the target FIRST, then the source: the other order reports a
 * negative lag whenever a record passes between the two reads. Both are monotone; what is unknown is absent.
 */
export interface Positions {
  /** The leg of the pipeline that was measured; `end_to_end` unless the pipeline has several. */
  readonly hop: string
  /** Our clock, in the middle of the two reads. */
  readonly observedAt: Date
  readonly target?: bigint
  readonly source?: bigint
  /** The smallest position the source still keeps. */
  readonly earliest?: bigint
  /** What one step of a position is: only `records` can be shown as a count of records. */
  readonly unit: 'records' | 'bytes' | 'microseconds'
  /** Records between the two positions, when counted exactly. */
  readonly records?: bigint
  /** Seconds of lag where the system itself knows, by the clock that stamped the data. */
  readonly exact?: {
    readonly seconds: number
    readonly method: LagMethod
    /** It is at least that much; no more is known. */
    readonly floor?: true
  }
  /** Cumulative records passed, for rates, when the positions themselves are not a count of records. */
  readonly counters?: { readonly source?: bigint; readonly target?: bigint }
  /** Changes when positions start over (a topic recreated, a slot dropped): history before it is void. */
  readonly epoch?: string
}

/** What one run of a probe answers. It never schedules, stores or judges. */
export interface Answer<Metric extends string = string> {
  readonly readings: readonly Reading<Metric>[]
  readonly positions?: readonly Positions[]
}

/** The systems a probe can ask for, and the client it is handed. Grows by one line a system. */
interface Clients {
  readonly postgres: Postgres
}
export type System = keyof Clients

/** A connection a check needs, and where in its target it was named, for errors with line numbers. */
export interface Need {
  readonly connection: string
  readonly system: System
  readonly path: readonly (string | number)[]
}

export interface ProbeContext {
  /** Aborts at the deadline or at shutdown. Hand it to every await that can hang. */
  readonly signal: AbortSignal
  /** Our clock, for saying when something was seen; the age of data is told by the clock that stamped it. */
  now(): Date
  /** The open client of a connection named in the config. */
  connection<S extends System>(system: S, name: string): Clients[S]
  /** Says what was asked and what came back, for `Run now`. Never hand it a secret or a whole row. */
  trace(line: string): void
}

export interface Metric {
  /** One sentence for the HELP line and the docs: what it is and by whose clock. */
  readonly help: string
  readonly unit: 'seconds' | 'records' | 'ratio' | 'per_second'
  /** The signal it feeds; readings without one are shown with the check alone. */
  readonly signal?: Signal
}

/** A kind of measurement. Its `metrics` are all it may report; anything else fails to compile. */
export interface Probe<Target extends z.ZodObject = z.ZodObject, Name extends string = string> {
  readonly name: string
  readonly summary: string
  /** The keys a check of this probe takes, beside those every check has. */
  readonly target: Target
  readonly metrics: Readonly<Record<Name, Metric>>
  /** It reports positions, so that everything the lag model derives of them may be judged too. */
  readonly positions?: true
  /** For probes whose numbers the user names in the target: what this check reports beside `metrics`. */
  declares?(target: z.output<Target>): Readonly<Record<string, Metric>>
  /** The least a login needs, as commands an administrator can run. */
  readonly grants: string
  needs(target: z.output<Target>): readonly Need[]
  run(target: z.output<Target>, context: ProbeContext): Promise<Answer<NoInfer<Name>>>
}

/** Infers the target and the metric names of a probe, so that a misspelt metric does not compile. */
export function defineProbe<Target extends z.ZodObject, Name extends string>(
  probe: Probe<Target, Name>,
): Probe<Target, Name> {
  return probe
}
