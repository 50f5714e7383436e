import { staleAfterMs, type CheckStanding } from '../evaluate/standing.ts'

/** Whether what a check last read may still be shown as how things are; false before its first answer. */
export const isFresh = (check: Pick<CheckStanding, 'everyMs' | 'lastSuccessAt'> | undefined, now: Date): boolean =>
  check?.lastSuccessAt !== undefined && now.getTime() - check.lastSuccessAt.getTime() <= staleAfterMs(check.everyMs)
