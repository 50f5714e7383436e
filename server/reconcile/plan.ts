import { Fault } from '../fault.ts'
import { tableName } from '../connect/table-name.ts'
import type { Column, ColumnClass, ComparedColumn, SidePlan, Table } from '../sides/side.ts'

/** What of a pair decides how it is read. Names are the source's. */
export interface Matching {
  /** The source's own primary key when absent. */
  readonly key?: readonly string[] | undefined
  readonly map: Readonly<Record<string, string>>
  readonly include?: readonly string[] | undefined
  readonly exclude: readonly string[]
  readonly where: { readonly source?: string | undefined; readonly target?: string | undefined }
}

/** Two columns that hold the same thing, and the class both are compared by. */
export interface ColumnPair {
  readonly source: Column
  readonly target: Column
  readonly class: ColumnClass
}

export interface PairPlan {
  readonly key: readonly ColumnPair[]
  /** Beside the key, in the source's order. */
  readonly columns: readonly ColumnPair[]
  readonly strategy: 'range' | 'hash'
  readonly method: SidePlan['method']
  readonly source: SidePlan
  readonly target: SidePlan
  /** What is left out or compared in a special way, a sentence each. */
  readonly notes: readonly string[]
  /** Equal texts mean that a run may be resumed with this plan. */
  readonly fingerprint: string
}

/**
 * Decides which columns are compared, and how. Pure.
 *
 * Comparison is exact as stored: types are widened to what holds both, never narrowed. A column without a partner is left
 * out by name in `notes`.
 *
 * @throws Fault `thing_missing` for a name that no column has, listing those there are; `usage` when nothing is left.
 */
export function planPair(source: Table, target: Table, matching: Matching, method: SidePlan['method']): PairPlan {
  const key = (matching.key ?? ownKey(source)).map((name) => columnOf(source, name))
  const include = matching.include?.map((name) => columnOf(source, name))
  const exclude = new Set(matching.exclude.map((name) => columnOf(source, name)))
  const excludedKey = key.find((column) => exclude.has(column))
  if (excludedKey) {
    throw new Fault('usage', `${excludedKey.name} is in the key of ${tableName(source.ref)} and cannot be excluded.`, {
      hint: 'Take it off exclude, or name another key.',
    })
  }

  const partners = partnersOf(source, target, matching.map)
  const wanted = source.columns.filter(
    (column) => key.includes(column) || ((include?.includes(column) ?? true) && !exclude.has(column)),
  )
  const pairs = new Map<Column, ColumnPair>()
  for (const column of wanted) {
    const partner = partners.get(column)
    if (partner) pairs.set(column, { source: column, target: partner, class: classOf(column, partner) })
  }

  const keyPairs = key.map((column) => pairs.get(column) ?? keyMissing(column, source, target))
  const columns = wanted.flatMap((column) => (key.includes(column) ? [] : (pairs.get(column) ?? [])))
  const strategy = keyPairs.length === 1 && keyPairs[0]!.class === 'integer' ? 'range' : 'hash'
  const notes = notesOf(source, target, wanted, [...keyPairs, ...columns], matching)
  const sidePlan = (side: 'source' | 'target', table: Table): SidePlan => ({
    ref: table.ref,
    key: keyPairs.map((pair) => compared(pair, side)),
    columns: columns.map((pair) => compared(pair, side)),
    where: matching.where[side],
    ...indexed(
      table,
      keyPairs.map((pair) => pair[side].name),
    ),
    unique: isUnique(
      table,
      keyPairs.map((pair) => pair[side].name),
    ),
    method,
  })
  const plans = { source: sidePlan('source', source), target: sidePlan('target', target) }
  // An index may come or go while a run is interrupted: it is read at another cost, with the same outcome.
  const fingerprint = JSON.stringify([strategy, plans.source, plans.target], (name, value) =>
    name === 'ordered' || name === 'walked' ? undefined : value,
  )
  return { key: keyPairs, columns, strategy, method, ...plans, notes, fingerprint }
}

function ownKey(table: Table): readonly string[] {
  const [key] = table.uniqueKeys
  if (key) return key
  throw new Fault('usage', `${tableName(table.ref)} has no primary key.`, {
    hint: `Name the columns that tell its rows apart; it has ${listed(table)}.`,
  })
}

function indexed(table: Table, [name, ...more]: readonly string[]): Pick<SidePlan, 'ordered' | 'walked'> {
  const ordered = name !== undefined && more.length === 0 && table.ordered.includes(name)
  return { ordered, walked: ordered && !table.scattered.includes(name) }
}

const isUnique = (table: Table, names: readonly string[]) =>
  table.uniqueKeys.some((key) => key.every((name) => names.includes(name)))

const compared = (pair: ColumnPair, side: 'source' | 'target'): ComparedColumn => ({
  name: pair[side].name,
  cast: pair[side].cast,
  class: pair.class,
  nullable: pair.source.nullable || pair.target.nullable,
  wide: pair.source.wide || pair.target.wide || pair.source.class !== pair.target.class,
})

function classOf(
  { class: source, cast: sourceCast }: Column,
  { class: target, cast: targetCast }: Column,
): ColumnClass {
  if (source === target) return source === 'other' && sourceCast !== targetCast ? 'text' : source
  const both = new Set([source, target])
  return both.has('integer') && both.has('numeric') ? 'numeric' : 'text'
}

const listed = (table: Table) => table.columns.map(({ name }) => name).join(', ')

function columnOf(table: Table, name: string): Column {
  const column =
    table.columns.find((one) => one.name === name) ??
    table.columns.find((one) => one.name.toLowerCase() === name.toLowerCase())
  if (column) return column
  throw new Fault('thing_missing', `${tableName(table.ref)} has no column ${name}.`, {
    hint: `It has ${listed(table)}.`,
  })
}

function keyMissing(column: Column, source: Table, target: Table): never {
  throw new Fault(
    'thing_missing',
    `${tableName(target.ref)} has no column for the key ${column.name} of ${tableName(source.ref)}.`,
    { hint: `Name it in target.columns (or --columns ${column.name}=…); it has ${listed(target)}.` },
  )
}

const plain = (name: string) => name.toLowerCase().replaceAll('_', '')

/** Pairs columns by the map, then by the same name, then in any case, then as camelCase and snake_case of each other. */
function partnersOf(source: Table, target: Table, map: Readonly<Record<string, string>>): Map<Column, Column> {
  const partners = new Map<Column, Column>()
  const taken = new Set<Column>()
  const pair = (column: Column, partner: Column) => {
    partners.set(column, partner)
    taken.add(partner)
  }
  for (const [name, partner] of Object.entries(map)) pair(columnOf(source, name), columnOf(target, partner))

  for (const form of [(name: string) => name, (name: string) => name.toLowerCase(), plain]) {
    for (const column of source.columns) {
      if (partners.has(column)) continue
      const candidates = target.columns.filter((one) => !taken.has(one) && form(one.name) === form(column.name))
      // Two that could be meant are a guess: the map has to say.
      if (candidates.length === 1) pair(column, candidates[0]!)
    }
  }
  return partners
}

function notesOf(
  source: Table,
  target: Table,
  wanted: readonly Column[],
  pairs: readonly ColumnPair[],
  { where }: Matching,
): string[] {
  const sources = new Set(pairs.map((pair) => pair.source))
  const targets = new Set(pairs.map((pair) => pair.target))
  const alone = wanted.filter((column) => !sources.has(column)).map(({ name }) => name)
  const asked = new Set(wanted)
  const unasked = source.columns.filter((column) => !asked.has(column)).map(({ name }) => name)
  const others = target.columns.filter((column) => !targets.has(column)).map(({ name }) => name)
  return [
    ...(alone.length > 0 ? [`Not compared, because the target has no such column: ${alone.join(', ')}.`] : []),
    ...(unasked.length > 0 ? [`Not compared, because the pair leaves them out: ${unasked.join(', ')}.`] : []),
    ...(others.length > 0 ? [`Columns of the target that nothing is compared with: ${others.join(', ')}.`] : []),
    ...pairs.flatMap(specially),
    ...(where.source ? [`Only source rows where ${where.source}.`] : []),
    ...(where.target ? [`Only target rows where ${where.target}.`] : []),
  ]
}

function specially({ source, target, class: kind }: ColumnPair): string[] {
  const names = source.name === target.name ? source.name : `${source.name} (${target.name})`
  if (source.class !== target.class || (kind === 'text' && source.class === 'other')) {
    const how = kind === 'text' ? 'as printed text' : 'as numbers'
    return [`${names}: ${source.type} and ${target.type} are compared ${how}.`]
  }
  if (kind === 'timestamp' && source.cast !== target.cast) {
    return [`${names}: ${source.type} and ${target.type} are compared in UTC.`]
  }
  return kind === 'other' ? [`${names}: ${source.type} is compared as printed text.`] : []
}
