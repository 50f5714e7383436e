import { createHash } from 'node:crypto'
import type { Slice } from '../sides/side.ts'

type Range = Extract<Slice, { kind: 'range' }>
type Part = Extract<Slice, { kind: 'hash' }>

/** Places of the key space a sample is taken from, at most: each is a slice or two. */
const placesMax = 64
/** Rows a place aims at, so that small tables are not read in crumbs. */
const placeRows = 2_000
const million = 1_000_000n

export interface Drawn {
  readonly intervals: readonly Slice[]
  /** What they are of the key space, 0 to 1: of hash parts as near to what was asked for as parts can be. */
  readonly share: number
}

/**
 * A random share of a key space. Pure: the same seed draws the same of the same space. Every key is as likely as any other;
 * integer keys are taken from up to 64 places spread over the whole range.
 *
 * @param walked both sides read a range by an index; otherwise each place would cost a scan.
 */
export function drawn(
  space: readonly Slice[],
  share: number,
  seed: string,
  { rowsEstimate, walked }: { readonly rowsEstimate: number; readonly walked: boolean },
): Drawn {
  const chance = chanceOf(seed)
  const [first] = space
  if (first?.kind === 'hash') return drawnParts(space.length, share, chance)
  const places = walked ? Math.min(placesMax, Math.max(1, Math.round((rowsEstimate * share) / placeRows))) : 1
  const intervals = space.flatMap((slice) =>
    slice.kind === 'range' ? strata(slice, places).flatMap((stratum) => drawnRange(stratum, share, chance)) : [],
  )
  const keys = (slices: readonly Slice[]) =>
    slices.reduce((sum, slice) => sum + (slice.kind === 'range' ? slice.to - slice.from + 1n : 0n), 0n)
  return { intervals, share: Number((keys(intervals) * million) / keys(space)) / Number(million) }
}

/** The next 64 random bits each time. */
type Chance = () => bigint

function chanceOf(seed: string): Chance {
  let draws = 0
  return () => createHash('sha256').update(`${draws++}:${seed}`).digest().readBigUInt64BE()
}

function strata({ from, to }: Range, places: number): Range[] {
  const span = to - from + 1n
  const count = span < BigInt(places) ? span : BigInt(places)
  const start = (place: bigint) => from + (span * place) / count
  return Array.from({ length: Number(count) }, (_, place) => ({
    kind: 'range',
    from: start(BigInt(place)),
    to: start(BigInt(place) + 1n) - 1n,
  }))
}

/** A stretch of the stratum from a random place on. Past the end it goes on at the beginning: no key is less likely. */
function drawnRange({ from, to }: Range, share: number, chance: Chance): Range[] {
  const width = to - from + 1n
  const wanted = (width * BigInt(Math.round(share * Number(million))) + million - 1n) / million
  const taken = wanted < 1n ? 1n : wanted
  if (taken >= width) return [{ kind: 'range', from, to }]
  const start = from + (chance() * width) / 2n ** 64n
  const end = start + taken - 1n
  if (end <= to) return [{ kind: 'range', from: start, to: end }]
  return [
    { kind: 'range', from, to: from + (end - to) - 1n },
    { kind: 'range', from: start, to },
  ]
}

/** As few parts as make the share, because each costs a scan. */
function drawnParts(spaceParts: number, share: number, chance: Chance): Drawn {
  const fraction = 2 ** Math.max(0, Math.round(Math.log2(1 / share)))
  const parts = Math.max(fraction, spaceParts)
  const wanted = parts / fraction
  const left = Array.from({ length: parts }, (_, part) => part)
  const intervals = Array.from({ length: wanted }, (): Part => {
    const [part] = left.splice(Number((chance() * BigInt(left.length)) / 2n ** 64n), 1)
    return { kind: 'hash', part: part!, parts }
  })
  return { intervals, share: wanted / parts }
}
