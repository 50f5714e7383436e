import { tableName } from '../connect/table-name.ts'
import { Fault } from '../fault.ts'
import type { Column, Table } from '../sides/side.ts'

/** The fault of a table whose columns are no longer what they were when the run was planned; undefined when they are. Pure. */
export function changedTable(planned: Table, now: Table): Fault | undefined {
  const before = new Map(planned.columns.map((column) => [column.name, column]))
  const after = new Map(now.columns.map((column) => [column.name, column]))
  const changes = [
    ...planned.columns.flatMap(({ name }) => (after.has(name) ? [] : [`${name} is gone`])),
    ...now.columns.flatMap(({ name }) => (before.has(name) ? [] : [`${name} is new`])),
    ...planned.columns.flatMap((column) => {
      const other = after.get(column.name)
      if (!other || alike(column, other)) return []
      return [
        `${column.name} is ${other.type}${other.type === column.type ? ' in another way' : ` and was ${column.type}`}`,
      ]
    }),
  ]
  if (changes.length === 0) return undefined
  const list = changes.length > namedMax ? [...changes.slice(0, namedMax), '…'] : changes
  return new Fault(
    'conflict',
    `The columns of ${tableName(planned.ref)} changed while it was compared: ${list.join(', ')}.`,
    {
      hint: 'Start a new run: it compares the tables as they are now.',
    },
  )
}

const namedMax = 10

const alike = (one: Column, other: Column) =>
  one.type === other.type &&
  one.cast === other.cast &&
  one.class === other.class &&
  one.nullable === other.nullable &&
  one.wide === other.wide &&
  one.generated === other.generated
