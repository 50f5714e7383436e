import { Fault } from '../fault.ts'
import type { Cut, Key, Side, Slice, SliceReader } from '../sides/side.ts'
import { both } from './both.ts'
import { addCounts, classify, countAll, noCounts, total, type Look } from './classify.ts'
import { closerLook, compareDigests, deeperLook, descend, type Compared } from './descend.ts'
import type { PairPlan } from './plan.ts'
import type { Counts, Difference } from './records.ts'
import { lookAt, settle, type SettlePolicy, type SettleVerbs } from './settle.ts'
import { cellsOf, deepen, narrow, refine } from './slices.ts'
import { tell } from './tell.ts'

/** Keys that differed, held at a time. */
export const looksMax = 100_000
/** Rows that share one key: beyond it, memory would grow with the table. */
const sameKeyMax = 1_000_000

/** All that one slice needs to be read. */
export interface Comparison {
  readonly sides: { readonly source: Side; readonly target: Side }
  readonly plan: PairPlan
  readonly policy: SettlePolicy
  readonly verbs: SettleVerbs & { now(): number }
  readonly signal: AbortSignal
  /** Runs a step and adds its time to what that step has taken. */
  timed<T>(step: string, work: () => Promise<T>): Promise<T>
  /** Runs what reads many rows, once there is a place among those that do. */
  reading<T>(work: () => Promise<T>): Promise<T>
  /** Told what the first look at the whole slice has found. */
  digested(found: Compared): void
  /** Runs what waits for differences to settle and reads single rows; told how many keys are held meanwhile. */
  holding<T>(looks: number, work: () => Promise<T>): Promise<T>
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
  | { readonly kind: 'list'; readonly slice: Slice; readonly cut: Cut; readonly buckets: readonly number[] }

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
    const looks: Look[] = []
    await comparison.reading(() =>
      together(comparison, async (readers) => {
        while (looks.length < looksMax) {
          const task = tasks.pop()
          if (!task) break
          if (task.kind === 'list') looks.push(...(await listBoth(comparison, readers, task)))
          else {
            const found = await digestBoth(comparison, readers, task)
            if (!rows) comparison.digested(found)
            rows ??= found.rows
            tasks.push(...nextTasks(comparison.plan, task, found))
          }
        }
      }),
    )
    // Not before they were read: the target has to get as far as the newest row that was seen.
    const firstLookMs = comparison.verbs.now()
    const { settled, told } = await comparison.holding(looks.length, async () => {
      const settled = await comparison.timed('settle', () => settleLooks(comparison, looks, firstLookMs))
      return { settled, told: await comparison.timed('rows', () => tell(comparison, settled.persistent, taker)) }
    })
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

function nextTasks(plan: PairPlan, { slice, cut }: Task, found: Compared): Task[] {
  const ordered = plan.source.ordered && plan.target.ordered
  const finer = ordered ? deeper(slice, cut, found) : closer(slice, cut, found)
  if (finer.length > 0) return finer.map((one): Task => ({ kind: 'digest', ...one }))
  const { groups, crowded } = descend(found.differing, ordered)
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

/** Where an index reads a bucket by itself, only those that differ are looked at again. */
function deeper(slice: Slice, cut: Cut, found: Compared) {
  const times = deeperLook(found)
  if (times === undefined) return []
  const buckets = found.differing.map(({ bucket }) => bucket)
  return deepen(slice, cut, buckets, times).map((finer) => ({ slice, cut: finer }))
}

function closer(slice: Slice, cut: Cut, found: Compared) {
  const times = closerLook(found, cellsOf(slice, cut))
  return times === undefined ? [] : refine(slice, cut, times)
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

async function settleLooks(
  { sides, plan, policy, verbs, signal }: Comparison,
  looks: readonly Look[],
  firstLookMs: number,
) {
  const again = (keys: readonly Key[]) => lookAt(sides, plan, keys, signal)
  const { persistent, healed, unsettled } = await settle(looks, firstLookMs, again, policy, verbs, signal)
  return { persistent, inFlight: total(countAll(healed)), unsettled: total(countAll(unsettled)) }
}
