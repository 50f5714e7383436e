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
  readonly differing: readonly Differing[]
}

/** Finds the buckets that are not the same on both sides. A bucket one side does not mention is empty there. */
export function compareDigests(source: readonly Digest[], target: readonly Digest[]): Compared {
  const rows = { source: 0, target: 0 }
  const unseen = new Map<bigint, Digest>()
  for (const digest of source) {
    rows.source += digest.rows
    unseen.set(digest.bucket, digest)
  }
  const differing: Differing[] = []
  for (const { bucket, rows: count, sum } of target) {
    rows.target += count
    const other = unseen.get(bucket)
    unseen.delete(bucket)
    if (other && other.rows === count && other.sum === sum) continue
    differing.push({ bucket, rows: Math.max(count, other?.rows ?? 0) })
  }
  for (const { bucket, rows: count } of unseen.values()) differing.push({ bucket, rows: count })
  return { rows, differing }
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
