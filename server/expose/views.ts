import { z } from '@hono/zod-openapi'
import { modes } from '../reconcile/mode.ts'
import { waitReasons } from '../reconcile/wait.ts'

/** The shapes the API answers with: the dashboard's only knowledge of the server, and the OpenAPI document's. */

const instant = z.iso.datetime()
export const state = z.enum(['ok', 'warn', 'crit', 'nodata', 'paused', 'unmeasured'])
const signalName = z.enum(['lag', 'errors', 'dead-letters', 'duplicates', 'drift'])
const unit = z.enum(['seconds', 'records', 'ratio', 'per_second'])

export const problemView = z
  .object({ type: z.string(), status: z.int(), code: z.string(), message: z.string(), hint: z.string() })
  .openapi('Problem')

/** One of the five cells of a pipeline. `value` is null when it is not known; `why` then says the reason. */
export const signalView = z
  .object({
    signal: signalName,
    state,
    value: z.number().nullable().describe('Seconds, records, or a ratio from 0 to 1; for drift the match ratio.'),
    unit,
    floor: z.boolean().describe('The value is a lower bound: "at least".'),
    lower: z.number().nullable(),
    upper: z.number().nullable(),
    method: z.string().nullable().describe('How the seconds of a lag are known.'),
    target: z.number().nullable(),
    alert: z.number().nullable().describe('Where the critical rule fires.'),
    better: z.enum(['lower', 'higher']),
    at: instant.nullable().describe('When the value was measured, however old.'),
    note: z.string().nullable().describe('A few words of context: "oldest 3 d", "1 577 differ", "in 24 h", "no pair".'),
    why: z.string().nullable().describe('In a sentence, when the state is not ok.'),
    spark: z.array(z.number().nullable()).describe('The last hour in at most 40 points; null is a gap.'),
  })
  .openapi('Signal')

const stripView = z
  .object({
    from: instant,
    bucketMs: z.int(),
    states: z
      .string()
      .describe('One letter a bucket, oldest first: o ok, w warn, c crit, n no data, p paused, - not yet.'),
  })
  .openapi('Strip')

export const pipelineRow = z
  .object({
    id: z.string(),
    title: z.string(),
    owner: z.string(),
    tier: z.string(),
    pattern: z.string(),
    runbook: z.string().nullable(),
    route: z.array(z.string()).describe('The systems it passes, source first.'),
    state,
    since: instant.nullable(),
    why: z.string().nullable().describe('One or two sentences a person would say; null when all is well.'),
    signals: z.array(signalView).length(5),
    throughput: z.object({
      inPerSecond: z.number().nullable(),
      outPerSecond: z.number().nullable(),
      spark: z.array(z.number().nullable()),
    }),
    strip: stripView,
    incident: z.string().nullable().describe('The worst open alert, for acknowledging.'),
    acknowledgedBy: z.string().nullable(),
    reviewRun: z.string().nullable().describe('A run whose corrections wait for a person.'),
  })
  .openapi('PipelineRow')

export const overviewView = z
  .object({
    now: instant,
    timezone: z.string(),
    monitor: z.object({
      startedAt: instant,
      lastCycleAt: instant.nullable(),
      schedulerLagMs: z.number().nullable(),
      noticesWaiting: z.int(),
      store: z.enum(['embedded', 'postgres']),
      demo: z.boolean(),
      configFault: z.string().nullable().describe('Why the newest config file was not taken; the old one is in force.'),
    }),
    counts: z.object({ crit: z.int(), warn: z.int(), nodata: z.int(), paused: z.int(), ok: z.int() }),
    pipelines: z.array(pipelineRow).describe('Worst first, then oldest first.'),
  })
  .openapi('Overview')

export const checkView = z
  .object({
    id: z.string(),
    name: z.string(),
    probe: z.string(),
    everyMs: z.int(),
    timeoutMs: z.int(),
    state,
    lastAt: instant.nullable(),
    lastSuccessAt: instant.nullable(),
    tookMs: z.number().nullable(),
    nextAt: instant.nullable(),
    fault: z.object({ code: z.string(), message: z.string(), hint: z.string() }).nullable(),
    readings: z.array(z.object({ metric: z.string(), help: z.string(), unit, value: z.number() })),
  })
  .openapi('Check')

export const runSummary = z
  .object({
    id: z.string(),
    pair: z.string(),
    pipeline: z.string(),
    state: z.enum(['queued', 'running', 'waiting', 'applying', 'done', 'failed', 'cancelled']),
    step: z.string().describe('plan, digest, settle, resolve, correct, verify, or done.'),
    verdict: z.enum(['match', 'drift', 'unknown']).nullable(),
    mode: z.enum(modes).describe('How much of the pair it was asked to compare.'),
    coverage: z
      .object({
        mode: z.enum(modes).describe('What it compared in fact: an incremental run may have had to compare in full.'),
        share: z.number().describe('Share of the key space (of an incremental run: of the keys) it compared, 0 to 1.'),
        estimated: z.boolean().describe('The match ratio stands for more than was compared.'),
        says: z.string().describe('In words, what was compared and what cannot be seen by it.'),
      })
      .nullable()
      .describe('How much the verdict speaks for; null before there is one.'),
    trigger: z.enum(['schedule', 'dashboard', 'api', 'cli']),
    requestedBy: z.string(),
    createdAt: instant,
    startedAt: instant.nullable(),
    endedAt: instant.nullable(),
    differences: z.object({ missing: z.int(), extra: z.int(), changed: z.int() }).nullable(),
    matchRatio: z.number().nullable(),
    proposed: z.int().describe('Corrections waiting for a person.'),
    applied: z.int(),
    paused: z
      .object({ by: z.string(), at: instant })
      .nullable()
      .describe('Who has paused it: it stops before its next slice, and goes on when it is resumed.'),
    waiting: z
      .object({ reason: z.enum(waitReasons), why: z.string(), since: instant, until: instant.nullable() })
      .nullable()
      .describe('Why it does not go on at the moment, and when that ends by itself if that is known.'),
  })
  .openapi('RunSummary')

export const pairView = z
  .object({
    id: z.string(),
    source: z.string(),
    target: z.string(),
    key: z.array(z.string()),
    schedule: z.string().nullable(),
    timezone: z.string(),
    runMode: z.enum(modes).describe('How much a run compares that is started by the schedule, or without saying.'),
    fullSchedule: z.string().nullable().describe('Full runs beside it: a cron line.'),
    scrubEverySeconds: z.number().nullable().describe('How often a part is compared beside all that.'),
    unverifiedSince: instant
      .nullable()
      .describe('When the run began that read the part of the key space which was compared longest ago.'),
    nextAt: instant.nullable(),
    mode: z.enum(['off', 'propose', 'auto']),
    deletes: z.string(),
    authority: z.string().describe('In words: "source, phone from target".'),
    lastRun: runSummary.nullable(),
  })
  .openapi('Pair')

export const happeningView = z
  .object({ at: instant, state, title: z.string(), detail: z.string(), href: z.string().nullable() })
  .openapi('Happening')

export const hopView = z
  .object({
    name: z.string(),
    source: z.object({ name: z.string(), position: z.string().nullable() }),
    target: z.object({ name: z.string(), position: z.string().nullable() }),
    state,
    lagSeconds: z.number().nullable(),
    lowerSeconds: z.number().nullable(),
    upperSeconds: z.number().nullable(),
    records: z.number().nullable(),
    inPerSecond: z.number().nullable(),
    outPerSecond: z.number().nullable(),
    etaSeconds: z.number().nullable(),
    motion: z.string(),
    explained: z.array(z.string()).describe('How the lag is known, a sentence a line, numbers filled in.'),
  })
  .openapi('Hop')

export const pipelineView = pipelineRow
  .extend({
    now: instant,
    timezone: z.string(),
    checks: z.array(checkView),
    pairs: z.array(pairView),
    hops: z.array(hopView),
    happenings: z.array(happeningView).describe('Newest first, at most 30.'),
  })
  .openapi('Pipeline')

export const seriesView = z
  .object({
    from: instant,
    to: instant,
    tracks: z.array(
      z.object({
        id: z.string(),
        title: z.string(),
        caption: z.string(),
        unit,
        fire: z.number().nullable().describe('Above it (below, when `better` is higher) the critical rule fires.'),
        recover: z.number().nullable(),
        target: z.number().nullable(),
        better: z.enum(['lower', 'higher']),
        lines: z.array(
          z.object({
            name: z.string(),
            role: z.enum(['ink', 'source', 'target']),
            points: z
              .array(z.tuple([z.number(), z.number().nullable()]))
              .describe('Epoch ms and value, oldest first; null is a gap.'),
          }),
        ),
      }),
    ),
    gaps: z.array(z.object({ from: instant, to: instant, label: z.string() })),
    events: z.array(z.object({ at: instant, state, label: z.string() })),
  })
  .openapi('Series')

const guardView = z
  .object({ name: z.string(), state: z.enum(['ok', 'warn', 'fail']), detail: z.string() })
  .openapi('Guard')

export const runView = runSummary
  .extend({
    now: instant,
    pipelineTitle: z.string(),
    source: z.string(),
    target: z.string(),
    key: z.array(z.string()),
    columns: z.int(),
    notes: z.array(z.string()).describe('What was left out or compared in a special way, a sentence each.'),
    method: z.enum(['native', 'canonical', 'streamed']).nullable(),
    rows: z.object({ source: z.number(), target: z.number() }).nullable(),
    inFlight: z.int().describe('Differed at first and healed while we looked again: not counted as differences.'),
    inFlightRows: z
      .int()
      .describe('target − (source − missing + extra): rows that came or went between the two reads.'),
    unsettled: z.int(),
    matchTarget: z.number().describe('The match ratio this pipeline should have.'),
    bytesRead: z.number(),
    queries: z.int(),
    timingsMs: z.record(z.string(), z.number()),
    progress: z.object({ slicesDone: z.int(), slicesTotal: z.int(), rowsDone: z.number(), rowsEstimate: z.number() }),
    slices: z.array(
      z.object({
        ordinal: z.int(),
        from: z.string(),
        to: z.string(),
        state: z.enum(['pending', 'verified', 'differing', 'unknown']),
        message: z.string().nullable().describe('Why it could not be compared.'),
        hint: z.string().nullable().describe('What to do about it.'),
        code: z.string().nullable(),
      }),
    ),
    space: z
      .enum(['range', 'hash'])
      .describe('Whether `slices` and `buckets` are ranges of keys, or numbers of parts that a hash of the key makes.'),
    buckets: z
      .array(
        z.object({
          from: z.string(),
          to: z.string(),
          missing: z.int(),
          extra: z.int(),
          changed: z.int(),
          state: z
            .enum(['pending', 'verified', 'differing', 'unknown', 'skipped'])
            .describe('The least known of what is in it; skipped when the run was not to compare any of it.'),
          more: z.boolean().describe('Rows differ here, or near by in the same slice, that were not kept.'),
          covered: z.number().describe('Share of it that the run was to compare, 0 to 1.'),
        }),
      )
      .describe('The key space in at most 120 parts, both ends included: what a filter of the differences takes.'),
    kept: z.object({ items: z.int(), limit: z.int(), truncated: z.boolean() }),
    guards: z.array(guardView),
    corrections: z.record(z.string(), z.int()).describe('How many corrections stand in each state.'),
    actions: z.object({ insert: z.int(), update: z.int(), delete: z.int(), hold: z.int(), review: z.int() }),
    blocked: z.string().nullable().describe('Why nothing can be approved; null when it can.'),
    fault: z.object({ code: z.string(), message: z.string(), hint: z.string() }).nullable(),
    after: z
      .object({ verdict: z.enum(['match', 'drift', 'unknown']), missing: z.int(), extra: z.int(), changed: z.int() })
      .nullable()
      .describe('The corrected keys, compared again after writing.'),
  })
  .openapi('Run')

export const differenceView = z
  .object({
    id: z.string(),
    kind: z.enum(['missing', 'extra', 'changed']),
    key: z.record(z.string(), z.string()),
    duplicated: z.boolean(),
    fields: z
      .array(
        z.object({
          column: z.string(),
          source: z.string().nullable(),
          target: z.string().nullable(),
          winner: z.enum(['source', 'target', 'review']),
          rule: z.string(),
        }),
      )
      .describe('Only differing fields; every compared field for missing and extra.'),
    fieldsCompared: z.int(),
    correction: z
      .object({
        id: z.string(),
        action: z.enum(['insert', 'update', 'delete', 'hold', 'review']),
        on: z.enum(['source', 'target']),
        state: z
          .enum(['proposed', 'approved', 'rejected', 'applying', 'applied', 'stale', 'failed', 'interrupted'])
          .nullable(),
        reason: z.string(),
        message: z.string().nullable(),
        decidedBy: z.string().nullable(),
      })
      .nullable(),
  })
  .openapi('Difference')

export const differencesView = z
  .object({ total: z.int(), offset: z.int(), items: z.array(differenceView) })
  .openapi('Differences')

export const alertView = z
  .object({
    id: z.string(),
    pipeline: z.string(),
    pipelineTitle: z.string(),
    rule: z.string(),
    signal: signalName.nullable(),
    kind: z.enum(['value', 'no-data', 'motion']),
    severity: z.enum(['warn', 'crit']),
    status: z.enum(['pending', 'firing', 'recovering', 'resolved']),
    since: instant,
    firedAt: instant.nullable(),
    resolvedAt: instant.nullable(),
    value: z.number().nullable(),
    threshold: z.number().nullable(),
    unit: unit.nullable(),
    why: z.string(),
    owner: z.string(),
    runbook: z.string().nullable(),
    acknowledged: z.object({ by: z.string(), at: instant, comment: z.string() }).nullable(),
    notices: z.array(
      z.object({
        channel: z.string(),
        event: z.enum(['fired', 'resolved']),
        state: z.enum(['waiting', 'delivered', 'dead']),
        attempts: z.int(),
        at: instant,
        error: z.string().nullable(),
      }),
    ),
  })
  .openapi('Alert')

export const alertsView = z
  .object({
    now: instant,
    open: z.array(alertView),
    recent: z.array(alertView).describe('Resolved, newest first, at most 100.'),
  })
  .openapi('Alerts')

export const runsView = z.object({ now: instant, runs: z.array(runSummary) }).openapi('Runs')

export const checkRunView = z
  .object({ check: checkView, trace: z.array(z.string()).describe('What was asked and answered, in order.') })
  .openapi('CheckRun')

export const sessionView = z
  .object({
    required: z.boolean().describe('Whether a token is needed at all.'),
    role: z.enum(['viewer', 'operator', 'admin']).nullable().describe('Null: not signed in.'),
    name: z.string().nullable(),
  })
  .openapi('Session')
