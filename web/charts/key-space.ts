import { keyText, some } from '../format.ts'

export interface KeyBucket {
  readonly from: string
  readonly to: string
  readonly missing: number
  readonly extra: number
  readonly changed: number
  readonly state: 'pending' | 'verified' | 'differing' | 'unknown'
}

export interface KeyBar {
  readonly kind: 'base' | 'source' | 'target' | 'hole' | 'unknown' | 'pending'
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
    if (bucket.state === 'unknown') return lanes('unknown')
    if (bucket.state === 'pending') return lanes('pending')

    const bars = lanes('base')
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
  return groups.map((group) => ({
    from: group[0]!.from,
    to: group.at(-1)!.to,
    missing: sum(group, 'missing'),
    extra: sum(group, 'extra'),
    changed: sum(group, 'changed'),
    state: worstFirst.find((state) => group.some((bucket) => bucket.state === state)) ?? 'verified',
  }))
}

const worstFirst: readonly KeyBucket['state'][] = ['unknown', 'differing', 'pending', 'verified']
const sum = (group: readonly KeyBucket[], kind: 'missing' | 'extra' | 'changed') =>
  group.reduce((total, bucket) => total + bucket[kind], 0)

/** What is in one bucket, in words. */
export function bucketWords({ missing, extra, changed, state }: KeyBucket): string {
  if (state === 'unknown') return 'not compared'
  if (state === 'pending') return 'not compared yet'
  const parts = [
    missing > 0 && `${some(missing, 'row')} missing`,
    extra > 0 && `${some(extra, 'row')} extra`,
    changed > 0 && `${some(changed, 'row')} changed`,
  ].filter(Boolean)
  return parts.length > 0 ? parts.join(', ') : 'equal on both sides'
}

/** The whole strip in one sentence, for who cannot see it. */
export function keySpaceSummary(buckets: readonly KeyBucket[]): string {
  const differing = buckets.filter(({ state }) => state === 'differing').length
  const unknown = buckets.filter(({ state }) => state === 'unknown').length
  const pending = buckets.filter(({ state }) => state === 'pending').length
  const worst = buckets.reduce<KeyBucket | undefined>(
    (most, bucket) => (rows(bucket) > rows(most) ? bucket : most),
    undefined,
  )
  return [
    `${some(buckets.length, 'bucket')} of keys, ${differing} ${differing === 1 ? 'differs' : 'differ'}`,
    unknown > 0 && `${unknown} could not be compared`,
    pending > 0 && `${pending} not compared yet`,
    worst && `most rows differ from ${keyText(worst.from)} to ${keyText(worst.to)}`,
  ]
    .filter(Boolean)
    .join('; ')
}

const rows = (bucket: KeyBucket | undefined): number => (bucket ? bucket.missing + bucket.extra + bucket.changed : 0)
