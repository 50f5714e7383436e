import type { Digest } from '../sides/side.ts'

/** A differing bucket with more rows than this is cut finer before its rows are listed. */
const crowdedRows = 4_096
/** Rows of one side that are listed and held at a time, where each group costs a scan. */
const groupRows = 100_000
/** The same where an index reads them: as few as cost nothing, because nobody else is served while they are compared. */
const orderedGroupRows = 16_384

export interface Differing {
  readonly bucket: bigint
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
  // Numbers, because a statement answers far fewer buckets than a number can count, and bigints are slow to look up.
  const unseen = new Map<number, Digest>()
  for (const digest of source) {
    rows.source += digest.rows
    unseen.set(Number(digest.bucket), digest)
  }
  let buckets = unseen.size
  const differing: Differing[] = []
  for (const { bucket, rows: count, sum } of target) {
    rows.target += count
    const other = unseen.get(Number(bucket))
    if (other) unseen.delete(Number(bucket))
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
  // Differences fall into buckets like rain; where every bucket is wet, one dry one is as good a guess as any.
  const share = differing.length / buckets
  const drift = (-Math.log(1 - Math.min(share, 1 - 1 / (2 * buckets))) * buckets) / all
  const wanted = bucketRowsFor(drift)
  const times = all / buckets / wanted
  const shareThen = 1 - (1 - Math.min(1, drift)) ** wanted
  const cost = 1 + (bucketCost * cells * times) / all + listedCost * shareThen
  return times >= 2 && cost < listedCost * share ? times : undefined
}

/**
 * What to do next with differing buckets: list them in groups that fit the memory, or look closer at crowded ones.
 *
 * @param ordered an index reads a bucket by itself; without one each closer look is a scan of the table, and so is each
 * group, so that only what does not fit the memory is cut finer.
 */
export function descend(
  differing: readonly Differing[],
  ordered: boolean,
): { groups: bigint[][]; crowded: Differing[] } {
  const listedMax = ordered ? crowdedRows : groupRows
  const heldMax = ordered ? orderedGroupRows : groupRows
  const crowded: Differing[] = []
  const groups: bigint[][] = []
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
