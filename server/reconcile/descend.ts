import type { Digest } from '../sides/side.ts'

/** A differing bucket with more rows than this is cut finer before its rows are listed. */
const crowdedRows = 4_096
/** Rows of one side that are listed and held at a time, where each group costs a scan. */
const groupRows = 100_000
/** The same where an index reads them: as few as cost nothing, because nobody else is served while they are compared. */
const orderedGroupRows = 16_384

export interface Differing {
  readonly bucket: number
  /** Of the side that has more of them. */
  readonly rows: number
}

export interface Compared {
  readonly rows: { readonly source: number; readonly target: number }
  /** Buckets that hold a row on either side. */
  readonly buckets: number
  readonly differing: readonly Differing[]
}

/** Finds the buckets that are not the same on both sides. A bucket one side does not mention is empty there. */
export function compareDigests(source: readonly Digest[], target: readonly Digest[]): Compared {
  const rows = { source: 0, target: 0 }
  const unseen = new Map<number, Digest>()
  for (const digest of source) {
    rows.source += digest.rows
    unseen.set(digest.bucket, digest)
  }
  let buckets = unseen.size
  const differing: Differing[] = []
  for (const { bucket, rows: count, sum } of target) {
    rows.target += count
    const other = unseen.get(bucket)
    if (other) unseen.delete(bucket)
    else buckets += 1
    if (other && other.rows === count && other.sum === sum) continue
    differing.push({ bucket, rows: Math.max(count, other?.rows ?? 0) })
  }
  for (const { bucket, rows: count } of unseen.values()) differing.push({ bucket, rows: count })
  return { rows, buckets, differing }
}

/** What a bucket more and a listed row cost, in rows digested; measured, and about the same on every engine. */
const bucketCost = 5
const listedCost = 5
/** Fewer rows a bucket than this cost more to carry than to list. */
const bucketRowsMin = 8

/** Rows a bucket should have where this share of rows differs: smaller ones cost more, larger ones list more for nothing. */
export const bucketRowsFor = (drift: number): number =>
  Math.max(bucketRowsMin, Math.round(Math.sqrt(bucketCost / (listedCost * drift))))

/**
 * How many times smaller buckets should be for a second digest of the same slice, where that and listing what then differs
 * costs less than listing what differs now; undefined where it does not. Pure.
 *
 * @param cells buckets that were asked for, those without a row too: where keys crowd into a corner of a huge range, nearly
 * all of them are empty and cost as much.
 */
export function closerLook({ rows, buckets, differing }: Compared, cells: number): number | undefined {
  // A side without rows has nothing to cancel: every row of the other is a difference.
  if (rows.source === 0 || rows.target === 0 || differing.length === 0) return undefined
  const all = Math.max(rows.source, rows.target)
  const share = differing.length / buckets
  const drift = wetness(buckets, differing.length) / all
  const wanted = bucketRowsFor(drift)
  const times = all / buckets / wanted
  const shareThen = 1 - (1 - Math.min(1, drift)) ** wanted
  const cost = 1 + (bucketCost * cells * times) / all + listedCost * shareThen
  return times >= 2 && cost < listedCost * share ? times : undefined
}

/** Rows listed for nothing that another statement is worth. */
const statementCost = 4_000

/**
 * How many times smaller buckets should be for a second digest of the differing ones alone, where that and listing what
 * then differs costs less than listing all of them now; undefined where it does not. Pure.
 */
export function deeperLook({ rows, buckets, differing }: Compared): number | undefined {
  if (rows.source === 0 || rows.target === 0 || differing.length === 0) return undefined
  const held = differing.reduce((sum, bucket) => sum + bucket.rows, 0)
  const each = held / differing.length
  const density = Math.min(1, wetness(buckets, differing.length) / differing.length / each)
  const wanted = bucketRowsFor(density)
  const cost = 1 + bucketCost / wanted + listedCost * (1 - (1 - density) ** wanted)
  return each / wanted >= 2 && (listedCost - cost) * held > statementCost ? each / wanted : undefined
}

/**
 * How many rows differ, about, when so many buckets do: differences fall into buckets like rain; where every bucket is wet,
 * one dry one is as good a guess as any.
 */
const wetness = (buckets: number, differing: number) =>
  -Math.log(1 - Math.min(differing / buckets, 1 - 1 / (2 * buckets))) * buckets

/**
 * What to do next with differing buckets: list them in groups that fit the memory, or look closer at crowded ones.
 *
 * @param ordered an index reads a bucket by itself; without one each closer look is a scan of the table, and so is each
 * group, so that only what does not fit the memory is cut finer.
 */
export function descend(
  differing: readonly Differing[],
  ordered: boolean,
): { groups: number[][]; crowded: Differing[] } {
  const listedMax = ordered ? crowdedRows : groupRows
  const heldMax = ordered ? orderedGroupRows : groupRows
  const crowded: Differing[] = []
  const groups: number[][] = []
  let held = heldMax
  for (const one of differing) {
    if (one.rows > listedMax) {
      crowded.push(one)
      continue
    }
    if (held + one.rows > heldMax) {
      groups.push([])
      held = 0
    }
    groups.at(-1)!.push(one.bucket)
    held += one.rows
  }
  return { groups, crowded }
}
