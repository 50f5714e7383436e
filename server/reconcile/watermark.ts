import { tableName } from '../connect/table-name.ts'
import { Fault } from '../fault.ts'
import type { Column, ComparedColumn, Side, Table } from '../sides/side.ts'
import { both } from './both.ts'
import type { OpenPlan } from './open-plan.ts'
import type { PairSpec } from './pair.ts'
import { partnersOf } from './plan.ts'
import type { Watermark } from './scope.ts'

interface Sides {
  readonly source: Side
  readonly target: Side
}

/** The column of a pair that tells what was written lately, on each side. */
export interface MarkColumns {
  readonly source: ComparedColumn
  readonly target: ComparedColumn
  /** How far before a watermark is looked again. */
  readonly back: { readonly ms: number } | { readonly count: number }
  /** Sides where no index is known to find its newest values; below a view there may be one. */
  readonly unindexed: readonly ('source' | 'target')[]
  /** What makes going by it slow or blind, a sentence each. */
  readonly notes: readonly string[]
}

/**
 * Finds the column of `incremental` on both sides. Undefined when the pair has none.
 *
 * @throws Fault `thing_missing` for a column that a table does not have, `usage` for one that cannot tell.
 */
export function markColumns(
  { id, incremental, target: { columns: map } }: PairSpec,
  { tables: { source, target } }: Pick<OpenPlan, 'tables'>,
): MarkColumns | undefined {
  if (!incremental) return undefined
  const ours = columnOf(source, incremental.column)
  const theirs = incremental.targetColumn
    ? columnOf(target, incremental.targetColumn)
    : (partnersOf(source, target, map).get(ours) ??
      refuse('thing_missing', `${tableName(target.ref)} has no column for ${ours.name} of ${tableName(source.ref)}.`, {
        hint: `Name the one that its writes move forward in incremental.targetColumn; it has ${listed(target)}.`,
      }))
  for (const [column, table] of [
    [ours, source],
    [theirs, target],
  ] as const) {
    if (column.class === 'timestamp' || column.class === 'integer') continue
    refuse(
      'usage',
      `${column.name} of ${tableName(table.ref)} is ${column.type}: it does not tell what was written lately.`,
      {
        hint: `Name a timestamp, or a whole number that grows over the whole table, in incremental of ${id}.`,
      },
    )
  }
  const { overlap } = incremental
  const counts = typeof overlap === 'object'
  const counted = [ours, theirs].some((column) => column.class === 'integer')
  if (counts !== counted || (counts && ours.class !== theirs.class)) {
    refuse(
      'usage',
      `The overlap of ${id} does not go with ${ours.name} (${ours.type}) and ${theirs.name} (${theirs.type}).`,
      {
        hint: 'Write a time such as 10m for timestamps, a count such as 1000 for whole numbers.',
      },
    )
  }
  return {
    source: compared(ours),
    target: compared(theirs),
    unindexed: [
      ...(source.ordered.includes(ours.name) ? [] : (['source'] as const)),
      ...(target.ordered.includes(theirs.name) ? [] : (['target'] as const)),
    ],
    back: typeof overlap === 'object' ? overlap : { ms: overlap },
    notes: [...notesOf(source, ours), ...notesOf(target, theirs)],
  }
}

function notesOf(table: Table, { name, nullable }: Column): string[] {
  const where = `${name} of ${tableName(table.ref)}`
  return [
    ...(table.ordered.includes(name) ? [] : [`${where} has no index: what was written lately costs a scan to find.`]),
    ...(nullable ? [`${where} may be NULL: rows without it are compared in every incremental run.`] : []),
  ]
}

/** How far the writes of each side have got. Taken before a run reads anything. */
export async function readWatermark(
  { source, target }: Sides,
  { plan }: Pick<OpenPlan, 'plan'>,
  columns: MarkColumns,
  signal: AbortSignal,
): Promise<Watermark> {
  const [ours, theirs] = await both(
    source.newest(plan.source, columns.source, signal),
    target.newest(plan.target, columns.target, signal),
  )
  return { source: columns.source.name, target: columns.target.name, newest: { source: ours, target: theirs } }
}

/** As late as any engine can tell, so that by an index next to nothing would be read. */
const latestMark = ({ class: kind, wide }: ComparedColumn) =>
  kind === 'timestamp' ? '2038-01-01 00:00:00.000000' : String(2n ** (wide ? 63n : 31n) - 1n)

/** Sides that would read their whole table to find what was written lately. A small statement for each without an index. */
export async function markScans(
  sides: Sides,
  { plan }: Pick<OpenPlan, 'plan'>,
  columns: MarkColumns,
  rowsMax: number,
  signal: AbortSignal,
): Promise<('source' | 'target')[]> {
  const scanning: ('source' | 'target')[] = []
  for (const side of columns.unindexed) {
    const column = columns[side]
    const { scans } = await sides[side].explainChanged(plan[side], column, latestMark(column), rowsMax, signal)
    if (scans) scanning.push(side)
  }
  return scanning
}

const compared = ({ name, cast, class: kind, nullable, wide }: Column): ComparedColumn => ({
  name,
  cast,
  class: kind,
  nullable,
  wide,
})

const listed = ({ columns }: Table) => columns.map(({ name }) => name).join(', ')

function columnOf(table: Table, name: string): Column {
  const alike = (one: Column) => one.name.toLowerCase() === name.toLowerCase()
  const column = table.columns.find((one) => one.name === name) ?? table.columns.find(alike)
  return (
    column ??
    refuse('thing_missing', `${tableName(table.ref)} has no column ${name}.`, { hint: `It has ${listed(table)}.` })
  )
}

function refuse(...fault: ConstructorParameters<typeof Fault>): never {
  throw new Fault(...fault)
}
