import { sentenceOf } from '../fault.ts'
import type { ApplyOutcome, Change, FetchedRow, Key, Side } from '../sides/side.ts'
import { addCounts, noCounts, total } from './classify.ts'
import type { AuditEntry, Correction, Journal, Step } from './journal.ts'
import type { Lease } from './lease.ts'
import type { ColumnPair, PairPlan } from './plan.ts'
import type { CorrectionState, Counts, RunVerdict } from './records.ts'
import { readsAs } from './reads-as.ts'
import { countNow } from './tell.ts'

/** Corrections written down, sent, and written down again together: what a crash can leave in doubt. */
const batchRows = 100
/** How often rows that waited for other rows are tried again, each time only if the last time helped. */
const roundsMax = 50

// Deletes first, so that they free unique values; inserts last, when what they refer to has its values.
const order = ['delete', 'update', 'insert'] as const

export interface Correcting {
  readonly sides: { readonly source: Side; readonly target: Side }
  readonly plan: PairPlan
  readonly journal: Journal
  /** Absent where nobody can take the run over. */
  readonly lease?: Lease | undefined
  readonly signal: AbortSignal
}

type Values = Readonly<Record<string, string | null>>

/**
 * Writes every approved correction. The decision and the row as it was judged are in the audit before the write, the
 * outcome after it; a correction found in `applying` was cut off by a crash and is read back, never sent again.
 *
 * A row that another row of this run has to go before is tried again while that helps. Stops between batches when the
 * signal aborts.
 */
export async function correct(correcting: Correcting): Promise<void> {
  await readBack(correcting)
  let waiting: Correction[] = []
  for (const action of order) {
    for (;;) {
      const approved = await correcting.journal.corrections('approved', action, batchRows)
      if (approved.length === 0) break
      waiting.push(...(await applyBatch(correcting, await claim(correcting, approved))))
    }
  }
  for (let round = 0; round < roundsMax && waiting.length > 0; round++) {
    const before = waiting.length
    waiting = await applyAll(correcting, waiting, true)
    if (waiting.length === before) break
  }
  await applyAll(correcting, waiting, false)
}

const stepTo = (to: CorrectionState, plan: PairPlan, message: string | null = null) => {
  return (correction: Correction, from: CorrectionState): Step => {
    const { id, difference, decision, decidedBy } = correction
    const audit: AuditEntry = {
      event: to,
      on: decision.on,
      action: decision.action,
      key: difference.key,
      before: judgedOf(plan, correction) ?? null,
      after: afterOf(plan, correction) ?? null,
      reason: message ?? decision.reason,
      by: decidedBy ?? 'nobody',
    }
    return { id, from, to, message, audit }
  }
}

/** Takes approved corrections for this process; what another process took in the meantime is left to it. */
async function claim({ journal, plan, signal }: Correcting, approved: readonly Correction[]): Promise<Correction[]> {
  signal.throwIfAborted()
  const step = stepTo('applying', plan)
  const moved = await journal.advance(approved.map((correction) => step(correction, 'approved')))
  return approved.filter(({ id }) => moved.has(id))
}

async function applyAll(correcting: Correcting, all: readonly Correction[], retry: boolean): Promise<Correction[]> {
  const waiting: Correction[] = []
  for (let start = 0; start < all.length; start += batchRows) {
    waiting.push(...(await applyBatch(correcting, all.slice(start, start + batchRows), retry)))
  }
  return waiting
}

/** Sends corrections that are in `applying`, writes down what became of them, and returns those that have to wait. */
async function applyBatch(correcting: Correcting, batch: readonly Correction[], retry = true): Promise<Correction[]> {
  const { plan, journal, signal } = correcting
  signal.throwIfAborted()
  const outcomes = new Map<string, ApplyOutcome>()
  for (const on of ['source', 'target'] as const) {
    const mine = batch.filter(({ decision }) => decision.on === on)
    await send(correcting, on, mine, (correction, outcome) => outcomes.set(correction.id, outcome))
  }
  const waiting: Correction[] = []
  const unsure: Correction[] = []
  const steps: Step[] = []
  for (const correction of batch) {
    const outcome = outcomes.get(correction.id)!
    if (outcome.state !== 'failed')
      steps.push(stepTo(outcome.state, plan, messageOf(outcome.state))(correction, 'applying'))
    else if (outcome.unsure) unsure.push(correction)
    else if (outcome.early && retry) waiting.push(correction)
    else steps.push(stepTo('failed', plan, outcome.message)(correction, 'applying'))
  }
  await journal.advance(steps)
  if (unsure.length > 0) await settleDoubt(correcting, unsure)
  return waiting
}

/** Sends corrections to one side while this worker holds the run: what its lease did not last for goes once it is renewed. */
async function send(
  { sides, plan, lease }: Correcting,
  on: 'source' | 'target',
  mine: readonly Correction[],
  told: (correction: Correction, outcome: ApplyOutcome) => void,
): Promise<void> {
  let left = mine
  while (left.length > 0) {
    // Right before the write: whoever has taken the run over since reads these back, and tells what he finds.
    await lease?.renew()
    const changes = left.map((correction) => changeOf(plan, correction))
    // Not given the signal: a batch that was begun is finished and written down, which takes a lock timeout a row at worst.
    const answers = await sides[on].apply(plan[on], changes, lease?.lasts)
    for (const [place, answer] of answers.entries()) if (answer !== 'unsent') told(left[place]!, answer)
    left = left.filter((_, place) => answers[place] === 'unsent')
  }
}

const messageOf = (state: CorrectionState) =>
  state === 'stale' ? 'The row is no longer as it was judged, and was left alone.' : null

/** Corrections that a crash left between being sent and being written down. */
async function readBack(correcting: Correcting): Promise<void> {
  for (const action of order) {
    for (;;) {
      const doubtful = await correcting.journal.corrections('applying', action, batchRows)
      if (doubtful.length === 0) break
      await settleDoubt(correcting, doubtful)
    }
  }
}

/** Takes back what was approved, because a guard has failed since; what a crash left in doubt is read back as ever. */
export async function withhold(correcting: Correcting, reason: string): Promise<void> {
  await readBack(correcting)
  const { journal, plan, signal } = correcting
  const step = stepTo('proposed', plan, `Not written: ${reason}`)
  for (const action of order) {
    for (;;) {
      signal.throwIfAborted()
      const approved = await journal.corrections('approved', action, batchRows)
      if (approved.length === 0) break
      await journal.advance(approved.map((correction) => step(correction, 'approved')))
    }
  }
}

/** Reads rows whose write is in doubt: as intended means applied, anything else is told as interrupted. */
async function settleDoubt(
  { sides, plan, journal, signal }: Correcting,
  doubtful: readonly Correction[],
): Promise<void> {
  const steps: Step[] = []
  for (const on of ['source', 'target'] as const) {
    const mine = doubtful.filter(({ decision }) => decision.on === on)
    if (mine.length === 0) continue
    const rows = await sides[on].fetch(
      plan[on],
      mine.map(({ difference }) => difference.key),
      signal,
    )
    for (const correction of mine) {
      const there = rows.filter(({ key }) => JSON.stringify(key) === JSON.stringify(correction.difference.key))
      const state = isDone(plan, correction, there) ? 'applied' : 'interrupted'
      const message =
        state === 'applied'
          ? 'The outcome was lost; the row reads as it was to be written.'
          : 'The outcome was lost and the row does not read as it was to be written: it was not sent again.'
      steps.push(stepTo(state, plan, message)(correction, 'applying'))
    }
  }
  await journal.advance(steps)
}

function isDone(plan: PairPlan, correction: Correction, rows: readonly FetchedRow[]): boolean {
  const { decision, difference } = correction
  // How many copies there were is not written down, so that a lost delete of one of them cannot be told from none.
  if (decision.action === 'delete') return rows.length === 0 && !difference.copy
  const after = afterOf(plan, correction) ?? {}
  const [row] = rows
  const { on } = decision
  // What a column computes follows from the others, and was not known when the row was judged.
  const told = allPairs(plan).filter((pair) => pair[on].name in after && !pair[on].generated)
  const reads = (pair: ColumnPair) => readsAs(pair, pair[on], after[pair[on].name]!, row!.values[pair[on].name]!)
  return rows.length === 1 && told.every(reads)
}

const allPairs = (plan: PairPlan): readonly ColumnPair[] => [...plan.key, ...plan.columns]

/** The written side's row as it was judged, by its own column names; undefined when there was none. */
function judgedOf(plan: PairPlan, { decision: { on }, difference }: Correction): Values | undefined {
  const row = difference[on]
  return row && Object.fromEntries(allPairs(plan).map((pair) => [pair[on].name, row[pair.source.name] ?? null]))
}

/** The written side's row as it will be; undefined when it is deleted. */
function afterOf(plan: PairPlan, correction: Correction): Values | undefined {
  if (correction.decision.action === 'delete') return undefined
  return { ...judgedOf(plan, correction), ...correction.decision.values }
}

function changeOf(plan: PairPlan, correction: Correction): Change {
  const { decision, difference } = correction
  const { key } = difference
  switch (decision.action) {
    case 'insert':
      return { action: 'insert', key, values: decision.values }
    case 'update':
      return { action: 'update', key, judged: judgedOf(plan, correction)!, values: decision.values }
    case 'delete':
      return { action: 'delete', key, judged: judgedOf(plan, correction)!, copy: difference.copy }
    case 'hold':
    case 'review':
      throw new Error(`A decision to ${decision.action} was opened as a correction.`)
  }
}

/** What was tried, whatever came of it: a row the database refused still differs. */
const tried = ['applied', 'stale', 'failed', 'interrupted'] as const

/** How the keys of everything that was tried look on both sides afterwards; undefined when nothing was. */
export async function verify(correcting: Correcting): Promise<({ readonly verdict: RunVerdict } & Counts) | undefined> {
  const { journal, signal } = correcting
  let counts = noCounts
  let seen = 0
  try {
    for (const [state, action] of tried.flatMap((state) => order.map((action) => [state, action] as const))) {
      for (let after: string | undefined; ;) {
        const some = await journal.corrections(state, action, batchRows, after)
        if (some.length === 0) break
        after = some.at(-1)!.id
        seen += some.length
        const keys = new Map<string, Key>(some.map(({ difference: { key } }) => [JSON.stringify(key), key]))
        counts = addCounts(counts, await countNow(correcting, [...keys.values()]))
      }
    }
  } catch (thrown) {
    signal.throwIfAborted()
    if (!(thrown instanceof Error)) throw new Error(sentenceOf(thrown), { cause: thrown })
    return { verdict: 'unknown', ...counts }
  }
  if (seen === 0) return undefined
  return { verdict: total(counts) === 0 ? 'match' : 'drift', ...counts }
}
