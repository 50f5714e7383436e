import { createApi, type Exposed } from '../server/expose/api.ts'
import { mintToken, type Identity } from '../server/expose/auth.ts'
import { Feed } from '../server/expose/feed.ts'
import { createMetrics } from '../server/expose/metrics.ts'
import type {
  AlertRow,
  CatalogPipeline,
  DifferenceRow,
  PairStanding,
  RunDetailRow,
  Snapshot,
  TokenRow,
} from '../server/expose/reads.ts'
import { derived } from '../server/evaluate/derived.ts'
import type { Rule } from '../server/evaluate/rule.ts'
import type { AlertStanding, CheckStanding, HopStanding } from '../server/evaluate/standing.ts'
import { Fault } from '../server/fault.ts'

export const now = new Date('2026-11-21T03:00:30.000Z')
export const runUuid = '0190c7a2-7b1c-7000-8000-000000000001'
export const differenceUuid = (n: number) => `${runUuid}.000000.000000${n}`
export const ago = (seconds: number) => new Date(now.getTime() - seconds * 1_000)

/** A world of rows: one pipeline with a table-lag check, a queue check and a pair. Every part can be replaced. */
export function pipelineOf(id = 'customers', over: Partial<CatalogPipeline> = {}): CatalogPipeline {
  return {
    id,
    title: 'CRM customers to billing',
    owner: 'team-crm',
    tier: 'operational',
    pattern: 'event-driven',
    runbook: 'https://wiki/runbooks/customers',
    route: ['crm', 'rabbit', 'billing'],
    paused: false,
    targets: { lag: 900, errors: 0.001, deadLetters: 0, duplicates: 0, drift: 0.995 },
    checks: [
      {
        id: `${id}.lag`,
        name: 'lag',
        probe: 'table-lag',
        system: 'postgresql',
        metrics: derived,
        everyMs: 15_000,
        timeoutMs: 10_000,
        paused: false,
      },
      {
        id: `${id}.queue`,
        name: 'queue',
        probe: 'rabbitmq-queue',
        system: 'rabbitmq',
        metrics: {
          ready_records: { help: 'Records waiting in the queue.', unit: 'records' },
          dead_records: { help: 'Records in the dead-letter queue.', unit: 'records', signal: 'dead-letters' },
          dead_oldest_seconds: { help: 'Age of the oldest of them.', unit: 'seconds', signal: 'dead-letters' },
          error_ratio: { help: 'Failed of all handled.', unit: 'ratio', signal: 'errors' },
        },
        everyMs: 15_000,
        timeoutMs: 10_000,
        paused: false,
      },
    ],
    pairs: [
      {
        id,
        source: 'crm.public.customers',
        target: 'billing.public.customers',
        key: ['id'],
        runMode: 'full',
        schedule: '0 2 * * *',
        timezone: 'Europe/Berlin',
        mode: 'propose',
        deletes: 'hold',
        authority: 'source, phone from target',
      },
    ],
    ...over,
  }
}

export const hopOf = (pipeline = 'customers', over: Partial<HopStanding> = {}): HopStanding => ({
  pipeline,
  check: `${pipeline}.lag`,
  hop: 'end_to_end',
  at: ago(5),
  sourcePosition: 54_312n,
  targetPosition: 54_100n,
  lag: { seconds: 41, lowerSeconds: 38, upperSeconds: 44, method: 'interpolated', explained: ['end 54 312'] },
  records: 212n,
  watermark: ago(46),
  sourceTotal: 54_312n,
  targetTotal: 54_100n,
  inPerSecond: 3,
  outPerSecond: 2.5,
  motion: 'ok',
  ...over,
})

export const checkOf = (id: string, over: Partial<CheckStanding> = {}): CheckStanding => ({
  id,
  pipeline: id.split('.')[0]!,
  probe: id.endsWith('lag') ? 'table-lag' : 'rabbitmq-queue',
  everyMs: 15_000,
  timeoutMs: 10_000,
  paused: false,
  lastRunAt: ago(5),
  lastSuccessAt: ago(5),
  tookMs: 12,
  answered: true,
  readings: id.endsWith('queue')
    ? [
        { metric: 'ready_records', value: 4 },
        { metric: 'dead_records', value: 6 },
        { metric: 'dead_oldest_seconds', value: 259_200 },
        { metric: 'error_ratio', value: 0.0003 },
      ]
    : [],
  metrics: {},
  runs: 240,
  failures: {},
  skipped: {},
  nextAt: ago(-10),
  ...over,
})

export const ruleOf = (over: Partial<Rule> = {}): Rule => ({
  id: 'customers.lag.lag_seconds.crit',
  pipeline: 'customers',
  check: 'customers.lag',
  metric: 'lag_seconds',
  signal: 'lag',
  severity: 'crit',
  when: 'above',
  threshold: 1_800,
  recover: 1_440,
  holdMs: 120_000,
  recoverMs: 300_000,
  target: 900,
  unit: 'seconds',
  ...over,
})

export const alertStandingOf = (over: Partial<AlertStanding> = {}): AlertStanding => ({
  incident: 'customers.lag.lag_seconds.crit.abc',
  rule: 'customers.lag.lag_seconds.crit',
  pipeline: 'customers',
  check: 'customers.lag',
  signal: 'lag',
  kind: 'value',
  severity: 'crit',
  status: 'firing',
  since: ago(540),
  value: 2_000,
  threshold: 1_800,
  why: 'Lag 33 m, target 15 m.',
  ...over,
})

export const runOf = (over: Partial<RunDetailRow> = {}): RunDetailRow => ({
  id: runUuid,
  pair: 'customers',
  pipeline: 'customers',
  state: 'waiting',
  step: 'correct',
  verdict: 'drift',
  mode: 'full',
  trigger: 'schedule',
  requestedBy: 'schedule',
  createdAt: ago(3_700),
  startedAt: ago(3_690),
  endedAt: ago(3_600),
  rows: { source: 184_220, target: 183_633 },
  counts: { missing: 611, extra: 24, changed: 942 },
  matchRatio: 0.9914,
  proposed: 1_553,
  applied: 0,
  coverage: { mode: 'full', share: 1, keys: 184_244, estimated: false, says: 'all rows' },
  notes: [],
  method: 'native',
  columns: 14,
  inFlight: 37,
  unsettled: 0,
  bytesRead: 12_300_000,
  queries: 48,
  timingsMs: { plan: 4, total: 252_000 },
  progress: { slicesDone: 48, slicesTotal: 48, rowsDone: 184_220, rowsEstimate: 184_220 },
  slices: [
    { ordinal: 0, from: '1', to: '1000', state: 'verified', counts: { missing: 0, extra: 0, changed: 0 } },
    { ordinal: 1, from: '1001', to: '2000', state: 'differing', counts: { missing: 611, extra: 24, changed: 942 } },
  ],
  kept: { items: 1_577, limit: 100_000, truncated: false },
  guards: [{ name: 'rows', state: 'ok', detail: '866 of 1 000' }],
  corrections: { proposed: 1_553 },
  actions: { update: 942, insert: 611, hold: 24 },
  ...over,
})

export const differenceRow = (over: Partial<DifferenceRow> = {}): DifferenceRow => ({
  id: differenceUuid(1),
  difference: {
    kind: 'changed',
    key: ['5'],
    source: { id: '5', email: 'a@x', phone: '1' },
    target: { id: '5', email: 'b@x', phone: '2' },
    fields: ['email', 'phone'],
    duplicated: false,
    copy: false,
  },
  decision: {
    action: 'update',
    on: 'target',
    fields: [
      { column: 'email', winner: 'source', rule: 'by default' },
      { column: 'phone', winner: 'target', rule: 'by field: kept' },
    ],
    values: { email: 'a@x' },
    reason: 'source, by default',
  },
  state: 'proposed',
  ...over,
})

export const pairStanding = (over: Partial<PairStanding> = {}): PairStanding => ({
  pair: 'customers',
  pipeline: 'customers',
  last: runOf(),
  review: runUuid,
  lastStartAt: ago(3_690),
  lastSuccessAt: ago(3_600),
  nextAt: ago(-80_000),
  unverifiedSince: ago(90_000),
  runs: [{ trigger: 'schedule', count: 12 }],
  failures: [{ trigger: 'schedule', reason: 'system_unreachable', count: 2 }],
  corrections: [{ action: 'update', applied: 40, failed: 1 }],
  pending: 1_553,
  ...over,
})

export const alertRow = (over: Partial<AlertRow> = {}): AlertRow => ({
  id: 'customers.lag.lag_seconds.crit.abc',
  pipeline: 'customers',
  check: 'customers.lag',
  rule: 'customers.lag.lag_seconds.crit',
  signal: 'lag',
  kind: 'value',
  severity: 'crit',
  status: 'firing',
  since: ago(540),
  firedAt: ago(420),
  value: 2_000,
  threshold: 1_800,
  unit: 'seconds',
  why: 'Lag 33 m, target 15 m.',
  notices: [{ channel: 'ops', event: 'fired', state: 'delivered', attempts: 1, at: ago(420) }],
  ...over,
})

export interface WorldSnapshot {
  readonly pipelines: readonly CatalogPipeline[]
  readonly checks: readonly CheckStanding[]
  readonly hops: readonly HopStanding[]
  readonly alerts: readonly AlertStanding[]
  readonly rules: readonly Rule[]
  readonly pairs: readonly PairStanding[]
  readonly monitor: Partial<Snapshot['monitor']>
}

export function snapshotOf(over: Partial<WorldSnapshot> = {}): Snapshot {
  const pipelines = over.pipelines ?? [pipelineOf()]
  const checks = over.checks ?? pipelines.flatMap((pipeline) => pipeline.checks.map(({ id }) => checkOf(id)))
  return {
    catalog: { timezone: 'Europe/Berlin', pipelines },
    standing: {
      at: now,
      checks: new Map(checks.map((check) => [check.id, check])),
      hops: over.hops ?? pipelines.filter(({ checks }) => checks.length > 0).map(({ id }) => hopOf(id)),
      alerts: over.alerts ?? [],
      rules: over.rules ?? [ruleOf()],
    },
    pairs: over.pairs ?? [pairStanding()],
    monitor: {
      version: '0.1.0',
      revision: 'abc1234',
      startedAt: ago(86_400),
      lastCycleAt: ago(3),
      schedulerLagMs: 4,
      leader: true,
      store: 'embedded',
      demo: false,
      noticesWaiting: 0,
      channels: [{ channel: 'ops', sent: 3, failed: 1 }],
      evaluations: { total: 900, failures: 0, lastAt: ago(3) },
      ...over.monitor,
    },
  }
}

/** Timers that never go off unless they are told to. */
export function stillTimers() {
  const waiting = new Set<() => void>()
  return {
    after(_ms: number, callback: () => void) {
      waiting.add(callback)
      return () => waiting.delete(callback)
    },
    elapse() {
      for (const callback of [...waiting]) {
        waiting.delete(callback)
        callback()
      }
    },
  }
}

export const never = <T>() => new Promise<T>(() => {})

/** The whole HTTP side over rows that a test chooses; what was asked of it is in `asked`. */
export function world(
  over: Partial<Exposed> = {},
  tokens: readonly TokenRow[] = [],
  seen: Partial<WorldSnapshot> = {},
) {
  const asked: unknown[] = []
  const complaints: { message: string; cause: unknown }[] = []
  const snapshot = snapshotOf(seen)
  const timers = stillTimers()
  const exposed: Exposed = {
    snapshot: () => snapshot,
    now: () => now,
    reads: {
      runs: async (filter) => {
        asked.push({ runs: filter })
        return [runOf()]
      },
      run: async (id) => (id === runUuid ? runOf() : undefined),
      differences: async (_run, page) => {
        asked.push({ differences: page })
        return { total: 1, rows: [differenceRow()] }
      },
      async *allDifferences(_run, filter) {
        asked.push({ allDifferences: filter })
        yield [differenceRow(), differenceRow({ id: differenceUuid(2) })]
        yield [differenceRow({ id: differenceUuid(3) })]
      },
      samples: async () => [],
      silences: async () => [],
      states: async () => [],
      alerts: async () => [alertRow()],
      alert: async (id) => (id === alertRow().id ? alertRow() : undefined),
    },
    actions: {
      runCheck: async (id) => ({ standing: checkOf(id), trace: ['asked', 'answered'] }),
      requestRun: async (request) => {
        asked.push({ requestRun: request })
        return 'new-run'
      },
      cancelRun: async (run, actor) => {
        asked.push({ cancelRun: { run, actor } })
      },
      pauseRun: async (run, actor) => {
        asked.push({ pauseRun: { run, actor } })
      },
      resumeRun: async (run, actor) => {
        asked.push({ resumeRun: { run, actor } })
      },
      async script({ run, on, filter }) {
        asked.push({ script: { run, on, filter } })
        return (async function* () {
          yield 'update t;\n'
          yield 'delete from t;\n'
        })()
      },
      decide: async (request) => {
        asked.push({ decide: request })
        return request.ids === 'all' ? 1_553 : request.ids.length
      },
      acknowledge: async (request) => {
        asked.push({ acknowledge: request })
        if (request.incident !== alertRow().id) {
          throw new Fault('not_found', `There is no alert "${request.incident}".`, {
            hint: 'GET /api/v1/alerts lists them.',
          })
        }
      },
    },
    tokens: {
      find: async (sha256) => tokens.find((token) => token.sha256 === sha256),
      any: async () => tokens.length > 0,
    },
    readiness: async () => ({ store: { ok: true, detail: 'answers' }, scheduler: { ok: true, detail: 'on time' } }),
    feed: new Feed({ after: timers.after, boot: 'b1' }),
    metrics: createMetrics(),
    loopback: true,
    web: 'test/expose-web',
    after: timers.after,
    complain: (message, cause) => complaints.push({ message, cause }),
    ...over,
  }
  const { app, document, least } = createApi(exposed)
  const request = (path: string, init: RequestInit & { headers?: Record<string, string> } = {}) =>
    app.request(`http://127.0.0.1:8420${path}`, { ...init, headers: { host: '127.0.0.1:8420', ...init.headers } })
  const post = (path: string, sent?: unknown, headers: Record<string, string> = {}) =>
    request(path, {
      method: 'POST',
      ...(sent === undefined
        ? { headers }
        : { body: JSON.stringify(sent), headers: { 'content-type': 'application/json', ...headers } }),
    })
  return { app, document, least, request, post, asked, complaints, timers, exposed }
}

/** A token of each role, and how it is sent. */
export function tokenOf(role: Identity['role'], name = role) {
  const { token, sha256 } = mintToken()
  return { token, row: { name, role, sha256 } satisfies TokenRow, headers: { authorization: `Bearer ${token}` } }
}
