import type { Metric, Signal } from '../../checks/probe.ts'
import type { AlertStatus, CheckStanding, Standing } from '../evaluate/standing.ts'
import type { Severity } from '../evaluate/rule.ts'
import type { Mode } from '../reconcile/mode.ts'
import type { Coverage } from '../reconcile/scope.ts'
import type {
  Counts,
  CorrectionState,
  Decision,
  Difference,
  Guard,
  RunVerdict,
  SliceResult,
} from '../reconcile/records.ts'
import type { WaitReason } from '../reconcile/wait.ts'

/**
 * Everything this room asks of the others, as plain rows. What is unknown is absent. Views are assembled from these
 * by pure functions (overview.ts, pipeline.ts, run.ts, series.ts, alerts.ts), so no verb here returns a view.
 */

export type Role = 'viewer' | 'operator' | 'admin'
type RunTrigger = 'schedule' | 'dashboard' | 'api' | 'cli'
type RunState = 'queued' | 'running' | 'waiting' | 'applying' | 'done' | 'failed' | 'cancelled'
type PipelineState = 'ok' | 'warn' | 'crit' | 'nodata' | 'paused' | 'unmeasured'

interface FaultRow {
  readonly code: string
  readonly message: string
  readonly hint: string
}

// ---- the config

/** What each signal should be: seconds, a ratio, two counts, and the least match ratio. */
export interface SignalTargets {
  readonly lag: number
  readonly errors: number
  readonly deadLetters: number
  readonly duplicates: number
  readonly drift: number
}

export interface CatalogCheck {
  /** `<pipeline>.<name>` */
  readonly id: string
  readonly name: string
  readonly probe: string
  /** `postgresql`, `rabbitmq`, `file`: the closed list of monitoring systems, for the `system` label. */
  readonly system: string
  /** Every number it may have, derived ones included: `metricsOf` in evaluate/derived.ts. */
  readonly metrics: Readonly<Record<string, Metric>>
  readonly everyMs: number
  readonly timeoutMs: number
  readonly paused: boolean
}

export interface CatalogPair {
  readonly id: string
  /** `connection.schema.table` */
  readonly source: string
  readonly target: string
  readonly key: readonly string[]
  /** A cron line; absent when it runs on demand only. */
  readonly schedule?: string
  readonly timezone: string
  /** How much a run compares that is started by the schedule, or without saying. */
  readonly runMode: Mode
  /** Full runs beside it: a cron line. */
  readonly fullSchedule?: string
  /** How often a part is compared beside all that. */
  readonly scrubEveryMs?: number
  readonly mode: 'off' | 'propose' | 'auto'
  readonly deletes: string
  /** In words: "source, phone from target". */
  readonly authority: string
}

export interface CatalogPipeline {
  readonly id: string
  readonly title: string
  readonly owner: string
  readonly tier: string
  readonly pattern: string
  readonly runbook?: string
  /** The systems it passes, source first. */
  readonly route: readonly string[]
  readonly paused: boolean
  readonly targets: SignalTargets
  readonly checks: readonly CatalogCheck[]
  readonly pairs: readonly CatalogPair[]
}

/** What the config in force names. Replaced whole when it is reloaded. */
export interface Catalog {
  readonly timezone: string
  readonly pipelines: readonly CatalogPipeline[]
}

// ---- what is kept in memory and read without waiting

/** What is known of a pair over all its runs; the counters go on from stored totals after a restart. */
export interface PairStanding {
  readonly pair: string
  readonly pipeline: string
  /** The run under way, however far. */
  readonly running?: { readonly run: string; readonly progress: number; readonly waiting?: WaitingRow }
  /** The newest run that ended with a verdict of match or drift. */
  readonly last?: RunRow
  /** A run whose corrections wait for a person. */
  readonly review?: string
  readonly lastStartAt?: Date
  readonly lastSuccessAt?: Date
  readonly nextAt?: Date
  /** When the run began that read the part of the key space which was compared longest ago; absent when nothing was. */
  readonly unverifiedSince?: Date
  /** How often it ran, by trigger; how often that failed, by trigger and fault code. */
  readonly runs: readonly { readonly trigger: RunTrigger; readonly count: number }[]
  readonly failures: readonly { readonly trigger: RunTrigger; readonly reason: string; readonly count: number }[]
  readonly corrections: readonly { readonly action: string; readonly applied: number; readonly failed: number }[]
  /** Corrections proposed or approved and not yet written. */
  readonly pending: number
}

/** How delivery of notices goes, by channel. */
interface ChannelStanding {
  readonly channel: string
  readonly sent: number
  readonly failed: number
}

/** The monitor itself. */
export interface Monitor {
  readonly version: string
  readonly revision: string
  readonly startedAt: Date
  /** When the newest turn of any check ended. */
  readonly lastCycleAt?: Date
  /** How late the newest turn began after it was due. */
  readonly schedulerLagMs?: number
  readonly leader: boolean
  readonly store: 'embedded' | 'postgres'
  readonly demo: boolean
  readonly configFault?: string
  readonly noticesWaiting: number
  readonly oldestNoticeAt?: Date
  readonly channels: readonly ChannelStanding[]
  readonly evaluations: { readonly total: number; readonly failures: number; readonly lastAt?: Date }
}

/** One immutable look at everything live. Taking it costs nothing and never waits. */
export interface Snapshot {
  readonly catalog: Catalog
  readonly standing: Standing
  readonly pairs: readonly PairStanding[]
  readonly monitor: Monitor
}

// ---- rows of the store

/** Why a run under way does not go on at the moment. */
interface WaitingRow {
  readonly reason: WaitReason
  readonly why: string
  readonly since: Date
  /** When it ends by itself, where that is known. */
  readonly until?: Date
}

/** One run, as stored; a running one is as of its newest checkpoint. */
export interface RunRow {
  readonly id: string
  readonly pair: string
  readonly pipeline: string
  readonly state: RunState
  /** plan, digest, settle, resolve, correct, verify, or done. */
  readonly step: string
  readonly verdict?: RunVerdict
  readonly mode: Mode
  /** How much the verdict speaks for. */
  readonly coverage?: Coverage
  readonly trigger: RunTrigger
  readonly requestedBy: string
  readonly createdAt: Date
  readonly startedAt?: Date
  readonly endedAt?: Date
  /** Who wants it held back before its next slice, from when on. */
  readonly paused?: { readonly by: string; readonly at: Date }
  readonly waiting?: WaitingRow
  readonly rows?: { readonly source: number; readonly target: number }
  readonly counts?: Counts
  readonly matchRatio?: number
  /** Corrections waiting for a person, and written. */
  readonly proposed: number
  readonly applied: number
}

interface SliceRow extends Pick<SliceResult, 'ordinal' | 'from' | 'to' | 'counts' | 'fault'> {
  readonly state: 'pending' | SliceResult['state']
}

/** A part of the key space: keys, or numbers of parts, both ends included. */
interface KeyBucket extends Pick<SliceRow, 'from' | 'to' | 'counts'> {
  /** `skipped`: the run was not to compare any of it. */
  readonly state: SliceRow['state'] | 'skipped'
  /** Rows differ here, or near by in the same slice, that were not kept. */
  readonly more: boolean
  /** Share of it that the run was to compare, 0 to 1. */
  readonly covered: number
}

/** A run with all that belongs to it but its differences. */
export interface RunDetailRow extends RunRow {
  readonly method?: 'native' | 'canonical' | 'streamed'
  readonly notes: readonly string[]
  /** How many columns are compared. */
  readonly columns: number
  readonly inFlight: number
  readonly unsettled: number
  readonly bytesRead: number
  readonly queries: number
  readonly timingsMs: Readonly<Record<string, number>>
  readonly progress: {
    readonly slicesDone: number
    readonly slicesTotal: number
    readonly rowsDone: number
    readonly rowsEstimate: number
  }
  /** In key order, pending ones included. */
  readonly slices: readonly SliceRow[]
  /** Finer parts of the key space where they are known, in key order. */
  readonly buckets?: readonly KeyBucket[]
  /** How the key space is cut: into ranges of keys, or into parts by a hash of the key. */
  readonly space?: 'range' | 'hash'
  /** Differences kept as rows; counts stay exact beyond the limit. */
  readonly kept: { readonly items: number; readonly limit: number; readonly truncated: boolean }
  readonly guards: readonly Guard[]
  /** How many corrections stand in each state, and how many decisions call for each action. */
  readonly corrections: Readonly<Partial<Record<CorrectionState, number>>>
  readonly actions: Readonly<Partial<Record<Decision['action'], number>>>
  /** Why nothing can be approved. */
  readonly blocked?: string
  readonly fault?: FaultRow
  readonly after?: { readonly verdict: RunVerdict } & Counts
}

/** One kept difference, what was decided, and how far its correction got. */
export interface DifferenceRow {
  readonly id: string
  readonly difference: Difference
  readonly decision?: Decision
  readonly state?: CorrectionState
  readonly message?: string
  readonly decidedBy?: string
}

/** Which of the kept differences: of one kind, or in a part of the key space as `buckets` name it, both ends included. */
export interface DifferenceFilter {
  readonly kind?: Difference['kind']
  readonly from?: string
  readonly to?: string
}

export interface DifferencePage {
  /** How many are kept of this kind. */
  readonly total: number
  /** In the order they were found, which never changes. */
  readonly rows: readonly DifferenceRow[]
}

/** One number over time: a reading, or one of `derived` in evaluate/derived.ts, stored beside it. */
export interface SeriesKey {
  readonly check: string
  readonly metric: string
}

/** What one number did in one part of a time span. */
export interface SampleBucket extends SeriesKey {
  /** When the newest sample in it was taken. */
  readonly at: Date
  readonly min: number
  readonly max: number
  readonly last: number
}

/** A span in which a check did not answer. */
export interface SilenceRow {
  readonly check: string
  readonly from: Date
  readonly to: Date
  readonly message: string
}

/** The worst state a pipeline was in during one part of a time span. */
export interface StateRow {
  readonly pipeline: string
  /** 0 is the oldest part. */
  readonly bucket: number
  readonly state: PipelineState
}

interface NoticeRow {
  readonly channel: string
  readonly event: 'fired' | 'resolved'
  readonly state: 'waiting' | 'delivered' | 'dead'
  readonly attempts: number
  readonly at: Date
  readonly error?: string
}

/** One incident, open or over. */
export interface AlertRow {
  readonly id: string
  readonly pipeline: string
  readonly check: string
  readonly rule: string
  readonly signal?: Signal
  readonly kind: 'value' | 'no-data' | 'motion'
  readonly severity: Severity
  readonly status: Exclude<AlertStatus, 'quiet'> | 'resolved'
  readonly since: Date
  readonly firedAt?: Date
  readonly resolvedAt?: Date
  readonly value?: number
  readonly threshold?: number
  readonly unit?: Metric['unit']
  readonly why: string
  readonly acknowledged?: { readonly by: string; readonly at: Date; readonly comment: string }
  readonly notices: readonly NoticeRow[]
}

export interface TokenRow {
  readonly name: string
  readonly role: Role
  /** Lower-case hex sha256 of the token. */
  readonly sha256: string
}

// ---- the verbs

/** Questions to the store. Each is one statement or a fixed few, whatever the number of pipelines. */
export interface Reads {
  /** Newest first. */
  runs(filter: { pair?: string; pipeline?: string; from?: Date; limit: number }): Promise<readonly RunRow[]>
  run(id: string): Promise<RunDetailRow | undefined>
  differences(run: string, page: DifferenceFilter & { offset: number; limit: number }): Promise<DifferencePage>
  /** Every kept difference that matches, in batches, without holding a transaction open between them. */
  allDifferences(run: string, filter: DifferenceFilter): AsyncIterable<readonly DifferenceRow[]>
  /** Many numbers at once: `from` inclusive, `to` exclusive, cut into parts of `bucketMs`; oldest first within a key. */
  samples(request: {
    keys: readonly SeriesKey[]
    from: Date
    to: Date
    bucketMs: number
  }): Promise<readonly SampleBucket[]>
  silences(request: { checks: readonly string[]; from: Date; to: Date }): Promise<readonly SilenceRow[]>
  /** All pipelines at once; a part nobody recorded has no row. */
  states(request: { from: Date; bucketMs: number; buckets: number; pipeline?: string }): Promise<readonly StateRow[]>
  /** Every open incident, and those that ended, newest first. */
  alerts(filter: { pipeline?: string; recentMax: number; from?: Date }): Promise<readonly AlertRow[]>
  alert(id: string): Promise<AlertRow | undefined>
}

/** What an operator may set going. */
export interface Actions {
  /** Runs a configured check now; it counts like any other run of it. @throws Fault `not_found`, `limit_reached` when run too often. */
  runCheck(id: string): Promise<{ readonly standing: CheckStanding; readonly trace: readonly string[] }>
  /** Queues a run and returns its id. @throws Fault `not_found`, or `conflict` naming the run already under way. */
  requestRun(request: { pair: string; mode?: Mode; actor: string; seed?: string; trigger: RunTrigger }): Promise<string>
  /** @throws Fault `not_found`, or `conflict` when it has ended. */
  cancelRun(run: string, actor: string): Promise<void>
  /** @throws Fault `not_found`, or `conflict` when it is paused already, has ended, or only writes. */
  pauseRun(run: string, actor: string): Promise<void>
  /** @throws Fault `not_found`, or `conflict` when it is not paused. */
  resumeRun(run: string, actor: string): Promise<void>
  /**
   * The statements that make one side of a run's kept differences the other's, in batches of lines. Asks both databases what
   * their tables are now, and writes nothing.
   * @throws Fault `not_found`, `conflict` when the tables are no longer as they were compared, and what a side throws.
   */
  script(request: {
    run: string
    on: 'source' | 'target'
    filter: DifferenceFilter
    signal: AbortSignal
  }): Promise<AsyncIterable<string>>
  /** Decides about proposed corrections and returns how many. @throws Fault `not_found`, `conflict`, `guard_tripped`. */
  decide(request: {
    run: string
    verdict: 'approve' | 'reject'
    /** Ids of differences, or all that are proposed. */
    ids: readonly string[] | 'all'
    actor: string
  }): Promise<number>
  /** @throws Fault `not_found`, or `conflict` when it is over. */
  acknowledge(request: { incident: string; actor: string; comment: string }): Promise<void>
}

export interface Tokens {
  /** By the sha256 of the token; revoked ones are not found. */
  find(sha256: string): Promise<TokenRow | undefined>
  any(): Promise<boolean>
}

/** Whether we can do our work: the store answers, and the scheduler has ticked lately. */
export interface Readiness {
  readonly store: { readonly ok: boolean; readonly detail: string }
  readonly scheduler: { readonly ok: boolean; readonly detail: string }
}
