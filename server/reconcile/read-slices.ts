import { Fault } from '../fault.ts'
import type { Slice } from '../sides/side.ts'
import { overBudget, type Budget } from './budget.ts'
import { total } from './classify.ts'
import type { Comparison, SliceFindings, Taker } from './compare.ts'
import { openFrontier, type Dealt, type Frontier } from './frontier.ts'
import { lanesOf, openLanes } from './lanes.ts'
import type { Pace } from './pace.ts'
import { mayPass, readSlice, waitAgain, type SliceReading } from './read-slice.ts'
import { openReadingTime } from './reading-time.ts'
import type { Difference, SliceResult } from './records.ts'
import { asUnknown, sliceResult, unknownSlice } from './slice-result.ts'
import type { Slicing } from './sizing.ts'

/** Slices that fail in a row before the rest is taken for unreadable too. */
const failuresMax = 5
/** Slices that are read or settle at once. */
const openMax = 64
/** How long slices that agree are believed without another look at the columns of their tables. */
const unprovenMs = 30_000

export type Compare = (comparison: Comparison, dealt: Dealt, taker: Taker) => Promise<SliceFindings>

/** All that is asked of reading a key space, whether for a run or for a comparison on the command line. */
export interface Reading {
  readonly comparison: Omit<Comparison, 'reading' | 'digested' | 'holding'>
  /** What is to be read. */
  readonly intervals: readonly Slice[]
  /** What was read before; numbers of slices go on after theirs. */
  readonly before: readonly SliceResult[]
  /** Milliseconds that took; none where absent. */
  readonly beforeMs?: number | undefined
  /** Of the whole tables. */
  readonly rowsEstimate: number
  /** Share of the rows that the intervals hold, about. */
  readonly share: number
  readonly slicing: Slicing
  readonly budget: Budget
  readonly pace?: Pace | undefined
  /** How one slice is compared; as a part of both tables where absent. */
  readonly compare?: Compare
  /**
   * Asked before each slice but the first, with the milliseconds spent reading in all: once it says so, what is left is neither
   * read nor told.
   */
  enough?(readMs: number): boolean
  /** How many more differences may be kept with their rows. */
  room(): number
  /** Told how many differences a slice has taken, or given back when it is read again. */
  taken(differences: number): void
  /** Takes differences of a slice that is still being read. */
  keep(ordinal: number, differences: readonly Difference[]): Promise<void> | void
  /** Takes back what was kept of a slice that is read again. Absent where that cannot be. */
  forget?(ordinal: number): Promise<void>
  /**
   * Takes the outcome of a slice and the last of its differences, and the milliseconds spent reading in all. The same slice
   * told again replaces what was told.
   */
  told(result: SliceResult, differences: readonly Difference[], readMs: number): Promise<void> | void
  /** The fault of tables that are no longer those the plan is for; undefined while they are. */
  changed(): Promise<Fault | undefined>
  /** Called as slices are dealt and told, with how many there are still to come, about. */
  progress?(left: number): void
}

/**
 * Reads a key space slice by slice, several at once: each as large as those before it allow. A slice that only waits for
 * its differences to settle holds no place among those that read.
 *
 * What could not be read is told as unknown, with its fault, never as a difference: a slice that failed for good; all that
 * is left once five failed in a row, the budget is spent, the pace gave up or the tables changed. Memory is bounded,
 * whatever the tables hold.
 *
 * @throws the signal's reason when it aborts, and what is no Fault.
 */
export async function readSlices(reading: Reading): Promise<void> {
  const { comparison, pace } = reading
  const lanes = lanesOf(comparison.sides)
  const places = openLanes(lanes)
  const frontier = frontierOf(reading, lanes)
  const stop = new AbortController()
  const unlink = follow(comparison.signal, stop)
  const open = new Set<Promise<void>>()
  const ledger = openLedger(reading, (fault) => stop.abort(fault))
  let thrown: { readonly cause: unknown } | undefined
  let begun = false

  const begin = async (dealt: Dealt, lane: Awaited<ReturnType<typeof places.take>>) => {
    try {
      const parts = { reading, frontier, places, lane, signal: stop.signal }
      await ledger.tell(await ledger.time.during(() => readSlice(dealt, parts)))
    } catch (cause) {
      thrown ??= { cause }
      stop.abort(cause)
    }
  }
  try {
    while (!ledger.halted()) {
      if (open.size >= openMax) await Promise.race(open)
      const lane = await places.take(stop.signal)
      const turn = pace && frontier.left() > 0
      if (turn) await pace.turn(stop.signal)
      const done = ledger.halted() ?? (begun && reading.enough?.(ledger.time.ms()))
      const dealt = done ? undefined : frontier.deal()
      if (turn && !dealt) pace.took(0, 0)
      if (dealt) {
        begun = true
        const work: Promise<void> = begin(dealt, lane).finally(() => {
          open.delete(work)
          reading.progress?.(open.size + frontier.left())
        })
        open.add(work)
        reading.progress?.(open.size + frontier.left())
        if (frontier.piloted) await Promise.race([frontier.piloted, work])
        continue
      }
      lane.release()
      // One that is still being read may turn out too large, and give a part of itself back.
      if (open.size === 0) break
      await Promise.race(open)
    }
  } catch (cause) {
    if (cause instanceof Fault) ledger.halt(cause)
    else thrown ??= { cause }
  } finally {
    await Promise.allSettled(open)
    unlink()
  }
  comparison.signal.throwIfAborted()
  if (thrown) throw thrown.cause
  await ledger.prove()
  const halted = ledger.halted()
  if (halted)
    for (const rest of frontier.takeRest()) await reading.told(unknownSlice(rest, halted), [], ledger.time.ms())
}

const frontierOf = (
  { comparison: { plan }, intervals, before, rowsEstimate, share, slicing, pace }: Reading,
  lanes: number,
): Frontier =>
  openFrontier(
    intervals,
    {
      rowsEstimate: plan.strategy === 'range' ? rowsEstimate * share : rowsEstimate,
      values: plan.key.length + plan.columns.length,
      walked: plan.strategy === 'range' && plan.source.walked && plan.target.walked,
    },
    { ...slicing, rowsMax: Math.min(slicing.rowsMax, pace?.rowsMax ?? Infinity) },
    lanes,
    before.reduce((next, { ordinal }) => Math.max(next, ordinal + 1), 0),
  )

/**
 * Writes down how slices went, and says when no more are to be read.
 * @param outOfTime called when even what is being read is to end.
 */
function openLedger(reading: Reading, outOfTime: (fault: Fault) => void) {
  const { comparison, before, beforeMs = 0, budget, rowsEstimate } = reading
  const { verbs } = comparison
  const seen = { differing: 0, rows: 0 }
  const count = ({ rows, counts }: SliceResult) => {
    seen.differing += total(counts)
    seen.rows += Math.max(rows.source, rows.target)
  }
  before.forEach(count)
  const spent = (ms: number) =>
    overBudget(budget, { ms, differing: seen.differing, rows: Math.max(rowsEstimate, seen.rows) })

  let halt = beforeMs > 0 ? spent(beforeMs) : undefined
  let failures = 0
  /** Told as equal since the columns were last looked at. */
  let unproven: SliceResult[] = []
  let provenMs = verbs.now()
  const prove = async () => {
    const some = unproven
    unproven = []
    if (some.length === 0) return
    provenMs = verbs.now()
    const changed = await changedOrLost(reading)
    if (!changed) return
    halt = changed
    for (const one of some) await reading.told(asUnknown(one, changed), [], time.ms())
  }

  const time = openReadingTime(verbs, budget.timeMs, beforeMs, () => outOfTime((halt ??= spent(budget.timeMs!)!)))
  return {
    halted: () => halt,
    halt: (fault: Fault) => void (halt ??= fault),
    prove,
    time,
    async tell(outcome: SliceReading) {
      if ('fault' in outcome) {
        failures += 1
        if (outcome.final || failures >= failuresMax) halt ??= outcome.fault
        return reading.told(unknownSlice(outcome.dealt, outcome.fault), [], time.ms())
      }
      failures = 0
      const result = sliceResult(outcome.dealt, outcome.findings)
      count(result)
      await reading.told(result, outcome.kept, time.ms())
      if (result.state === 'verified') unproven.push(result)
      if (verbs.now() - provenMs > unprovenMs) await prove()
      halt ??= spent(time.ms())
    },
  }
}

/** As `changed`; a fault that does not pass when the tables are looked at is one too. */
async function changedOrLost({ changed, comparison: { verbs, signal } }: Reading): Promise<Fault | undefined> {
  for (let tried = 0; ; tried++) {
    try {
      return await changed()
    } catch (thrown) {
      signal.throwIfAborted()
      if (!(thrown instanceof Fault)) throw thrown
      if (!mayPass(thrown, tried)) return thrown
      await waitAgain(verbs, tried, signal)
    }
  }
}

/** Aborts with another signal, until the returned function is called. */
function follow(signal: AbortSignal, stop: AbortController): () => void {
  const abort = () => stop.abort(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort)
  return () => signal.removeEventListener('abort', abort)
}
