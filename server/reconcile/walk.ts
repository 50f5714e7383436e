import type { Slice } from '../sides/side.ts'
import { noCounts, total } from './classify.ts'
import type { Counts } from './records.ts'
import type { Interval, Verified } from './scope.ts'

/** Places that hash parts are spread over. */
const places = 2n ** 20n

/**
 * Where a slice lies in the key space. Parts of hashes are told by their lowest bits; here they lie in the order of these
 * bits reversed, so that the halves of a part lie together, however many parts there are.
 */
export function intervalOf(slice: Slice): Interval {
  if (slice.kind === 'range') return { from: slice.from, to: slice.to }
  let reversed = 0
  for (let bit = 1; bit < slice.parts; bit *= 2) reversed = reversed * 2 + (slice.part & bit ? 1 : 0)
  const width = places / BigInt(slice.parts)
  const from = BigInt(reversed) * width
  return { from, to: from + width - 1n }
}

/**
 * A key space in the order in which it is best compared: what never was, then what was longest ago. Pure.
 *
 * @param space one range, or parts of hashes; the order of what it is compared in changes, never what.
 */
export function oldestFirst(space: readonly Slice[], verified: readonly Verified[]): Slice[] {
  const timeOf = ({ at }: Piece) => at?.getTime() ?? -Infinity
  const aged = space.flatMap((slice): { slice: Slice; atMs: number }[] => {
    const pieces = piecesOf(intervalOf(slice), verified)
    if (slice.kind === 'hash') return [{ slice, atMs: Math.min(...pieces.map(timeOf)) }]
    return pieces.map((piece) => ({ slice: { kind: 'range', from: piece.from, to: piece.to }, atMs: timeOf(piece) }))
  })
  // Twice never is no number.
  return aged.toSorted((one, other) => one.atMs - other.atMs || 0).map(({ slice }) => slice)
}

/** Without a time where nothing is known. */
type Piece = Interval & { readonly at?: Date }

/** An interval cut where what is known of it changes, in the order of the keys. */
function piecesOf({ from, to }: Interval, verified: readonly Verified[]): Piece[] {
  const pieces: Piece[] = []
  let start = from
  for (const known of inOrder(verified)) {
    if (known.to < start || known.from > to) continue
    if (known.from > start) pieces.push({ from: start, to: known.from - 1n })
    const part = { from: known.from > start ? known.from : start, to: known.to < to ? known.to : to }
    pieces.push({ ...part, at: known.at })
    start = part.to + 1n
  }
  if (start <= to) pieces.push({ from: start, to })
  return pieces
}

const inOrder = <T extends Interval>(some: readonly T[]): T[] =>
  some.toSorted((one, other) => (one.from < other.from ? -1 : 1))

/** A slice that was compared. */
export interface Read {
  readonly slice: Slice
  readonly rows: Verified['rows']
  readonly counts: Counts
}

/**
 * What is known of a key space once a run has compared some of it. Pure. Neighbours without differences that one run
 * compared become one, so that what is remembered does not grow with the number of runs.
 *
 * Of an older piece that was compared in part, what was found before and not again is taken to lie in the rest: nothing that
 * differed is forgotten before it was looked at.
 *
 * @param space all keys there are now: what lies beyond has no rows any more.
 */
export function walked(
  before: readonly Verified[],
  space: readonly Slice[],
  read: readonly Read[],
  by: Pick<Verified, 'run' | 'at'>,
): Verified[] {
  const fresh = joined(
    inOrder(read.map(({ slice, rows, counts }): Verified => ({ ...intervalOf(slice), rows, counts, ...by }))),
  )
  const ends = inOrder(space.map(intervalOf))
  const [first, last] = [ends[0], ends.at(-1)]
  if (!first || !last) return fresh
  const old = before.flatMap((piece) => {
    const overlapping = fresh.filter((one) => one.to >= piece.from && one.from <= piece.to)
    const left = piecesOf(piece, overlapping).filter((part) => !part.at)
    const within = left.flatMap(({ from, to }) => {
      const part = { from: from < first.from ? first.from : from, to: to > last.to ? last.to : to }
      return part.from <= part.to ? [part] : []
    })
    return within.map((part, place): Verified => ({
      ...part,
      run: piece.run,
      at: piece.at,
      rows: shared(piece, part),
      // Told once, with the first of the rest: where in the rest they lie nobody knows.
      counts: place === 0 ? without(piece.counts, overlapping) : noCounts,
    }))
  })
  return inOrder([...old, ...fresh])
}

function joined(pieces: readonly Verified[]): Verified[] {
  const joins: Verified[] = []
  for (const piece of pieces) {
    const before = joins.at(-1)
    const clean = before && total(before.counts) + total(piece.counts) === 0
    if (!clean || before.to + 1n !== piece.from) joins.push(piece)
    else {
      const rows = { source: before.rows.source + piece.rows.source, target: before.rows.target + piece.rows.target }
      joins[joins.length - 1] = { ...before, to: piece.to, rows }
    }
  }
  return joins
}

function without(counts: Counts, found: readonly Verified[]): Counts {
  const less = (kind: keyof Counts) => Math.max(0, counts[kind] - found.reduce((sum, one) => sum + one.counts[kind], 0))
  return { missing: less('missing'), extra: less('extra'), changed: less('changed') }
}

/** Rows of a part of a piece, as if they lay evenly: they are only shown as what a ratio is of. */
function shared({ rows, from, to }: Verified, part: Interval): Verified['rows'] {
  const ratio = Number(((part.to - part.from + 1n) * 1_000_000n) / (to - from + 1n)) / 1_000_000
  return { source: Math.round(rows.source * ratio), target: Math.round(rows.target * ratio) }
}
