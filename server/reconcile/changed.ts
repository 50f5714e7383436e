import { Fault } from '../fault.ts'
import type { Key } from '../sides/side.ts'
import { both } from './both.ts'
import type { PairPlan } from './plan.ts'
import type { RunInput } from './run.ts'
import { nameOf, type Watermark } from './scope.ts'
import type { MarkColumns } from './watermark.ts'

/** Keys one incremental run looks at: they are held in memory, and beyond this a full run is as quick. */
export const changedMax = 200_000

export interface Changed {
  /** By their names. */
  readonly keys: ReadonlyMap<string, Key>
  /** Those that are there only because they differed before. */
  readonly open: number
}

/**
 * Keys that were written on either side since a watermark, and those that differed when it was taken. Undefined when they
 * are more than `changedMax`.
 */
export async function changedKeys(
  { source, target, signal }: Pick<RunInput, 'source' | 'target' | 'signal'>,
  plan: PairPlan,
  columns: MarkColumns,
  since: Watermark['newest'],
  differed: readonly Key[],
): Promise<Changed | undefined> {
  const [ours, theirs] = await both(
    source.changed(plan.source, columns.source, since.source, changedMax + 1, signal),
    target.changed(plan.target, columns.target, since.target, changedMax + 1, signal),
  )
  const keys = new Map<string, Key>()
  for (const some of [ours, theirs]) for (const key of some) keys.set(nameOf(key), key)
  const written = keys.size
  for (const key of differed) keys.set(nameOf(key), key)
  return keys.size > changedMax ? undefined : { keys, open: keys.size - written }
}

/** The keys of a run that goes on after it was interrupted: more may have been written meanwhile, none is left out. */
export async function changedAgain(...asked: Parameters<typeof changedKeys>): Promise<Changed> {
  const changed = await changedKeys(...asked)
  if (changed) return changed
  throw new Fault('limit_reached', `More than ${changedMax} keys were written while this run was interrupted.`, {
    hint: 'Start a new run: it compares in full.',
  })
}
