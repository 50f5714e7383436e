import { describe, expect, it } from 'vitest'
import type { Look } from '../server/reconcile/classify.ts'
import { settle } from '../server/reconcile/settle.ts'

/** One row as both sides have it at a time, in seconds of a clock of our own. */
type Versions = (at: number) => { readonly source: string; readonly target: string }

/** Settles one row that differed at 0 s; its target has got, at each time, as far as `position` says. */
async function settled(versions: Versions, position: (at: number) => number, waitS = 1, tries = 3) {
  let at = 0
  const look = (): Look => {
    const { source, target } = versions(at)
    return { key: ['1'], source: [source], target: [target] }
  }
  const { persistent, healed, unsettled } = await settle(
    [look()],
    0,
    async () => [look()],
    { waitMs: waitS * 1_000, tries, positionMs: 60_000 },
    {
      now: () => at * 1_000,
      sleep: async (ms) => void (at += ms / 1_000),
      settled: async (lookMs) => position(at) * 1_000 >= lookMs,
    },
    new AbortController().signal,
  )
  return { persistent: persistent.length, healed: healed.length, unsettled: unsettled.length, at }
}

describe('a row that differed', () => {
  const lag = (seconds: number) => (at: number) => at - seconds

  it('is persistent when it differs in the same way once the target has got there', async () => {
    expect(await settled(() => ({ source: 'a', target: 'b' }), lag(5))).toMatchObject({ persistent: 1, at: 6 })
  })

  it('was in flight when it has become equal', async () => {
    const versions: Versions = (at) => ({ source: 'a', target: at < 5 ? 'b' : 'a' })
    expect(await settled(versions, lag(5))).toMatchObject({ healed: 1 })
  })

  it('is not taken for persistent when it was written again before it was looked at again', async () => {
    // A new version every 5.5 s, 5 s on its way: at two looks a second apart the same two versions stand.
    const source = (at: number) => String(Math.min(2, Math.floor(at / 5.5)))
    const versions: Versions = (at) => ({ source: source(at), target: at < 5 ? 'old' : source(at - 5) })
    expect(await settled(versions, lag(5))).toMatchObject({ persistent: 0, healed: 1 })
  })

  it('is unsettled when the target does not get as far as any look', async () => {
    expect(
      await settled(
        () => ({ source: 'a', target: 'b' }),
        () => -1,
      ),
    ).toMatchObject({ unsettled: 1, persistent: 0 })
  })

  it('is unsettled when it is different at every look', async () => {
    expect(await settled((at) => ({ source: String(at), target: 'b' }), lag(0))).toMatchObject({ unsettled: 1 })
  })
})
