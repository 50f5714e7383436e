import type { Key, KeyHash } from '../sides/side.ts'
import type { Counts, Kind } from './records.ts'

/** The hashes of all rows of one key, on both sides, sorted: one look at it. */
export interface Look {
  readonly key: Key
  readonly source: readonly string[]
  readonly target: readonly string[]
}

/** One row of a key that the other side does not have as it is; indexes into what the look was made of. */
export interface Leftover {
  readonly kind: Kind
  readonly source?: number
  readonly target?: number
}

const nameOf = (key: Key) => (key.length === 1 ? key[0]! : JSON.stringify(key))

/** Brings both sides' rows together by key, and keeps the keys that are not the same on both. */
export function classify(source: readonly KeyHash[], target: readonly KeyHash[]): Look[] {
  // Nearly all rows are the same on both, and there are many: those are left out before anything is gathered.
  const hashes = new Map<string, string | undefined>()
  for (const { key, hash } of source) {
    const name = nameOf(key)
    hashes.set(name, hashes.has(name) ? undefined : hash)
  }
  const same = new Set<string>()
  for (const { key, hash } of target) {
    const name = nameOf(key)
    if (same.has(name) || hashes.get(name) !== hash) hashes.set(name, undefined)
    else same.add(name)
  }
  // A name that stands twice on a side is looked at whole.
  const mayDiffer = ({ key }: KeyHash) => {
    const name = nameOf(key)
    return !same.has(name) || hashes.get(name) === undefined
  }
  return look(source.filter(mayDiffer), target.filter(mayDiffer)).filter((one) => !agrees(one))
}

/** Every key that either side has, with its hashes. */
export function look(source: readonly KeyHash[], target: readonly KeyHash[]): Look[] {
  const looks = new Map<string, { key: Key; source: string[]; target: string[] }>()
  for (const [side, rows] of [
    ['source', source],
    ['target', target],
  ] as const) {
    for (const { key, hash } of rows) {
      const name = nameOf(key)
      const one = looks.get(name)
      if (one) one[side].push(hash)
      else looks.set(name, { key, source: [], target: [], [side]: [hash] })
    }
  }
  for (const one of looks.values()) {
    one.source.sort()
    one.target.sort()
  }
  return [...looks.values()]
}

export const agrees = ({ source, target }: Look): boolean => alike(source, target)

export const sameLook = (one: Look, other: Look): boolean =>
  alike(one.source, other.source) && alike(one.target, other.target)

const alike = (some: readonly string[], others: readonly string[]) =>
  some.length === others.length && some.every((hash, place) => hash === others[place])

/** How many differences a key stands for: rows both sides have cancel, the rest pair up as changed, what stays is alone. */
export function countLook(one: Look): Counts {
  const { source, target } = one
  // Nearly every key is on one row at most, and there may be a hundred thousand of them to count at once.
  if (source.length <= 1 && target.length <= 1) {
    const both = source.length === target.length
    return {
      missing: Number(!both && source.length === 1),
      extra: Number(!both && target.length === 1),
      changed: Number(both && source[0] !== target[0]),
    }
  }
  const left = leftovers(source, target)
  const count = (kind: Kind) => left.filter((leftover) => leftover.kind === kind).length
  return { missing: count('missing'), extra: count('extra'), changed: count('changed') }
}

/** As `countLook`, naming the rows by their place in each list. */
export function leftovers(source: readonly string[], target: readonly string[]): Leftover[] {
  const places = new Map<string, number[]>()
  for (const [place, hash] of target.entries()) {
    const others = places.get(hash)
    if (others) others.push(place)
    else places.set(hash, [place])
  }
  const alone = source.flatMap((hash, place) => (places.get(hash)?.pop() === undefined ? [place] : []))
  const unmatched = [...places.values()].flat()
  const paired = Math.min(alone.length, unmatched.length)
  return [
    ...alone
      .slice(0, paired)
      .map((place, at): Leftover => ({ kind: 'changed', source: place, target: unmatched[at]! })),
    ...alone.slice(paired).map((place): Leftover => ({ kind: 'missing', source: place })),
    ...unmatched.slice(paired).map((place): Leftover => ({ kind: 'extra', target: place })),
  ]
}

export const noCounts: Counts = { missing: 0, extra: 0, changed: 0 }

export const addCounts = (one: Counts, other: Counts): Counts => ({
  missing: one.missing + other.missing,
  extra: one.extra + other.extra,
  changed: one.changed + other.changed,
})

export const total = ({ missing, extra, changed }: Counts): number => missing + extra + changed

export const countAll = (looks: readonly Look[]): Counts =>
  looks.reduce((sum, one) => addCounts(sum, countLook(one)), noCounts)
