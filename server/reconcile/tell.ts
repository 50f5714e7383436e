import type { FetchedRow, Key } from '../sides/side.ts'
import { both } from './both.ts'
import {
  addCounts,
  agrees,
  countAll,
  countLook,
  leftovers,
  look,
  noCounts,
  sameLook,
  total,
  type Leftover,
  type Look,
} from './classify.ts'
import type { Comparison, Taker } from './compare.ts'
import { alike } from './loose.ts'
import type { PairPlan } from './plan.ts'
import type { Counts, Difference } from './records.ts'
import { lookAt } from './settle.ts'

const fetchKeys = 500

type Reading = Pick<Comparison, 'sides' | 'plan' | 'signal'>

/**
 * Counts what persists, and hands over whole rows while there is room for them. Where columns are compared loosely every
 * row is fetched, room or not: until then nobody knows whether it differs.
 */
export async function tell(comparison: Comparison, found: readonly Look[], taker: Taker) {
  const persistent = inKeyOrder(comparison.plan, found)
  let counts = noCounts
  let inFlight = 0
  let unsettled = 0
  let start = 0
  for (;;) {
    // Rows that there is no room for need not be read to be counted.
    const wanted = comparison.plan.loose ? fetchKeys : Math.min(fetchKeys, taker.room())
    const asked = persistent.slice(start, start + wanted)
    if (asked.length === 0) break
    start += asked.length
    const fetched = await fetchBoth(comparison, asked)
    const differences: Difference[] = []
    for (const { before, now, rows } of fetched) {
      // A row that changed while we were fetching it is neither kept nor counted as what it no longer is.
      if (agrees(now)) inFlight += total(countLook(before))
      else if (!sameLook(before, now)) unsettled += total(countLook(before))
      else {
        const found = differencesOf(comparison.plan, now.key, rows)
        counts = addCounts(counts, countKinds(found))
        differences.push(...found)
      }
    }
    await taker.take(differences.slice(0, Math.max(0, taker.room())))
  }
  counts = addCounts(counts, countAll(persistent.slice(start)))
  return { counts, inFlight, unsettled }
}

/** How the rows of these keys differ now, compared as a run compares them. Cost: one read by key on each side, two where loose. */
export async function countNow(compared: Reading, keys: readonly Key[]): Promise<Counts> {
  const { sides, plan, signal } = compared
  const looks = (await lookAt(sides, plan, keys, signal)).filter((one) => !agrees(one))
  if (!plan.loose) return countAll(looks)
  let counts = noCounts
  for (let start = 0; start < looks.length; start += fetchKeys) {
    for (const { now, rows } of await fetchBoth(compared, looks.slice(start, start + fetchKeys)))
      counts = addCounts(counts, countKinds(differencesOf(plan, now.key, rows)))
  }
  return counts
}

/** Each key is read once, not at every comparison: there may be a hundred thousand. */
function inKeyOrder({ strategy }: PairPlan, looks: readonly Look[]): Look[] {
  const named = looks.map((one) => ({
    name: strategy === 'range' ? ordinalOf(one.key[0]!) : JSON.stringify(one.key),
    one,
  }))
  return named.sort(({ name: one }, { name: other }) => (one < other ? -1 : 1)).map(({ one }) => one)
}

/** Numbers sort several times faster than bigints, and compare with them exactly. */
function ordinalOf(text: string): number | bigint {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text)
}

interface FetchedRows {
  readonly source: readonly FetchedRow[]
  readonly target: readonly FetchedRow[]
}

async function fetchBoth({ sides, plan, signal }: Reading, looks: readonly Look[]) {
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

const countKinds = (differences: readonly Difference[]): Counts => {
  const counts = { ...noCounts }
  for (const { kind } of differences) counts[kind] += 1
  return counts
}

/** The differences of one key, with both rows by the source's column names. Pure. */
function differencesOf(plan: PairPlan, key: Key, { source, target }: FetchedRows): Difference[] {
  const hashes = (rows: readonly FetchedRow[]) => rows.map(({ hash }) => hash)
  const duplicated = plan.source.multiset === true || source.length > 1 || target.length > 1
  const pairs = [...plan.key, ...plan.columns]
  const valuesOf = (row: FetchedRow, side: 'source' | 'target') =>
    Object.fromEntries(pairs.map((pair) => [pair.source.name, row.values[pair[side].name] ?? null]))
  const hasCopy = (rows: readonly FetchedRow[], row: FetchedRow | undefined) =>
    row !== undefined && rows.filter(({ hash }) => hash === row.hash).length > 1

  const left = leftovers(hashes(source), hashes(target))
  return (plan.loose ? withoutAlike(plan, left, { source, target }) : left).map((one): Difference => {
    const ours = one.source === undefined ? undefined : source[one.source]
    const theirs = one.target === undefined ? undefined : target[one.target]
    return {
      kind: one.kind,
      key,
      ...(ours ? { source: valuesOf(ours, 'source') } : {}),
      ...(theirs ? { target: valuesOf(theirs, 'target') } : {}),
      fields: ours && theirs ? fieldsOf(plan, ours, theirs) : [],
      duplicated,
      copy: hasCopy(source, ours) || hasCopy(target, theirs),
    }
  })
}

/** The columns that differ, by the source's names. */
const fieldsOf = (plan: PairPlan, ours: FetchedRow, theirs: FetchedRow): string[] =>
  plan.columns
    .filter(
      (pair, place) =>
        ours.hashes[place] !== theirs.hashes[place] &&
        !(pair.loose && alike(pair, ours.values[pair.source.name] ?? null, theirs.values[pair.target.name] ?? null)),
    )
    .map((pair) => pair.source.name)

/**
 * Takes out the rows that are alike all the same. Where several rows share a key, as many of them as possible are paired,
 * because a tolerance lets one row be like two that are not like each other.
 */
function withoutAlike(plan: PairPlan, left: readonly Leftover[], { source, target }: FetchedRows): Leftover[] {
  const ours = left.flatMap((one) => one.source ?? [])
  const theirs = left.flatMap((one) => one.target ?? [])
  const partner = new Map<number, number>()
  const find = (one: number, tried: Set<number>): boolean =>
    theirs.some((other) => {
      if (tried.has(other) || fieldsOf(plan, source[one]!, target[other]!).length > 0) return false
      tried.add(other)
      const before = partner.get(other)
      if (before !== undefined && !find(before, tried)) return false
      partner.set(other, one)
      return true
    })
  for (const one of ours) find(one, new Set())
  const matched = new Set(partner.values())
  const alone = ours.filter((one) => !matched.has(one))
  const unmatched = theirs.filter((other) => !partner.has(other))
  const paired = Math.min(alone.length, unmatched.length)
  return [
    ...alone.slice(0, paired).map((one, at): Leftover => ({ kind: 'changed', source: one, target: unmatched[at]! })),
    ...alone.slice(paired).map((one): Leftover => ({ kind: 'missing', source: one })),
    ...unmatched.slice(paired).map((other): Leftover => ({ kind: 'extra', target: other })),
  ]
}
