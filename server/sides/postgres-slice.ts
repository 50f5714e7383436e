import { rangesOf, type KeyRange } from './key-ranges.ts'
import { keyHash, quoted, rowHash, canonical } from './postgres-hash.ts'
import type { BucketRun, Cut, SidePlan, Slice } from './side.ts'

const int8 = { min: -(2n ** 63n), max: 2n ** 63n - 1n }
const bucketShift = 20

/** The rows of a plan under the alias `t`. In a subquery, so that no name in the condition can meet one of ours. */
export const rowsOf = ({ ref, where }: SidePlan): string => {
  const table = `${quoted(ref.schema)}.${quoted(ref.table)}`
  return where === undefined ? `${table} as t` : `(select * from ${table} where (${where}\n)) as t`
}

// Quoted, because `-9223372036854775808::int8` is read as the negation of a number too large.
const big = (value: bigint) => `'${value}'::int8`
const bigs = (values: readonly bigint[]) => `'{${values.join(',')}}'::int8[]`

type Range = Extract<Slice, { kind: 'range' }>
type RangeCut = Extract<Cut, { kind: 'range' }>

const smaller = (one: bigint, other: bigint) => (one < other ? one : other)

/**
 * The bucket of a row, for statements that walk the whole table. Differences of keys that do not fit 64 bits are taken as
 * numerics, which is slower and rare.
 */
function bucketOf(plan: SidePlan, slice: Slice, cut: Cut): string {
  if (slice.kind === 'hash' && cut.kind === 'hash') {
    return `((${keyHash(plan, 't')}) >> ${bucketShift}) & ${cut.buckets - 1}`
  }
  const { from, to } = slice as Range
  const key = `t.${quoted(plan.key[0]!.name)}`
  const width = (cut as Extract<Cut, { kind: 'range' }>).width
  return to - from <= int8.max
    ? `(${key}::int8 - ${big(from)}) / ${big(width)}`
    : `div(${key}::numeric - '${from}'::numeric, '${width}'::numeric)::int8`
}

/** The part of a range that is no larger than our largest integer: the other side's may be. Undefined when there is none. */
function held(slice: Slice): Slice | undefined {
  if (slice.kind === 'hash' || slice.to <= int8.max) return slice
  return slice.from > int8.max ? undefined : { ...slice, to: int8.max }
}

function within(plan: SidePlan, slice: Slice): string {
  if (slice.kind === 'hash')
    return slice.parts === 1 ? 'true' : `(${keyHash(plan, 't')}) & ${slice.parts - 1} = ${slice.part}`
  const key = `t.${quoted(plan.key[0]!.name)}`
  return `${key} >= ${big(slice.from)} and ${key} <= ${big(slice.to)}`
}

/**
 * One statement for all buckets of a slice, answering one text `bucket,rows,sum;…`: a tenth of the cost of as many rows.
 *
 * By an index it is one aggregate a bucket: the planner takes the number of groups of a GROUP BY for the number of keys,
 * and spills a large table to disk.
 */
export function digestSql(plan: SidePlan, asked: Slice, cut: Cut): string {
  const slice = held(asked)
  if (!slice) return 'select null::text as answer'
  const hash = rowHash(plan, 't')
  const buckets =
    slice.kind === 'range' && cut.kind === 'range' && (plan.walked || cut.only)
      ? walked(plan, slice, cut, hash)
      : `select ${bucketOf(plan, slice, cut)} as bucket, count(*) as rows, sum(${hash}) as sum
         from ${rowsOf(plan)} where ${within(plan, slice)} group by 1`
  return `select string_agg(bucket || ',' || rows || ',' || sum, ';') as answer from (${buckets}) as d`
}

/** The planner counts the steps of a constant series, and so its statistics explain what a slice costs. */
const allBuckets = ({ from, to }: KeyRange, width: bigint) =>
  `(select place - 1, start from generate_series(${big(from)}, ${big(to)}, ${big(width)})
      with ordinality as s(start, place)) as b(bucket, start)`

function someBuckets({ from, to }: KeyRange, width: bigint, only: readonly BucketRun[]): string {
  const runs = only.filter(({ first }) => from + first * width <= to)
  const firsts = bigs(runs.map(({ first }) => first))
  const starts = bigs(runs.map(({ first }) => from + first * width))
  const ends = bigs(runs.map(({ last }) => smaller(to, from + last * width)))
  return `(select r.first + s.place - 1, s.start from unnest(${firsts}, ${starts}, ${ends}) as r(first, start, last)
      cross join lateral generate_series(r.start, r.last, ${big(width)}) with ordinality as s(start, place)) as b(bucket, start)`
}

function walked(plan: SidePlan, { from, to }: Range, { width, only }: RangeCut, hash: string): string {
  const key = `t.${quoted(plan.key[0]!.name)}`
  // The last bucket may end beyond the largest integer there is.
  const lastStart = to - (width - 1n) < int8.min ? int8.min : to - (width - 1n)
  const end = `case when b.start > ${big(lastStart)} then ${big(to)} else b.start + ${big(width - 1n)} end`
  return `select b.bucket, d.rows, d.sum
    from ${only ? someBuckets({ from, to }, width, only) : allBuckets({ from, to }, width)}
    cross join lateral (
      select count(*) as rows, sum(${hash}) as sum from ${rowsOf(plan)} where ${key} >= b.start and ${key} <= ${end}
    ) as d where d.rows > 0`
}

/** The key's canonical texts as `k0, k1, …` and the row's hash as `hash`. */
export const keyAndHash = (plan: SidePlan): string =>
  [
    ...(plan.multiset
      ? [`(${rowHash(plan, 't')})::text as k0`]
      : plan.key.map((column, place) => `${canonical(column, 't')} as k${place}`)),
    `(${rowHash(plan, 't')})::text as hash`,
  ].join(', ')

/**
 * Lists rows of buckets. Integer keys come as one text a bucket or few, `key,hash;…`, which is several times cheaper to
 * read than as many rows; other keys may hold any letter and come as rows of `keyAndHash`.
 */
export function listSql(plan: SidePlan, asked: Slice, cut: Cut, buckets: readonly number[]): string {
  const slice = held(asked)
  if (!slice) return 'select null::text as answer where false'
  if (slice.kind === 'hash' || cut.kind === 'hash') {
    return `select ${keyAndHash(plan)} from ${rowsOf(plan)}
      where ${within(plan, slice)} and ${bucketOf(plan, slice, cut)} = any(${bigs(buckets.map(BigInt))})`
  }
  const key = `t.${quoted(plan.key[0]!.name)}`
  const listed = `string_agg(${key} || ',' || ${rowHash(plan, 't')}, ';') as answer`
  if (!plan.ordered) {
    const bucket = bucketOf(plan, slice, cut)
    return `select ${listed} from ${rowsOf(plan)}
      where ${within(plan, slice)} and ${bucket} = any(${bigs(buckets.map(BigInt))}) group by ${bucket}`
  }
  const ranges = rangesOf(slice, cut.width, buckets, joinedMax)
  return `select d.answer from unnest(${bigs(ranges.map(({ from }) => from))}, ${bigs(ranges.map(({ to }) => to))}) as b(first, last)
    cross join lateral (
      select ${listed} from ${rowsOf(plan)} where ${key} >= b.first and ${key} <= b.last
    ) as d where d.answer is not null`
}

/** Neighbouring buckets are read as one, up to this many: they come as one text. */
const joinedMax = 16n
