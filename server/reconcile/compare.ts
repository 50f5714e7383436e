import { Fault } from '../fault.ts'
import type { Cut, FetchedRow, Key, Side, Slice, SliceReader } from '../sides/side.ts'
import { both } from './both.ts'
import {
  addCounts,
  agrees,
  classify,
  countLook,
  leftovers,
  look,
  noCounts,
  sameLook,
  total,
  type Look,
} from './classify.ts'
import { compareDigests, descend, type Differing } from './descend.ts'
import type { PairPlan } from './plan.ts'
import type { Counts, Difference } from './records.ts'
import { lookAt, settle, type SettlePolicy, type SettleVerbs } from './settle.ts'
import { narrow } from './slices.ts'

/** Keys that differed, held at a time. */
const looksMax = 100_000
/** Rows that share one key: beyond it, memory would grow with the table. */
const sameKeyMax = 1_000_000
const fetchKeys = 500

/** All that one slice needs to be read. */
export interface Comparison {
  readonly sides: { readonly source: Side; readonly target: Side }
  readonly plan: PairPlan
  readonly policy: SettlePolicy
  readonly verbs: SettleVerbs & { now(): number }
  readonly signal: AbortSignal
  /** Runs a step and adds its time to what that step has taken. */
  timed<T>(step: string, work: () => Promise<T>): Promise<T>
}

/** Who takes the differences: as many whole rows are fetched as there is room for, the rest are only counted. */
export interface Taker {
  room(): number
  take(differences: readonly Difference[]): Promise<void> | void
}

export interface SliceFindings {
  readonly rows: { readonly source: number; readonly target: number }
  readonly counts: Counts
  readonly inFlight: number
  readonly unsettled: number
}

type Task =
  | { readonly kind: 'digest'; readonly slice: Slice; readonly cut: Cut }
  | { readonly kind: 'list'; readonly slice: Slice; readonly cut: Cut; readonly buckets: readonly bigint[] }

/**
 * Compares one slice: digests, then only what differs, then whole rows only of what still differs.
 *
 * Memory does not grow with the slice nor with its differences. Throws what a side throws: then nothing is known of it.
 */
export async function compareSlice(
  comparison: Comparison,
  slice: Slice,
  cut: Cut,
  taker: Taker,
): Promise<SliceFindings> {
  const tasks: Task[] = [{ kind: 'digest', slice, cut }]
  let rows: SliceFindings['rows'] | undefined
  const sum = { counts: noCounts, inFlight: 0, unsettled: 0 }

  while (tasks.length > 0) {
    const firstLookMs = comparison.verbs.now()
    const looks: Look[] = []
    await together(comparison, async (readers) => {
      while (looks.length < looksMax) {
        const task = tasks.pop()
        if (!task) break
        if (task.kind === 'list') looks.push(...(await listBoth(comparison, readers, task)))
        else {
          const found = await digestBoth(comparison, readers, task)
          rows ??= found.rows
          tasks.push(...nextTasks(comparison.plan, task, found.differing))
        }
      }
    })
    const settled = await comparison.timed('settle', () => settleLooks(comparison, looks, firstLookMs))
    const told = await comparison.timed('rows', () => tell(comparison, settled.persistent, taker))
    sum.counts = addCounts(sum.counts, told.counts)
    sum.inFlight += settled.inFlight + told.inFlight
    sum.unsettled += settled.unsettled + told.unsettled
  }
  return { rows: rows ?? { source: 0, target: 0 }, ...sum }
}

type Readers = { readonly source: SliceReader; readonly target: SliceReader }

/**
 * One moment of each side. They are opened in the order of their names, because two runs that each hold the connection
 * the other waits for would wait for ever; and two sides of one client get no snapshot at all.
 */
async function together(comparison: Comparison, work: (readers: Readers) => Promise<void>): Promise<void> {
  const { sides, signal } = comparison
  const plain = (side: Side): SliceReader => ({
    digest: (...asked) => side.snapshot((reader) => reader.digest(...asked), signal),
    async *list(...asked) {
      const batches = await side.snapshot(async (reader) => {
        const all = []
        for await (const batch of reader.list(...asked)) all.push(batch)
        return all
      }, signal)
      yield* batches
    },
  })
  if (sides.source.name === sides.target.name) return work({ source: plain(sides.source), target: plain(sides.target) })

  return sides.source.name < sides.target.name
    ? sides.source.snapshot((source) => sides.target.snapshot((target) => work({ source, target }), signal), signal)
    : sides.target.snapshot((target) => sides.source.snapshot((source) => work({ source, target }), signal), signal)
}

const digestBoth = ({ plan, signal, timed }: Comparison, readers: Readers, { slice, cut }: Task) =>
  timed('digest', async () => {
    const [source, target] = await both(
      readers.source.digest(plan.source, slice, cut, signal),
      readers.target.digest(plan.target, slice, cut, signal),
    )
    return compareDigests(source, target)
  })

function nextTasks(plan: PairPlan, { slice, cut }: Task, differing: readonly Differing[]): Task[] {
  const { groups, crowded } = descend(differing, plan.source.ordered && plan.target.ordered)
  return [
    ...groups.map((buckets): Task => ({ kind: 'list', slice, cut, buckets })),
    ...crowded.map(({ bucket, rows }): Task => {
      const finer = narrow(slice, cut, bucket, rows)
      if (finer) return { kind: 'digest', ...finer }
      if (rows > sameKeyMax) {
        throw new Fault('limit_reached', `${rows} rows fall into one bucket that cannot be cut finer.`, {
          hint: 'Name a key that tells rows apart, or compare less with where.',
        })
      }
      return { kind: 'list', slice, cut, buckets: [bucket] }
    }),
  ]
}

const listBoth = ({ plan, signal, timed }: Comparison, readers: Readers, task: Extract<Task, { kind: 'list' }>) =>
  timed('list', async () => {
    const { slice, cut, buckets } = task
    const all = async (batches: ReturnType<SliceReader['list']>) => {
      const rows = []
      for await (const batch of batches) rows.push(...batch)
      return rows
    }
    return classify(
      ...(await both(
        all(readers.source.list(plan.source, slice, cut, buckets, signal)),
        all(readers.target.list(plan.target, slice, cut, buckets, signal)),
      )),
    )
  })

const countAll = (looks: readonly Look[]) => looks.reduce((sum, one) => addCounts(sum, countLook(one)), noCounts)

async function settleLooks(
  { sides, plan, policy, verbs, signal }: Comparison,
  looks: readonly Look[],
  firstLookMs: number,
) {
  const again = (keys: readonly Key[]) => lookAt(sides, plan, keys, signal)
  const { persistent, healed, unsettled } = await settle(looks, firstLookMs, again, policy, verbs, signal)
  return { persistent, inFlight: total(countAll(healed)), unsettled: total(countAll(unsettled)) }
}

/** Counts what persists, and hands over whole rows while there is room for them. */
async function tell(comparison: Comparison, found: readonly Look[], taker: Taker) {
  const persistent = inKeyOrder(comparison.plan, found)
  let counts = noCounts
  let inFlight = 0
  let unsettled = 0
  let start = 0
  for (; start < persistent.length && taker.room() > 0; start += fetchKeys) {
    const asked = persistent.slice(start, start + fetchKeys)
    const fetched = await fetchBoth(comparison, asked)
    const differences: Difference[] = []
    for (const { before, now, rows } of fetched) {
      // A row that changed while we were fetching it is neither kept nor counted as what it no longer is.
      if (agrees(now)) inFlight += total(countLook(before))
      else if (!sameLook(before, now)) unsettled += total(countLook(before))
      else {
        counts = addCounts(counts, countLook(now))
        differences.push(...differencesOf(comparison.plan, now.key, rows))
      }
    }
    await taker.take(differences.slice(0, taker.room()))
  }
  counts = addCounts(counts, countAll(persistent.slice(start)))
  return { counts, inFlight, unsettled }
}

/** Each key is read once, not at every comparison: there may be a hundred thousand. */
function inKeyOrder({ strategy }: PairPlan, looks: readonly Look[]): Look[] {
  const named = looks.map((one) => ({
    name: strategy === 'range' ? BigInt(one.key[0]!) : JSON.stringify(one.key),
    one,
  }))
  return named.sort(({ name: one }, { name: other }) => (one < other ? -1 : 1)).map(({ one }) => one)
}

interface FetchedRows {
  readonly source: readonly FetchedRow[]
  readonly target: readonly FetchedRow[]
}

async function fetchBoth({ sides, plan, signal }: Comparison, looks: readonly Look[]) {
  const keys = looks.map(({ key }) => key)
  const [source, target] = await both(
    sides.source.fetch(plan.source, keys, signal),
    sides.target.fetch(plan.target, keys, signal),
  )
  const [sources, targets] = [byKey(source), byKey(target)]
  return looks.map((before) => {
    const name = JSON.stringify(before.key)
    const rows: FetchedRows = { source: sources.get(name) ?? [], target: targets.get(name) ?? [] }
    const now = look(rows.source, rows.target)[0] ?? { key: before.key, source: [], target: [] }
    return { before, now, rows }
  })
}

function byKey(rows: readonly FetchedRow[]): Map<string, FetchedRow[]> {
  const groups = new Map<string, FetchedRow[]>()
  for (const row of rows) {
    const name = JSON.stringify(row.key)
    const group = groups.get(name)
    if (group) group.push(row)
    else groups.set(name, [row])
  }
  return groups
}

/** The differences of one key, with both rows by the source's column names. Pure. */
function differencesOf(plan: PairPlan, key: Key, { source, target }: FetchedRows): Difference[] {
  const hashes = (rows: readonly FetchedRow[]) => rows.map(({ hash }) => hash)
  const duplicated = source.length > 1 || target.length > 1
  const pairs = [...plan.key, ...plan.columns]
  const valuesOf = (row: FetchedRow, side: 'source' | 'target') =>
    Object.fromEntries(pairs.map((pair) => [pair.source.name, row.values[pair[side].name] ?? null]))
  const hasCopy = (rows: readonly FetchedRow[], row: FetchedRow | undefined) =>
    row !== undefined && rows.filter(({ hash }) => hash === row.hash).length > 1

  return leftovers(hashes(source), hashes(target)).map((one): Difference => {
    const ours = one.source === undefined ? undefined : source[one.source]
    const theirs = one.target === undefined ? undefined : target[one.target]
    const fields =
      ours && theirs
        ? plan.columns.filter((_, place) => ours.hashes[place] !== theirs.hashes[place]).map((pair) => pair.source.name)
        : []
    return {
      kind: one.kind,
      key,
      ...(ours ? { source: valuesOf(ours, 'source') } : {}),
      ...(theirs ? { target: valuesOf(theirs, 'target') } : {}),
      fields,
      duplicated,
      copy: hasCopy(source, ours) || hasCopy(target, theirs),
    }
  })
}
