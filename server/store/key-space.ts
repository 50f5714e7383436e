import { count, eq, sql } from 'drizzle-orm'
import type { Counts, Kind, SliceResult } from '../reconcile/records.ts'
import type { Db } from './open.ts'
import { differences } from './schema.ts'

/** A part of the key space that a run was to compare, as far as it got with it. */
export interface SpacePart extends Pick<SliceResult, 'ordinal' | 'from' | 'to' | 'counts'> {
  readonly state: 'pending' | SliceResult['state']
}

/** Differences kept of one slice and kind, and in which bucket their keys lie. */
export interface Found {
  readonly slice: number
  readonly bucket: number
  readonly kind: Kind
  readonly rows: number
}

export interface KeyBucket {
  readonly from: string
  readonly to: string
  /** `skipped`: the run was not to compare any of it. */
  readonly state: SpacePart['state'] | 'skipped'
  readonly counts: Counts
  /** Rows differ here, or near by in the same slice, that were not kept. */
  readonly more: boolean
  /** Share of its keys that the run was to compare, 0 to 1. */
  readonly covered: number
}

/** Parts of the key space a strip shows. */
const bucketsMax = 120

/**
 * Where the kept differences of a run lie: for ranges in at most 120 parts of equal width, for hashes by part.
 *
 * @param slices those that are told and those that are to come, each with its ends; they may leave gaps.
 */
export async function keySpace(
  db: Db,
  run: string,
  strategy: 'range' | 'hash',
  slices: readonly SpacePart[],
): Promise<KeyBucket[]> {
  if (slices.length === 0) return []
  const edges = strategy === 'range' ? rangeEdges(slices) : undefined
  const key = sql`(${differences.key} ->> 0)::numeric`
  const place = edges
    ? sql<number>`div((${key} - ${String(edges.from)}::numeric) * ${edges.parts}::numeric, ${String(edges.span)}::numeric)::int`
    : sql<number>`0`
  const found = await db
    .select({ slice: differences.slice, bucket: place, kind: differences.kind, rows: count() })
    .from(differences)
    .where(eq(differences.runId, run))
    .groupBy(sql`1`, sql`2`, differences.kind)
  return edges ? rangeBuckets(slices, edges, found) : hashBuckets(slices, found)
}

interface Edges {
  readonly from: bigint
  readonly span: bigint
  readonly parts: number
}

export function rangeEdges(slices: readonly SpacePart[]): Edges {
  const ends = slices.map(({ from, to }) => [BigInt(from), BigInt(to)] as const)
  const from = ends.reduce((least, [one]) => (one < least ? one : least), ends[0]![0])
  const to = ends.reduce((most, [, one]) => (one > most ? one : most), ends[0]![1])
  const span = to - from + 1n
  return { from, span, parts: span < BigInt(bucketsMax) ? Number(span) : bucketsMax }
}

const none: Counts = { missing: 0, extra: 0, changed: 0 }
const total = ({ missing, extra, changed }: Counts) => missing + extra + changed
const worst = ['unknown', 'pending', 'differing', 'verified'] as const

/** Pure. A bucket is as little known as the least known slice that reaches into it. */
export function rangeBuckets(slices: readonly SpacePart[], edges: Edges, found: readonly Found[]): KeyBucket[] {
  const { from, span, parts } = edges
  // Rounded up, as the key of a row is rounded down to its bucket: every key lies in the bucket that counts it.
  const edge = (part: number) => from + (span * BigInt(part) + BigInt(parts) - 1n) / BigInt(parts)
  const bucketOf = (key: bigint) => Number(((key - from) * BigInt(parts)) / span)
  const kept = keptOf(found)
  const buckets = Array.from({ length: parts }, (_, index) => ({
    states: new Set<SpacePart['state']>(),
    counts: { ...none },
    more: false,
    keys: 0n,
    start: edge(index),
    end: edge(index + 1) - 1n,
  }))
  for (const slice of slices) {
    const [first, last] = [BigInt(slice.from), BigInt(slice.to)]
    for (let index = bucketOf(first); index <= bucketOf(last); index++) {
      const bucket = buckets[index]!
      bucket.states.add(slice.state)
      bucket.more ||= (kept.get(slice.ordinal) ?? 0) < total(slice.counts)
      bucket.keys += (last < bucket.end ? last : bucket.end) - (first > bucket.start ? first : bucket.start) + 1n
    }
  }
  for (const { bucket, kind, rows } of found) if (buckets[bucket]) buckets[bucket].counts[kind] += rows
  return buckets.map(({ states, counts, more, keys, start, end }) => ({
    from: String(start),
    to: String(end),
    state: stateOf(states, counts, more),
    counts,
    more,
    covered: Number((keys * 1_000_000n) / (end - start + 1n)) / 1_000_000,
  }))
}

/** Slices that differ only elsewhere leave a bucket equal, unless some of what they counted was not kept. */
function stateOf(states: ReadonlySet<SpacePart['state']>, counts: Counts, more: boolean): KeyBucket['state'] {
  const least = worst.find((state) => states.has(state))
  if (least === undefined || least === 'unknown' || least === 'pending') return least ?? 'skipped'
  return total(counts) > 0 || more ? 'differing' : 'verified'
}

/** One bucket a part of the hash, in their order. */
export function hashBuckets(slices: readonly SpacePart[], found: readonly Found[]): KeyBucket[] {
  const kept = keptOf(found)
  return slices
    .toSorted((one, other) => Number(one.from) - Number(other.from))
    .map(({ ordinal, from, state, counts }) => ({
      from,
      to: from,
      state,
      counts,
      more: (kept.get(ordinal) ?? 0) < total(counts),
      covered: 1,
    }))
}

function keptOf(found: readonly Found[]): ReadonlyMap<number, number> {
  const kept = new Map<number, number>()
  for (const { slice, rows } of found) kept.set(slice, (kept.get(slice) ?? 0) + rows)
  return kept
}
