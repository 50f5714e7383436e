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
  type Look,
} from './classify.ts'
import type { Comparison, Taker } from './compare.ts'
import type { PairPlan } from './plan.ts'
import type { Difference } from './records.ts'

const fetchKeys = 500

/** Counts what persists, and hands over whole rows while there is room for them. */
export async function tell(comparison: Comparison, found: readonly Look[], taker: Taker) {
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
