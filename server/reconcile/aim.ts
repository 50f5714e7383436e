import { Fault } from '../fault.ts'
import type { Key, Slice } from '../sides/side.ts'
import { changedAgain, changedKeys, changedMax } from './changed.ts'
import type { OpenPlan } from './open-plan.ts'
import type { RunInput } from './run.ts'
import { drawn } from './sample.ts'
import { before, fullBecause, type Aim, type Base, type Watermark } from './scope.ts'
import { oldestFirst } from './walk.ts'
import { markColumns, readWatermark, type MarkColumns } from './watermark.ts'

/** What a run is about to compare. */
export interface Aimed {
  readonly aim: Aim
  /** The keys of an incremental run, by their names. */
  readonly keys?: ReadonlyMap<string, Key>
  /** Why it is not what was asked for, and what it cannot see, a sentence each. */
  readonly notes: readonly string[]
}

/** Keys a part of an incremental run aims at: what is read again after a kill. */
const partKeys = 20_000

/** What a run aims at, and the intervals it begins with, in the order in which they are dealt out. */
type Taken = Aimed & { readonly intervals: readonly Slice[] }

/**
 * Decides what a run compares before it reads anything. An incremental run that cannot go on from an earlier one compares
 * in full, and says why.
 *
 * @throws Fault `usage` and `thing_missing` when the pair's config does not fit its tables.
 */
export async function takeAim(input: RunInput, opened: OpenPlan): Promise<Taken> {
  const { scope = { mode: 'full' } as const } = input
  switch (scope.mode) {
    case 'full':
      return full(input, opened)
    case 'incremental':
      return incremental(input, opened, scope.base)
    case 'sample': {
      const { plan, rowsEstimate } = opened
      const walked = plan.source.walked && plan.target.walked
      const { seed } = scope
      const { intervals, share } = drawn(await opened.space(), input.pair.sample.share, seed, { rowsEstimate, walked })
      return { aim: { mode: 'sample', seed, share }, intervals, notes: [] }
    }
    case 'scrub': {
      const verified = await scope.verified(opened.plan.fingerprint)
      return { aim: { mode: 'scrub' }, intervals: oldestFirst(await opened.space(), verified), notes: [] }
    }
  }
}

async function full(input: RunInput, opened: OpenPlan): Promise<Taken> {
  const columns = markColumns(input.pair, opened)
  const watermark = columns && (await readWatermark(input, opened, columns, input.signal))
  return { aim: { mode: 'full', ...(watermark ? { watermark } : {}) }, intervals: await opened.space(), notes: [] }
}

async function incremental(input: RunInput, opened: OpenPlan, base: Base | undefined): Promise<Taken> {
  const { pair, signal } = input
  const columns = markColumns(pair, opened)
  if (!columns) {
    throw new Fault('usage', `${pair.id} has no column that tells what was written lately.`, {
      hint: 'Name one in incremental.column of the pair.',
    })
  }
  const watermark = await readWatermark(input, opened, columns, signal)
  const inFull = async (because: string): Promise<Taken> => ({
    aim: { mode: 'full', watermark },
    intervals: await opened.space(),
    notes: [`Compared in full: ${because}.`],
  })
  if (opened.plan.source.multiset) return inFull('without a key a row that was written cannot be found again')
  const because = fullBecause(base, { fingerprint: opened.plan.fingerprint, columns: watermark })
  if (because !== undefined || !base) return inFull(because ?? 'nothing is known of earlier runs')
  return (await since(input, opened, { columns, watermark, base })) ?? inFull(tooMany(base, columns))
}

const tooMany = ({ watermark }: Base, { source }: MarkColumns) =>
  `more than ${changedMax.toLocaleString('en-GB')} keys were written, going by ${source.name}, since ${watermark?.newest.source ?? 'the beginning'}`

async function since(
  input: RunInput,
  { plan }: OpenPlan,
  { columns, watermark, base }: { columns: MarkColumns; watermark: Watermark; base: Base },
): Promise<Taken | undefined> {
  const { source, target } = base.watermark!.newest
  const from = { source: before(source, columns.back), target: before(target, columns.back) }
  const changed = await changedKeys(input, plan, columns, from, await base.open())
  if (!changed) return undefined
  const { keys, open } = changed
  const parts = 2 ** Math.ceil(Math.log2(Math.max(1, keys.size / partKeys)))
  return {
    aim: {
      mode: 'incremental',
      watermark,
      since: from,
      base: base.run,
      of: base.keys,
      keys: keys.size,
      open,
      parts,
    },
    keys,
    intervals: Array.from({ length: parts }, (_, part): Slice => ({ kind: 'hash', part, parts })),
    notes: columns.notes,
  }
}

/**
 * What an interrupted run was about to compare. The keys of an incremental one are found again.
 *
 * @throws Fault `conflict` when the run it went on from is not the last one any more, `limit_reached`.
 */
export async function aimAgain(input: RunInput, opened: OpenPlan, aim: Aim, notes: readonly string[]): Promise<Aimed> {
  if (aim.mode !== 'incremental') return { aim, notes }
  const { pair, scope } = input
  const columns = markColumns(pair, opened)
  const base = scope?.mode === 'incremental' ? scope.base : undefined
  if (!columns || base?.run !== aim.base) {
    throw new Fault('conflict', `The run that this one of ${pair.id} goes on from is not the last one any more.`, {
      hint: 'Start a new run.',
    })
  }
  const { keys } = await changedAgain(input, opened.plan, columns, aim.since, await base.open())
  return { aim, keys, notes }
}
