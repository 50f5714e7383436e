import type { Key, Side, SidePlan } from '../sides/side.ts'
import { both } from './both.ts'
import { agrees, look, sameLook, type Look } from './classify.ts'

/** Keys that are looked at together: few enough that everybody else of this process gets a turn in between. */
const keysAtOnce = 2_000

export interface SettlePolicy {
  readonly waitMs: number
  readonly tries: number
  /** How long the target is waited for to get as far as a look; 0 where nobody measures it. */
  readonly positionMs: number
}

export interface SettleVerbs {
  now(): number
  sleep(ms: number, signal: AbortSignal): Promise<void>
  settled?(lookMs: number): Promise<boolean>
}

export interface Settled {
  /** Differed in the same way at two looks in a row. */
  readonly persistent: readonly Look[]
  /** The first looks of what has become equal since. */
  readonly healed: readonly Look[]
  /** The first looks of what was different at each look, or had no time to arrive. */
  readonly unsettled: readonly Look[]
}

/**
 * Looks again at what differed, after the time a row may need to arrive: what heals was in flight, what differs the same
 * way twice is persistent. A target that has not yet got as far as the look before proves nothing, so it is waited for.
 *
 * Cost: one read by key on each side and try. Waits at most `positionMs` and `waitMs` a try.
 */
export async function settle(
  first: readonly Look[],
  firstLookMs: number,
  again: (keys: readonly Key[]) => Promise<readonly Look[]>,
  policy: SettlePolicy,
  verbs: SettleVerbs,
  signal: AbortSignal,
): Promise<Settled> {
  const persistent: Look[] = []
  const healed: Look[] = []
  let open = first.map((one) => ({ first: one, last: one }))
  let lookMs = firstLookMs

  for (let left = policy.tries; left > 0 && open.length > 0; left--) {
    // Of the look before, not only of the first: a row that was written in between is on its way again, and would be found
    // different in the same way for as long as that takes.
    if (!(await arrived(lookMs, policy, verbs, signal))) break
    if (policy.waitMs > 0) await verbs.sleep(policy.waitMs, signal)
    const still: typeof open = []
    for (let start = 0; start < open.length; start += keysAtOnce) {
      const some = open.slice(start, start + keysAtOnce)
      const looks = await again(some.map(({ first: { key } }) => key))
      const seen = new Map(looks.map((one) => [JSON.stringify(one.key), one]))
      for (const { first: start, last } of some) {
        const now = seen.get(JSON.stringify(start.key)) ?? { key: start.key, source: [], target: [] }
        if (agrees(now)) healed.push(start)
        else if (sameLook(now, last)) persistent.push(now)
        else still.push({ first: start, last: now })
      }
    }
    open = still
    lookMs = verbs.now()
  }
  return { persistent, healed, unsettled: open.map(({ first: one }) => one) }
}

const askEveryMs = 500

/** Whether the target has got as far as a look; true where nobody measures it. */
async function arrived(
  lookMs: number,
  policy: SettlePolicy,
  verbs: SettleVerbs,
  signal: AbortSignal,
): Promise<boolean> {
  if (!verbs.settled) return true
  for (let waitedMs = 0; !(await verbs.settled(lookMs)); waitedMs += askEveryMs) {
    if (waitedMs >= policy.positionMs) return false
    await verbs.sleep(askEveryMs, signal)
  }
  return true
}

/** Reads keys on both sides at once: one look at each key that stands anywhere. */
export async function lookAt(
  sides: { readonly source: Side; readonly target: Side },
  plan: { readonly source: SidePlan; readonly target: SidePlan },
  keys: readonly Key[],
  signal: AbortSignal,
): Promise<Look[]> {
  const looks: Look[] = []
  for (let start = 0; start < keys.length; start += keysAtOnce) {
    const some = keys.slice(start, start + keysAtOnce)
    const [source, target] = await both(
      sides.source.hashes(plan.source, some, signal),
      sides.target.hashes(plan.target, some, signal),
    )
    looks.push(...look(source, target))
  }
  return looks
}
