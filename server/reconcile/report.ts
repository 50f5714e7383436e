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

const truths = new Map(Object.entries({ true: true, t: true, '1': true, false: false, f: false, '0': false }))
const numbers: readonly ColumnClass[] = ['boolean', 'integer', 'numeric', 'float']

/** A value of JSON: a number only when it prints as the database printed it, zeros at the end aside: no digit is lost. */
export function valueOf(kind: ColumnClass, text: string | null | undefined): Value {
  if (text == null) return null
  if (kind === 'boolean' && truths.has(text)) return truths.get(text)!
  if (!numbers.includes(kind)) return text
  const number = Number(text)
  const plain = text.includes('.') ? text.replace(/\.?0+$/, '') : text
  return Number.isFinite(number) && String(number) === plain ? number : text
}

/**
 * The statement that makes the row of the side it is for (`on`) the other side's, doing nothing when that row is no longer
 * as it was compared. A line of comment where no statement could: rows that share their key, and what a side computes
 * itself.
 */
export function fixOf(plan: PairPlan, difference: Difference, side: Side, on: 'source' | 'target' = 'target'): string {
  const { kind, key, fields, duplicated } = difference
  if (plan.source.multiset) return `-- ${kind}: the table has no key to write it by; look at it by hand.`
  // As JSON: a line break in a key must not end the comment.
  const name = JSON.stringify(key)
  if (duplicated) return `-- ${kind}: several rows have the key ${name}; look at them by hand.`
  const change = fixing(plan, difference, on)
  if (change) return side.script(plan[on], change)
  return `-- ${kind}: ${name} differs only in what the ${on} computes itself: ${JSON.stringify(fields)}.`
}

function fixing(plan: PairPlan, difference: Difference, on: 'source' | 'target'): Change | undefined {
  const { key, fields } = difference
  const right = difference[on === 'source' ? 'target' : 'source']
  const pairs = [...plan.key, ...plan.columns]
  const written = pairs.filter((pair) => !pair[on].generated)
  const valuesOf = (row: Difference['source'], some: readonly ColumnPair[]) =>
    Object.fromEntries(some.map((pair) => [pair[on].name, row![pair.source.name] ?? null]))
  const wrong = difference[on]
  if (!wrong) return { action: 'insert', key, values: valuesOf(right, written) }
  const judged = valuesOf(wrong, pairs)
  if (!right) return { action: 'delete', key, judged }
  const changed = written.filter((pair) => fields.includes(pair.source.name))
  return changed.length === 0 ? undefined : { action: 'update', key, judged, values: valuesOf(right, changed) }
}
