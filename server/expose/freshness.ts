import type { CatalogCheck } from './reads.ts'
import type { CheckStanding } from '../evaluate/standing.ts'

const intervalsHeld = 2.5
const heldMinMs = 60_000

/** How long the last values of a check may still be shown as current after it stopped answering, in milliseconds. */
export const heldMs = ({ everyMs }: Pick<CatalogCheck, 'everyMs'>): number =>
  Math.max(everyMs * intervalsHeld, heldMinMs)

/** Whether what a check last read may still be shown as how things are; false before its first answer. */
export const isFresh = (check: Pick<CheckStanding, 'everyMs' | 'lastSuccessAt'> | undefined, now: Date): boolean =>
  check?.lastSuccessAt !== undefined && now.getTime() - check.lastSuccessAt.getTime() <= heldMs(check)
