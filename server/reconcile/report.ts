import type { Change, ColumnClass, Side } from '../sides/side.ts'
import type { ColumnPair, PairPlan } from './plan.ts'
import type { Difference } from './records.ts'
import type { RunResult } from './run.ts'

type Value = string | number | boolean | null
type Row = Readonly<Record<string, Value>>

/** One difference as `--json` prints it. `missing` and `extra` carry the whole row. */
export type Item =
  | {
      readonly kind: 'changed'
      readonly key: Row
      readonly fields: Readonly<Record<string, { readonly source: Value; readonly target: Value }>>
      readonly duplicated?: true
    }
  | { readonly kind: 'missing' | 'extra'; readonly key: Row; readonly row: Row; readonly duplicated?: true }

/** What `diff --json` and `reconcile --json` print: the contract, key by key. */
export interface Report extends Pick<
  RunResult,
  'verdict' | 'rows' | 'differences' | 'matchRatio' | 'method' | 'timingsMs' | 'bytesRead' | 'queries'
> {
  readonly items: readonly Item[]
  readonly truncated: boolean
}

export type Reported = Omit<Report, 'items' | 'truncated'>

export function reportOf(result: Reported, plan: PairPlan, kept: readonly Difference[], limit: number): Report {
  const { verdict, rows, differences, matchRatio, method, timingsMs, bytesRead, queries } = result
  const items = kept.slice(0, limit).map((difference) => itemOf(plan, difference))
  const truncated = items.length < differences.missing + differences.extra + differences.changed
  return { verdict, rows, differences, matchRatio, items, truncated, method, timingsMs, bytesRead, queries }
}

export function itemOf(plan: PairPlan, difference: Difference): Item {
  const { kind, duplicated, fields } = difference
  const side = kind === 'extra' ? 'target' : 'source'
  const values = difference[side]!
  const rowOf = (pairs: readonly ColumnPair[]): Row =>
    Object.fromEntries(pairs.map((pair) => [pair.source.name, valueOf(pair[side].class, values[pair.source.name])]))
  const mark = duplicated ? ({ duplicated } as const) : {}

  if (kind !== 'changed') return { kind, key: rowOf(plan.key), row: rowOf([...plan.key, ...plan.columns]), ...mark }
  const changed = plan.columns.filter(({ source }) => fields.includes(source.name))
  return {
    kind,
    key: rowOf(plan.key),
    fields: Object.fromEntries(
      changed.map(({ source, target }) => [
        source.name,
        {
          source: valueOf(source.class, difference.source![source.name]),
          target: valueOf(target.class, difference.target![source.name]),
        },
      ]),
    ),
    ...mark,
  }
}

/** A value of JSON: a number only when it prints as the database printed it, zeros at the end aside: no digit is lost. */
export function valueOf(kind: ColumnClass, text: string | null | undefined): Value {
  if (text == null) return null
  if (kind === 'boolean') return text === 'true' || text === 't'
  if (kind !== 'integer' && kind !== 'numeric' && kind !== 'float') return text
  const number = Number(text)
  const plain = text.includes('.') ? text.replace(/\.?0+$/, '') : text
  return Number.isFinite(number) && String(number) === plain ? number : text
}

/**
 * The statement that makes the target's row the source's, doing nothing when the target's row is no longer as it was
 * compared. A line of comment for rows that share their key: no statement could name one of them.
 */
export function fixOf(plan: PairPlan, difference: Difference, target: Side): string {
  const { kind, key, duplicated } = difference
  if (duplicated) return `-- ${kind}: several rows have the key ${key.join(', ')}; look at them by hand.`
  return target.script(plan.target, fixing(plan, difference))
}

function fixing(plan: PairPlan, { kind, key, fields, source, target }: Difference): Change {
  const pairs = [...plan.key, ...plan.columns]
  const written = pairs.filter((pair) => !pair.target.generated)
  const valuesOf = (row: Difference['source'], some: readonly ColumnPair[]) =>
    Object.fromEntries(some.map((pair) => [pair.target.name, row![pair.source.name] ?? null]))
  switch (kind) {
    case 'missing':
      return { action: 'insert', key, values: valuesOf(source, written) }
    case 'extra':
      return { action: 'delete', key, judged: valuesOf(target, pairs) }
    case 'changed': {
      const changed = written.filter((pair) => fields.includes(pair.source.name))
      return { action: 'update', key, judged: valuesOf(target, pairs), values: valuesOf(source, changed) }
    }
  }
}
