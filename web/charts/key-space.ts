import type { Run } from '../api.ts'
import { chosenRatio, count, keyText, some } from '../format.ts'

export type KeyBucket = Run['buckets'][number]

/** A part of the key space, as the address names it; both ends included. */
export interface KeySpan {
  readonly from: string
  readonly to: string
}

/** `1..99`: what is written into the address; undefined for anything else. */
export function spanOf(text: string | null): KeySpan | undefined {
  const [, from, to] = /^(-?\d{1,40})\.\.(-?\d{1,40})$/.exec(text ?? '') ?? []
  return from !== undefined && to !== undefined ? { from, to } : undefined
}
export const spanText = ({ from, to }: KeySpan): string => `${from}..${to}`

/** The buckets a span reaches into, first and last; undefined when there is none. */
export function reached(
  buckets: readonly KeyBucket[],
  { from, to }: KeySpan,
): { first: number; last: number } | undefined {
  const [low, high] = [BigInt(from), BigInt(to)]
  const first = buckets.findIndex((bucket) => BigInt(bucket.to) >= low)
  const last = buckets.findLastIndex((bucket) => BigInt(bucket.from) <= high)
  return first >= 0 && last >= first ? { first, last } : undefined
}

/** A span in words: keys, or parts of a hash. */
export function spanWords({ from, to }: KeySpan, space: Run['space']): string {
  const ends = from === to ? keyText(from) : `${keyText(from)} to ${keyText(to)}`
  return space === 'range' ? ends : `${from === to ? 'part' : 'parts'} ${ends}`
}

export interface KeyBar {
  readonly kind: 'base' | 'source' | 'target' | 'hole' | 'more' | 'unknown' | 'pending' | 'skipped'
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** View box units; the source lane grows upwards from 20, the target lane downwards from 24. */
export const keySpaceSize = { width: 1000, height: 44 }
const sourceFoot = 20
const targetFoot = 24
const laneHeight = 6
const growthMax = 14

/**
 * The bars of the key-space strip, left to right in key order: two lanes, source above and target below. A bar grows
 * outward with the logarithm of its rows; a hole is the side on which rows are absent.
 */
export function keyBars(buckets: readonly KeyBucket[]): KeyBar[] {
  const pitch = keySpaceSize.width / Math.max(1, buckets.length)
  const most = buckets.reduce((high, { missing, extra, changed }) => Math.max(high, missing + extra + changed), 1)
  const height = (rows: number) => laneHeight + 2 + (growthMax - 2) * (Math.log1p(rows) / Math.log1p(most))

  return buckets.flatMap((bucket, index): KeyBar[] => {
    const place = { x: index * pitch, width: pitch * 0.88 }
    const lanes = (kind: KeyBar['kind']): KeyBar[] => [
      { kind, ...place, y: sourceFoot - laneHeight, height: laneHeight },
      { kind, ...place, y: targetFoot, height: laneHeight },
    ]
    const bars = lanes(bucket.state === 'verified' || bucket.state === 'differing' ? 'base' : bucket.state)
    const inSource = bucket.missing + bucket.changed
    const inTarget = bucket.extra + bucket.changed
    if (inSource > 0) {
      const tall = height(inSource)
      bars.push({ kind: 'source', ...place, y: sourceFoot - tall, height: tall })
    } else if (inTarget > 0) {
      bars.push({ kind: 'hole', ...place, y: sourceFoot - laneHeight, height: laneHeight })
    }
    if (inTarget > 0) bars.push({ kind: 'target', ...place, y: targetFoot, height: height(inTarget) })
    else if (inSource > 0) bars.push({ kind: 'hole', ...place, y: targetFoot, height: laneHeight })
    if (isUnkept(bucket)) bars.push(...lanes('more'))
    return bars
  })
}

/** Joins neighbours until there are at most `bucketsMax`, for narrow screens. The worst of the joined states stands. */
export function joined(buckets: readonly KeyBucket[], bucketsMax: number): KeyBucket[] {
  const size = Math.ceil(buckets.length / bucketsMax)
  if (size <= 1) return [...buckets]
  const groups = Array.from({ length: Math.ceil(buckets.length / size) }, (_, index) =>
    buckets.slice(index * size, (index + 1) * size),
  )
  return groups.map(together)
}

/** Neighbours as one: counts add up, and the least known state stands. */
export const together = (group: readonly KeyBucket[]): KeyBucket => ({
  from: group[0]!.from,
  to: group.at(-1)!.to,
  missing: sum(group, 'missing'),
  extra: sum(group, 'extra'),
  changed: sum(group, 'changed'),
  state: worstFirst.find((state) => group.some((bucket) => bucket.state === state)) ?? 'verified',
  more: group.some(({ more }) => more),
  covered: group.reduce((share, { covered }) => share + covered, 0) / group.length,
})

const worstFirst: readonly KeyBucket['state'][] = ['unknown', 'differing', 'pending', 'verified', 'skipped']
const sum = (group: readonly KeyBucket[], kind: 'missing' | 'extra' | 'changed') =>
  group.reduce((total, bucket) => total + bucket[kind], 0)

/** Rows differ in this bucket or near by, and none of them was kept: where exactly is not known. */
export const isUnkept = (bucket: KeyBucket): boolean =>
  bucket.more && bucket.state === 'differing' && rows(bucket) === 0

/** What is in one bucket, in words. */
export function bucketWords({ missing, extra, changed, state, more, covered }: KeyBucket): string {
  const parts = [
    missing > 0 && `${some(missing, 'row')} missing`,
    extra > 0 && `${some(extra, 'row')} extra`,
    changed > 0 && `${some(changed, 'row')} changed`,
    more &&
      (missing + extra + changed > 0
        ? 'and more that were not kept'
        : 'rows differ here or near by that were not kept'),
    state === 'unknown' && (missing + extra + changed > 0 ? 'a part could not be compared' : 'could not be compared'),
    state === 'pending' && (missing + extra + changed > 0 ? 'a part is not compared yet' : 'not compared yet'),
    state === 'skipped' && 'left out by this run',
  ].filter(Boolean)
  const said = parts.length > 0 ? parts.join(', ') : 'equal on both sides'
  return covered > 0 && covered < 1 ? `${said}; ${chosenRatio(covered)} of it is compared by this run` : said
}

/** The whole strip in one sentence, for who cannot see it. */
export function keySpaceSummary(buckets: readonly KeyBucket[], space: Run['space'] = 'range'): string {
  const differing = buckets.filter((bucket) => bucket.state === 'differing' && rows(bucket) > 0).length
  const unkept = buckets.filter(isUnkept).length
  const unknown = buckets.filter(({ state }) => state === 'unknown').length
  const pending = buckets.filter(({ state }) => state === 'pending').length
  const skipped = buckets.filter(({ state }) => state === 'skipped').length
  const worst = buckets.reduce<KeyBucket | undefined>(
    (most, bucket) => (rows(bucket) > rows(most) ? bucket : most),
    undefined,
  )
  return [
    `${some(buckets.length, 'bucket')} of keys, ${count(differing)} ${differing === 1 ? 'differs' : 'differ'}`,
    unkept > 0 && `${unkept} may hold rows that were not kept`,
    unknown > 0 && `${unknown} could not be compared`,
    pending > 0 && `${pending} not compared yet`,
    skipped > 0 && `${skipped} left out by this run`,
    worst && `most rows differ in ${spanWords(worst, space)}`,
  ]
    .filter(Boolean)
    .join('; ')
}

const rows = (bucket: KeyBucket | undefined): number => (bucket ? bucket.missing + bucket.extra + bucket.changed : 0)
