import { clock, duration } from '../format.ts'

/** 2 px of bar and 1 px of gap a bucket; 22 px high. */
const stripPitch = 3
export const stripHeight = 22

const letters = { o: 'ok', w: 'warn', c: 'crit', n: 'nodata', p: 'paused', '-': 'none' } as const
type Letter = keyof typeof letters
export type StripState = (typeof letters)[Letter]

const words: Record<StripState, string> = {
  ok: 'ok',
  warn: 'warn',
  crit: 'crit',
  nodata: 'no data',
  paused: 'paused',
  none: 'not yet measured',
}
/** Height is badness, so that a strip reads without its colours. */
const heights: Record<StripState, number> = { ok: 6, warn: 13, crit: 20, nodata: 20, paused: 2, none: 1 }

export interface StripView {
  readonly from: string
  readonly bucketMs: number
  readonly states: string
}

const stateAt = (states: string, index: number): StripState | undefined => letters[states[index] as Letter]

export const stripWidth = ({ states }: Pick<StripView, 'states'>): number => Math.max(1, states.length * stripPitch - 1)

/** One `d` for each state that occurs; buckets that are not yet are a bare baseline. */
export function stripPaths(states: string): { state: StripState; d: string }[] {
  const paths = new Map<StripState, string>()
  for (let index = 0; index < states.length; index++) {
    const state = stateAt(states, index)
    if (!state) continue
    const height = heights[state]
    const bar = `M${index * stripPitch} ${stripHeight - 1 - height}h2v${height}h-2z`
    paths.set(state, (paths.get(state) ?? '') + bar)
  }
  return [...paths].map(([state, d]) => ({ state, d }))
}

/** What a strip says in one sentence: how long each state lasted, worst first. */
export function stripSummary({ bucketMs, states }: StripView): string {
  const worstFirst: StripState[] = ['crit', 'warn', 'nodata', 'paused', 'ok']
  const parts = worstFirst.flatMap((state) => {
    const buckets = [...states].filter((letter) => letters[letter as Letter] === state).length
    return buckets > 0 ? [`${words[state]} ${duration(buckets * bucketMs)}`] : []
  })
  return `last ${duration(states.length * bucketMs)}: ${parts.join(', ') || 'nothing measured yet'}`
}

/** What one bucket belongs to: its state and the whole stretch of it, for the tip under the pointer. */
export function stretchAt({ from, bucketMs, states }: StripView, index: number, timezone: string): string {
  const letter = states[index]
  let first = index
  let last = index
  while (first > 0 && states[first - 1] === letter) first--
  while (last < states.length - 1 && states[last + 1] === letter) last++
  const start = Date.parse(from) + first * bucketMs
  const end = Date.parse(from) + (last + 1) * bucketMs
  const state = stateAt(states, index)
  return `${state ? words[state] : words.none} ${clock(start, timezone)} to ${clock(end, timezone)}, ${duration(end - start)}`
}
