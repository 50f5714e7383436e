import type { z } from '@hono/zod-openapi'
import type { Decision } from '../reconcile/records.ts'
import type { Coverage } from '../reconcile/scope.ts'
import type { CatalogPair, CatalogPipeline, DifferencePage, DifferenceRow, RunDetailRow, RunRow } from './reads.ts'
import type { differencesView, differenceView, runSummary, runView } from './views.ts'

export type RunSummary = z.output<typeof runSummary>
export type RunView = z.output<typeof runView>
export type DifferenceView = z.output<typeof differenceView>

/** The key space is shown in at most this many parts. */
export const bucketsMax = 120

const instant = (at: Date | undefined) => at?.toISOString() ?? null

export const summaryOf = (row: RunRow): RunSummary => ({
  id: row.id,
  pair: row.pair,
  pipeline: row.pipeline,
  state: row.state,
  step: row.step,
  verdict: row.verdict ?? null,
  mode: row.mode,
  coverage: row.coverage ? pick(row.coverage) : null,
  trigger: row.trigger,
  requestedBy: row.requestedBy,
  createdAt: row.createdAt.toISOString(),
  startedAt: instant(row.startedAt),
  endedAt: instant(row.endedAt),
  differences: row.counts ?? null,
  matchRatio: row.matchRatio ?? null,
  proposed: row.proposed,
  applied: row.applied,
  paused: row.paused ? { by: row.paused.by, at: row.paused.at.toISOString() } : null,
  waiting: row.waiting
    ? {
        reason: row.waiting.reason,
        why: row.waiting.why,
        since: row.waiting.since.toISOString(),
        until: instant(row.waiting.until),
      }
    : null,
})

const pick = ({ mode, share, estimated, says }: Coverage) => ({ mode, share, estimated, says })

/** What the config says of the pair of a run; a run outlives its pair. */
export interface RunPlace {
  readonly pipeline?: CatalogPipeline | undefined
  readonly pair?: CatalogPair | undefined
}

const matchTargetDefault = 0.995

export function runOf(row: RunDetailRow, { pipeline, pair }: RunPlace, now: Date): RunView {
  const { rows, counts } = row
  const { slicesDone, slicesTotal, rowsDone, rowsEstimate } = row.progress
  return {
    ...summaryOf(row),
    now: now.toISOString(),
    pipelineTitle: pipeline?.title ?? row.pipeline,
    source: pair?.source ?? 'source',
    target: pair?.target ?? 'target',
    key: [...(pair?.key ?? [])],
    columns: row.columns,
    notes: [...row.notes],
    method: row.method ?? null,
    rows: rows ?? null,
    inFlight: row.inFlight,
    inFlightRows: rows && counts ? rows.target - (rows.source - counts.missing + counts.extra) : 0,
    unsettled: row.unsettled,
    matchTarget: pipeline?.targets.drift ?? matchTargetDefault,
    bytesRead: row.bytesRead,
    queries: row.queries,
    timingsMs: { ...row.timingsMs },
    progress: { slicesDone, slicesTotal, rowsDone, rowsEstimate },
    slices: row.slices.map(({ ordinal, from, to, state, fault }) => ({
      ordinal,
      from,
      to,
      state,
      message: fault?.message ?? null,
      hint: fault?.hint ?? null,
      code: fault?.code ?? null,
    })),
    space: row.space ?? 'range',
    buckets: foldBuckets(row.buckets ?? []),
    kept: row.kept,
    guards: row.guards.map((guard) => ({ ...guard })),
    corrections: Object.fromEntries(Object.entries(row.corrections).filter(([, count]) => count !== undefined)),
    actions: { insert: 0, update: 0, delete: 0, hold: 0, review: 0, ...row.actions },
    blocked: row.blocked ?? null,
    fault: row.fault ?? null,
    after: row.after ?? null,
  }
}

type Part = NonNullable<RunDetailRow['buckets']>[number]
const worst = ['unknown', 'pending', 'differing', 'verified', 'skipped'] as const

/** Neighbours put together until at most `bucketsMax` are left: counts add up, and the worst state is kept. */
export function foldBuckets(parts: readonly Part[]): RunView['buckets'] {
  const share = Math.max(1, Math.ceil(parts.length / bucketsMax))
  return Array.from({ length: Math.ceil(parts.length / share) }, (_, index) => {
    const group = parts.slice(index * share, (index + 1) * share)
    const total = (kind: keyof Part['counts']) => group.reduce((sum, { counts }) => sum + counts[kind], 0)
    return {
      from: group[0]!.from,
      to: group.at(-1)!.to,
      missing: total('missing'),
      extra: total('extra'),
      changed: total('changed'),
      state: worst.find((state) => group.some((part) => part.state === state)) ?? 'pending',
      more: group.some(({ more }) => more),
      covered: group.reduce((sum, { covered }) => sum + covered, 0) / group.length,
    }
  })
}

export const differencesOf = (
  { total, rows }: DifferencePage,
  run: Pick<RunDetailRow, 'columns'>,
  pair: CatalogPair | undefined,
  offset: number,
): z.output<typeof differencesView> => ({ total, offset, items: rows.map((row) => differenceOf(row, run, pair)) })

/** One difference, field by field, with who is right. Key columns are named by the config, else by their place. */
export function differenceOf(
  { id, difference, decision, state, message, decidedBy }: DifferenceRow,
  { columns }: Pick<RunDetailRow, 'columns'>,
  pair: CatalogPair | undefined,
): DifferenceView {
  const { kind, key, source, target, duplicated } = difference
  const names = pair?.key ?? []
  const shown = kind === 'changed' ? difference.fields : Object.keys(source ?? target ?? {})
  return {
    id,
    kind,
    key: Object.fromEntries(key.map((value, place) => [names[place] ?? `key ${place + 1}`, value])),
    duplicated,
    fields: shown.map((column) => ({
      column,
      source: source?.[column] ?? null,
      target: target?.[column] ?? null,
      ...winnerOf(decision, column),
    })),
    fieldsCompared: columns,
    correction: decision
      ? {
          id,
          action: decision.action,
          on: decision.on,
          state: state ?? null,
          reason: decision.reason,
          message: message ?? null,
          decidedBy: decidedBy ?? null,
        }
      : null,
  }
}

/** A whole row that is written or removed has no decision a field: the side that is not written is right. */
function winnerOf(
  decision: Decision | undefined,
  column: string,
): Pick<DifferenceView['fields'][number], 'winner' | 'rule'> {
  const field = decision?.fields.find((each) => each.column === column)
  if (field) return { winner: field.winner, rule: field.rule }
  if (!decision || decision.action === 'hold' || decision.action === 'review')
    return { winner: 'review', rule: decision?.reason ?? 'not decided' }
  return { winner: decision.on === 'target' ? 'source' : 'target', rule: decision.reason }
}
