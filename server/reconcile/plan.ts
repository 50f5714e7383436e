import { Fault } from '../fault.ts'
import { tableName } from '../connect/table-name.ts'
import type { Column, ColumnClass, ComparedColumn, SidePlan, Table } from '../sides/side.ts'
import type { ColumnOptions } from './column-options.ts'

/** What of a pair decides how it is read. Names are the source's. */
export interface Matching {
  /** The source's own primary key when absent; without one, rows are compared as a multiset. */
  readonly key?: readonly string[] | undefined
  readonly map: Readonly<Record<string, string>>
  readonly include?: readonly string[] | undefined
  readonly exclude: readonly string[]
  readonly compare?: Readonly<Record<string, ColumnOptions>> | undefined
  readonly where: { readonly source?: string | undefined; readonly target?: string | undefined }
}

/** Two columns that hold the same thing, and the class both are compared by. */
export interface ColumnPair {
  readonly source: Column
  readonly target: Column
  readonly class: ColumnClass
  readonly options?: ColumnOptions | undefined
  /** Values that hash differently may be equal all the same: they are compared once fetched. */
  readonly loose?: boolean | undefined
}

export interface PairPlan {
  readonly key: readonly ColumnPair[]
  /** Beside the key, in the source's order. */
  readonly columns: readonly ColumnPair[]
  /** Some column is: every row that hashes differently has to be fetched before it counts. */
  readonly loose: boolean
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
  const key = (matching.key ?? source.uniqueKeys[0] ?? []).map((name) => columnOf(source, name))
  const multiset = key.length === 0
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
  const options = optionsOf(source, matching.compare ?? {}, key, wanted)
  const pairs = new Map<Column, ColumnPair>()
  const untold: ColumnPair[] = []
  for (const column of wanted) {
    const partner = partners.get(column)
    if (!partner) continue
    const pair = pairOf(column, partner, options.get(column))
    // Without a key nothing says which rows belong together, so that nothing can be compared but hashes.
    if (multiset && pair.class === 'json' && source.engine !== target.engine) untold.push(pair)
    else if (multiset && pair.options?.tolerance !== undefined) throw needsKey(source, column)
    else pairs.set(column, pair)
  }

  const keyPairs = key.map((column) => pairs.get(column) ?? keyMissing(column, source, target))
  const columns = wanted.flatMap((column) => (key.includes(column) ? [] : (pairs.get(column) ?? [])))
  if (multiset && columns.length === 0) {
    throw new Fault('usage', `${tableName(source.ref)} has no key and no column that can be compared.`, {
      hint: `Name the columns that tell its rows apart; it has ${listed(source)}.`,
    })
  }
  const loose = !multiset && columns.some((pair) => pair.loose)
  const strategy = keyPairs.length === 1 && keyPairs[0]!.class === 'integer' ? 'range' : 'hash'
  const notes = [
    ...(multiset ? [`${tableName(source.ref)} has no key: rows are told apart by all that is compared.`] : []),
    ...untold.map((pair) => `${pair.source.name}: not compared, because no two engines print documents alike.`),
    ...notesOf(source, target, wanted, [...keyPairs, ...columns, ...untold], matching),
  ]
  const sidePlan = (side: 'source' | 'target', table: Table): SidePlan => ({
    ref: table.ref,
    key: keyPairs.map((pair) => compared(pair, side, source.engine !== target.engine)),
    columns: columns.map((pair) => compared(pair, side, source.engine !== target.engine)),
    where: matching.where[side],
    ...indexed(
      table,
      keyPairs.map((pair) => pair[side].name),
    ),
    unique: isUnique(
      table,
      keyPairs.map((pair) => pair[side].name),
    ),
    ...(multiset ? { multiset } : {}),
    method,
  })
  const plans = { source: sidePlan('source', source), target: sidePlan('target', target) }
  // An index may come or go while a run is interrupted: it is read at another cost, with the same outcome.
  const told = columns.map((pair) => pair.options)
  const fingerprint = JSON.stringify([strategy, plans.source, plans.target, told], (name, value) =>
    name === 'ordered' || name === 'walked' ? undefined : value,
  )
  return { key: keyPairs, columns, loose, strategy, method, ...plans, notes, fingerprint }
}

const needsKey = (table: Table, { name }: Column) =>
  new Fault('usage', `${name} has a tolerance, and ${tableName(table.ref)} has no key.`, {
    hint: `Name the columns that tell its rows apart; it has ${listed(table)}.`,
  })

function pairOf(source: Column, target: Column, options: ColumnOptions | undefined): ColumnPair {
  const kind = classOf(source, target)
  const wrong = options && misfit(kind, options)
  if (wrong) {
    throw new Fault('usage', `compare.${source.name} has ${wrong}, and ${source.type} is compared ${manner[kind]}.`, {
      hint: 'tolerance and precision are for numbers and times; case, trim and emptyAsNull for texts.',
    })
  }
  const loose =
    kind === 'json' ||
    options?.tolerance !== undefined ||
    options?.case !== undefined ||
    (kind === 'float' && options?.precision !== undefined)
  return { source, target, class: kind, ...(options ? { options } : {}), ...(loose ? { loose } : {}) }
}

/** The option that means nothing for a class; undefined when all of them do. */
function misfit(kind: ColumnClass, { tolerance, precision, ...fold }: ColumnOptions): string | undefined {
  const isNumber = numbers.includes(kind)
  const isTime = kind === 'timestamp' || kind === 'time' || kind === 'date'
  if (typeof tolerance === 'number' && !isNumber) return 'a tolerance in numbers'
  if (typeof tolerance === 'object' && !isTime) return 'a tolerance in time'
  if (precision !== undefined && !isNumber && !isTime) return 'a precision'
  const named = Object.entries(fold).find(([, value]) => value !== undefined && value !== false)
  return named && kind !== 'text' ? named[0] : undefined
}

/** @throws Fault `usage` for a column of the key, or one that is not compared. */
function optionsOf(
  table: Table,
  compare: Readonly<Record<string, ColumnOptions>>,
  key: readonly Column[],
  wanted: readonly Column[],
): Map<Column, ColumnOptions> {
  return new Map(
    Object.entries(compare).map(([name, options]) => {
      const column = columnOf(table, name)
      const reason = key.includes(column)
        ? 'is in the key, which is compared as it is stored'
        : wanted.includes(column)
          ? undefined
          : 'is not compared'
      if (reason) throw new Fault('usage', `compare names ${name}, which ${reason}.`, { hint: 'Take it off compare.' })
      return [column, options]
    }),
  )
}

function indexed(table: Table, [name, ...more]: readonly string[]): Pick<SidePlan, 'ordered' | 'walked'> {
  const ordered = name !== undefined && more.length === 0 && table.ordered.includes(name)
  return { ordered, walked: ordered && !table.scattered.includes(name) }
}

const isUnique = (table: Table, names: readonly string[]) =>
  table.uniqueKeys.some((key) => key.every((name) => names.includes(name)))

const compared = (
  { source, target, class: kind, options = {} }: ColumnPair,
  side: 'source' | 'target',
  shared: boolean,
): ComparedColumn => {
  const { name, cast, digits, encoding } = side === 'source' ? source : target
  const even = source.digits !== undefined && source.digits === target.digits && (kind === 'numeric' || !shared)
  return {
    name,
    cast,
    class: kind,
    nullable: source.nullable || target.nullable,
    wide: source.wide || target.wide || source.class !== target.class,
    digits,
    ...(encoding ? { encoding } : {}),
    ...(encoding && !shared && source.encoding === target.encoding ? { alike: true } : {}),
    ...(even ? { even } : {}),
    ...(shared ? { shared } : {}),
    ...(options.precision === undefined || kind === 'integer' || kind === 'boolean'
      ? {}
      : { precision: options.precision }),
    ...(options.case || options.trim || options.emptyAsNull
      ? { fold: { case: options.case !== undefined, trim: options.trim, emptyAsNull: options.emptyAsNull } }
      : {}),
  }
}

const numbers: readonly ColumnClass[] = ['boolean', 'integer', 'numeric', 'float']

/** The widest of the two: what one cannot hold, the other may. */
function classOf(source: Column, target: Column): ColumnClass {
  const classes = [source.class, target.class]
  if (source.class === target.class) {
    return source.class === 'other' && source.cast !== target.cast ? 'text' : source.class
  }
  const are = (...some: readonly ColumnClass[]) => classes.every((kind) => some.includes(kind))
  if (are(...numbers)) return numbers.findLast((kind) => classes.includes(kind))!
  if (are('boolean', 'bits')) return 'bits'
  if (are('uuid', 'text') || are('uuid', 'bytes')) return 'uuid'
  if (are('text', 'bytes')) return 'bytes'
  if (are('date', 'timestamp')) return 'timestamp'
  if (are('time', 'interval')) return 'interval'
  return are('json', 'text') ? 'json' : 'text'
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
export function partnersOf(source: Table, target: Table, map: Readonly<Record<string, string>>): Map<Column, Column> {
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
    ...(source.notes ?? []),
    ...(target.notes ?? []),
  ]
}

function specially(pair: ColumnPair): string[] {
  const { source, target, options } = pair
  const names = source.name === target.name ? source.name : `${source.name} (${target.name})`
  return [
    ...converted(pair, names),
    ...(options ? [`${names}: ${Object.entries(options).map(inWords).join(', ')}.`] : []),
  ]
}

const inWords = ([name, value]: [string, unknown]): string => {
  switch (name) {
    case 'tolerance':
      return `differences up to ${typeof value === 'number' ? value : `${(value as { ms: number }).ms} ms`} do not count`
    case 'precision':
      return `only ${String(value)} digits after the point count`
    case 'case':
      return 'case does not count'
    case 'trim':
      return 'blanks around it do not count'
    default:
      return 'empty counts as NULL'
  }
}

function converted({ source, target, class: kind }: ColumnPair, names: string): string[] {
  if (source.class !== target.class || (kind === 'text' && source.class === 'other')) {
    return [`${names}: ${source.type} and ${target.type} are compared ${manner[kind]}.`]
  }
  if (kind === 'timestamp' && isZoned(source) !== isZoned(target)) {
    return [`${names}: ${source.type} and ${target.type} are compared in UTC.`]
  }
  return kind === 'other' ? [`${names}: ${source.type} is compared as printed text.`] : []
}

const isZoned = ({ cast }: Column) => /^timestamp(?: with time zone| touched)?$/.test(cast)

const manner: Readonly<Record<ColumnClass, string>> = {
  boolean: 'as truth values',
  integer: 'as numbers',
  numeric: 'as numbers',
  float: 'as floating-point numbers',
  text: 'as printed text',
  other: 'as printed text',
  bytes: 'byte by byte',
  bits: 'bit by bit',
  uuid: 'as identifiers, in any case',
  date: 'as dates',
  time: 'as times of day',
  timestamp: 'as moments',
  interval: 'as lengths of time',
  json: 'as documents',
}
