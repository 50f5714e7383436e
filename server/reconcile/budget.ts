import { Fault } from '../fault.ts'

/** How far a run may go before it gives up. */
export interface Budget {
  readonly timeMs?: number | undefined
  /** Share of differing rows, 0 to 1. */
  readonly ratio?: number | undefined
}

export interface Spent {
  readonly ms: number
  /** Rows that differ, of those compared so far. */
  readonly differing: number
  /** Rows the tables have, as far as is known: the estimate, or those read so far where they are more. */
  readonly rows: number
}

/**
 * The fault a run ends with once its budget is spent. Pure. The share is of the whole table, not of what was read so far:
 * drift that lies together at the start of the keys is no reason to give up.
 */
export function overBudget({ timeMs, ratio }: Budget, { ms, differing, rows }: Spent): Fault | undefined {
  if (timeMs !== undefined && ms >= timeMs) {
    const hint = 'Raise budget.time (--max-time), or give the run more lanes or a faster time of the day.'
    return new Fault('limit_reached', `The time budget of ${seconds(timeMs)} is spent; the rest was not compared.`, {
      hint,
    })
  }
  if (ratio === undefined || differing === 0 || differing <= ratio * rows) return undefined
  const share = `${differing} of about ${rows} rows differ, more than the ${percent(ratio)} of the budget`
  return new Fault('limit_reached', `${share}; the rest was not compared.`, {
    hint: 'See whether these are the same tables at all; raise budget.ratio (--max-ratio) to compare them to the end.',
  })
}

const percent = (ratio: number) => `${Number((ratio * 100).toPrecision(6))} %`
const seconds = (ms: number) => `${Number((ms / 1_000).toPrecision(6))} s`
