import { keysOfBuckets, rangesOf, type KeyRange } from './key-ranges.ts'
import { canonical, keyHash, quoted, rowHash } from './mysql-hash.ts'
import type { ComparedColumn, Cut, SidePlan, Slice } from './side.ts'

const int8 = { min: -(2n ** 63n), max: 2n ** 63n - 1n }
const unsignedMax = 2n ** 64n - 1n
/** As on every engine: a key is in the same bucket on both sides. */
const bucketShift = 20
/** Ranges that one condition names: beyond it the server would think longer about them than it reads. */
const rangesPerStatement = 500

export const tableOf = ({ ref }: Pick<SidePlan, 'ref'>): string => `${quoted(ref.schema)}.${quoted(ref.table)}`

/**
 * The rows of a plan under the alias `t`. A condition stands in a subquery, so that no name in it can meet one of ours; the
 * columns are named there because `*` leaves out invisible ones.
 */
export function rowsOf(plan: SidePlan): string {
  if (plan.where === undefined) return `${tableOf(plan)} as t`
  const names = [...plan.key, ...plan.columns].map(({ name }) => quoted(name))
  return `(select ${names.join(', ')} from ${tableOf(plan)} where (${plan.where}\n)) as t`
}

type Range = Extract<Slice, { kind: 'range' }>

const keyOf = ({ key: [column] }: SidePlan) => ({ column: column!, value: numeric(column!) })

/** A year compares with 1 as with 2001, unless it is made a number first. */
const numeric = ({ name, cast }: ComparedColumn) =>
  cast.startsWith('year') ? `(t.${quoted(name)} + 0)` : `t.${quoted(name)}`

/** The part of a range that the column can hold. */
function held({ from, to }: KeyRange, { cast }: ComparedColumn): KeyRange {
  const [min, max] = cast.includes('unsigned') ? [0n, unsignedMax] : [int8.min, int8.max]
  return { from: from < min ? min : from, to: to > max ? max : to }
}

/**
 * The bucket of a row. A key is never before the start of its slice, so that cutting off is the floor; differences that do
 * not fit 64 bits are taken as decimals, which is slower and rare.
 */
function bucketOf(plan: SidePlan, slice: Slice, cut: Cut): string {
  if (slice.kind === 'hash' && cut.kind === 'hash') {
    return `((${keyHash(plan, 't')}) >> ${bucketShift}) & ${cut.buckets - 1}`
  }
  const { from, to } = slice as Range
  const { value, column } = keyOf(plan)
  const width = (cut as Extract<Cut, { kind: 'range' }>).width
  const last = held(slice as Range, column).to
  return to - from <= int8.max && from >= int8.min && last <= int8.max
    ? `(${value} - (${from})) div ${width}`
    : `(cast(${value} as decimal(65, 0)) - (${from})) div ${width}`
}

function within(plan: SidePlan, slice: Slice): string {
  if (slice.kind === 'hash') {
    return slice.parts === 1 ? 'true' : `((${keyHash(plan, 't')}) & ${slice.parts - 1}) = ${slice.part}`
  }
  const { column, value } = keyOf(plan)
  const { from, to } = held(slice, column)
  return from > to ? 'false' : `${value} >= ${from} and ${value} <= ${to}`
}

/** One statement for all buckets of a slice, a row each; where only some of them are asked for, as many as these need. */
export function digestSql(plan: SidePlan, slice: Slice, cut: Cut): string[] {
  const digest = (condition: string) =>
    `select ${bucketOf(plan, slice, cut)} as bucket, count(*) as \`rows\`, sum(${rowHash(plan, 't')}) as \`sum\`
    from ${rowsOf(plan)} where ${condition} group by 1 order by null`
  if (slice.kind === 'hash' || cut.kind === 'hash' || !cut.only) return [digest(within(plan, slice))]
  const { width } = cut
  return conditions(
    plan,
    cut.only.map(({ first, last }) => keysOfBuckets(slice, width, first, last)),
  ).map(digest)
}

/** Ranges of keys as a few conditions. */
function conditions(plan: SidePlan, ranges: readonly KeyRange[]): string[] {
  const { value, column } = keyOf(plan)
  const within = ranges.flatMap((range) => {
    const { from, to } = held(range, column)
    return from > to ? [] : [`${value} >= ${from} and ${value} <= ${to}`]
  })
  const some: string[] = []
  for (let start = 0; start < within.length; start += rangesPerStatement) {
    some.push(within.slice(start, start + rangesPerStatement).join(' or '))
  }
  return some
}

/** A value as text of the session's own encoding, whatever its type. */
export const printed = (expression: string): string => `cast(${expression} as char character set utf8mb4)`

/** The key's canonical texts as `k0, k1, …` and the row's hash as `hash`. */
export const keyAndHash = (plan: SidePlan): string =>
  [
    ...(plan.multiset
      ? [`${printed(rowHash(plan, 't'))} as k0`]
      : plan.key.map((column, place) => `${printed(canonical(column, 't'))} as k${place}`)),
    `${printed(rowHash(plan, 't'))} as hash`,
  ].join(', ')

/** Statements that list rows of buckets: a few where an index reads the buckets by themselves, else one scan. */
export function listSql(plan: SidePlan, slice: Slice, cut: Cut, buckets: readonly number[]): string[] {
  const rows = `select ${keyAndHash(plan)} from ${rowsOf(plan)} where ${within(plan, slice)}`
  if (buckets.length === 0) return []
  if (slice.kind === 'hash' || cut.kind === 'hash' || !plan.ordered) {
    return [`${rows} and (${bucketOf(plan, slice, cut)}) in (${buckets.join(', ')})`]
  }
  return conditions(plan, rangesOf(slice, cut.width, buckets)).map(
    (some) => `select ${keyAndHash(plan)} from ${rowsOf(plan)} where ${some}`,
  )
}
