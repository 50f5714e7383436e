import { Fault } from '../fault.ts'
import { total } from './classify.ts'
import { compareSlice, looksMax, type Comparison, type SliceFindings } from './compare.ts'
import type { Compared } from './descend.ts'
import type { Dealt, Frontier } from './frontier.ts'
import { keysOf } from './intervals.ts'
import type { Lane, Lanes } from './lanes.ts'
import type { Reading } from './read-slices.ts'
import type { Difference } from './records.ts'

/** How often a slice is read again after a fault that may pass, and how long apart at first. */
const retriesMax = 2
const retryWaitMs = 500
const passing: readonly string[] = ['system_timeout', 'system_unreachable']

/** Whether what failed with this fault is asked once more. */
export const mayPass = ({ code }: Fault, tried: number): boolean => passing.includes(code) && tried < retriesMax
/** Waits before it is: longer each time. */
export const waitAgain = (verbs: Comparison['verbs'], tried: number, signal: AbortSignal) =>
  verbs.sleep(retryWaitMs * 2 ** tried, signal)

/** Differences of a slice that wait in memory until it was read to its end; those before them are handed on. */
const keptHeldMax = 2_000

export interface SliceParts {
  readonly reading: Reading
  readonly frontier: Frontier
  readonly places: Lanes
  /** The place this slice begins with. */
  readonly lane: Lane
  readonly signal: AbortSignal
}

/** What was read: the slice as it was dealt, or a part of it that was small enough. */
export type SliceReading = { readonly dealt: Dealt } & (
  | { readonly findings: SliceFindings; readonly kept: readonly Difference[] }
  /** `final` when no slice of these tables can be read any more. */
  | { readonly fault: Fault; readonly final: boolean }
)

/**
 * Reads one slice, again when its fault may pass, smaller when it turned out too large. A read that fails for good is told
 * as such: what could not be read is unknown, never missing.
 */
export async function readSlice(first: Dealt, parts: SliceParts): Promise<SliceReading> {
  const { reading, frontier, signal } = parts
  const { verbs } = reading.comparison
  const course = openCourse(parts)
  const compare =
    reading.compare ?? ((comparison, { slice, cut }, taker) => compareSlice(comparison, slice, cut, taker))
  let dealt = first
  try {
    for (let tried = 0; ;) {
      const taker = openTaker(reading, dealt.ordinal)
      try {
        const findings = await compare(course.comparison(dealt), dealt, taker)
        // Differences are believed only of tables that were still those of the plan when the last of them was read.
        if (total(findings.counts) + findings.unsettled > 0) {
          const changed = await reading.changed()
          if (changed) return await failed(taker, dealt, changed, true)
        }
        return { dealt, findings, kept: taker.kept }
      } catch (thrown) {
        if (thrown instanceof Crowded) {
          dealt = thrown.part
          continue
        }
        reading.comparison.signal.throwIfAborted()
        if (!(thrown instanceof Fault)) throw thrown
        const again = mayPass(thrown, tried) && !signal.aborted
        if (!again || !(await taker.forget())) {
          const changed = signal.aborted ? undefined : await reading.changed().catch(() => undefined)
          return await failed(taker, dealt, changed ?? thrown, changed !== undefined)
        }
        if (thrown.code === 'system_timeout') dealt = frontier.cutBack(dealt, 'slow') ?? dealt
        await waitAgain(verbs, tried, signal)
        tried += 1
      }
    }
  } catch (thrown) {
    // A run that ends while a slice waits to be read again ends with a fault of its own.
    if (!signal.aborted || reading.comparison.signal.aborted || !(thrown instanceof Fault)) throw thrown
    return { dealt, fault: thrown, final: true }
  } finally {
    course.close()
  }
}

async function failed(taker: ReturnType<typeof openTaker>, dealt: Dealt, fault: Fault, final: boolean) {
  await taker.forget()
  return { dealt, fault, final }
}

/** More of a slice differed than is held at a time: a part of it is read in its place. */
class Crowded extends Error {
  readonly part: Dealt
  constructor(part: Dealt) {
    super('more differed than is held at a time')
    this.part = part
  }
}

/** Lets a slice take its place, and tells the frontier and the pace how its first look went. */
function openCourse({ reading, frontier, places, lane, signal }: SliceParts) {
  const { comparison, pace } = reading
  const { now } = comparison.verbs
  let place: Lane | undefined = lane
  const waits = comparison.policy.waitMs > 0 || comparison.verbs.settled !== undefined
  let charged = pace !== undefined
  const took = (rows: number, ms: number) => {
    if (charged) pace?.took(rows, ms)
    charged = false
  }

  return {
    comparison(dealt: Dealt): Comparison {
      let found: Compared | undefined
      let ms = 0
      let looked = false
      const lookedAt = (looks: number) => {
        const { rows, buckets, differing } = found!
        const most = Math.max(rows.source, rows.target)
        took(most, ms)
        const part = looks >= looksMax && most >= 2 * looks ? frontier.cutBack(dealt, 'crowded') : undefined
        if (part) throw new Crowded(part)
        const keys = keysOf(dealt.slice)
        frontier.learn({ keys, rows: most, ms, buckets, bucketsDiffering: differing.length, looks })
      }
      return {
        ...comparison,
        signal,
        async reading(work) {
          const mine = place ?? (await places.take(signal))
          place = undefined
          const fromMs = now()
          try {
            return await work()
          } finally {
            ms = now() - fromMs
            // Where nothing is waited for, looking again is work like any other.
            if (waits) mine.release()
            else place = mine
          }
        },
        digested: (compared) => void (found ??= compared),
        async holding(looks, work) {
          if (!looked) lookedAt(looks)
          looked = true
          return places.holding(looks, work)
        },
      }
    },
    close() {
      place?.release()
      took(0, 0)
    },
  }
}

/** Holds the differences of a slice until it was read to its end, and hands on those that are too many to hold. */
function openTaker({ room, keep, forget, taken, changed }: Reading, ordinal: number) {
  const kept: Difference[] = []
  let handedOn = 0
  return {
    kept,
    room,
    async take(differences: readonly Difference[]) {
      taken(differences.length)
      kept.push(...differences)
      if (kept.length <= keptHeldMax) return
      // As at the end of a slice: what somebody has been told cannot be unsaid.
      const fault = await changed()
      if (fault) throw fault
      handedOn += kept.length
      await keep(ordinal, kept.splice(0))
    },
    /** Whether all that was taken could be taken back. */
    async forget(): Promise<boolean> {
      if (handedOn > 0 && !forget) return false
      taken(-handedOn - kept.length)
      kept.splice(0)
      if (handedOn > 0) await forget!(ordinal)
      handedOn = 0
      return true
    },
  }
}
