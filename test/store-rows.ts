import { randomUUID } from 'node:crypto'
import type { AlertRecord, AlertState } from '../server/evaluate/alert.ts'
import type { Notice } from '../server/notify/notice.ts'
import type { Judged } from '../server/reconcile/journal.ts'
import type { Kind, SliceResult } from '../server/reconcile/records.ts'
import type { RunResult } from '../server/reconcile/run.ts'
import type { RunRequest } from '../server/store/runs.ts'

const since = new Date(Date.UTC(2026, 0, 1))

const stateOf: Readonly<Record<AlertRecord['status'], AlertState>> = {
  quiet: { status: 'quiet' },
  pending: { status: 'pending', since: since.getTime(), samples: 1 },
  firing: { status: 'firing', since: since.getTime(), firedAt: since.getTime() },
  recovering: {
    status: 'recovering',
    since: since.getTime(),
    firedAt: since.getTime(),
    clearSince: since.getTime(),
    samples: 1,
  },
}

/** Rows for tests of the store, whole and valid, with only what matters to a test given. */
export const alertRecord = (given: Pick<AlertRecord, 'check' | 'incident' | 'status'>): AlertRecord => ({
  ...given,
  rule: `${given.check}.lag_seconds.crit`,
  kind: 'value',
  pipeline: 'orders',
  signal: 'lag',
  severity: 'crit',
  state: stateOf[given.status],
  since,
  why: 'Lag 412 s, target 300 s.',
  value: 412,
  threshold: 300,
  unit: 'seconds',
})

export const noticeTo = (channel: string, incident: string, event: Notice['event'], at: Date): Notice => ({
  id: `${incident}.${event}.${channel}`,
  channel,
  incident,
  rule: 'r',
  pipeline: 'orders',
  pipelineTitle: 'Orders',
  kind: 'value',
  event,
  severity: 'crit',
  dedupKey: incident,
  at,
  since: at,
  what: 'Lag 412 s, target 300 s.',
  owner: 'team',
  links: {},
})

export const runRequest = (pair: string, more: Partial<RunRequest> = {}): RunRequest => ({
  id: randomUUID(),
  pair,
  pipeline: 'orders',
  mode: 'full',
  trigger: 'api',
  requestedBy: 'ada',
  ...more,
})

export const sliceOf = (ordinal: number): SliceResult => ({
  ordinal,
  from: '0',
  to: '9',
  state: 'differing',
  rows: { source: 9, target: 8 },
  counts: { missing: 1, extra: 0, changed: 1 },
  inFlight: 0,
  unsettled: 0,
})

export function judged(id: string, kind: Kind): Judged {
  const values = { id, name: 'x' }
  return {
    id,
    difference: {
      kind,
      // `a` is 0, `b` is 1: an integer key, as ranges have.
      key: [String(id.charCodeAt(0) - 97)],
      fields: [],
      duplicated: false,
      copy: false,
      ...(kind === 'extra' ? {} : { source: values }),
      ...(kind === 'missing' ? {} : { target: values }),
    },
    decision: {
      action: kind === 'missing' ? 'insert' : 'hold',
      on: 'target',
      fields: [],
      values: kind === 'missing' ? values : {},
      reason: 'source, by default',
    },
  }
}

export const resultOf = (run: string): RunResult => ({
  run,
  pair: 'p',
  verdict: 'drift',
  rows: { source: 9, target: 8 },
  differences: { missing: 1, extra: 0, changed: 0 },
  matchRatio: 0.9,
  coverage: { mode: 'full', share: 1, keys: 9, estimated: false, says: 'all rows' },
  kept: 1,
  truncated: false,
  method: 'native',
  notes: [],
  timingsMs: { total: 1 },
  bytesRead: 1,
  queries: 1,
  inFlight: 0,
  unsettled: 0,
  slices: [],
  guards: [],
  corrections: {},
})
