import { canonical, quoted } from './mysql-hash.ts'
import { literal } from './mysql-literal.ts'
import { printed, rowsOf } from './mysql-slice.ts'
import type { ComparedColumn, SidePlan } from './side.ts'

type Mark = Pick<ComparedColumn, 'name' | 'cast' | 'class' | 'nullable'>

// A row that leaves the condition of a plan was written too, and stands on the other side still.
const allRows = (plan: SidePlan) => rowsOf({ ...plan, where: undefined })

/**
 * The newest value of a column; of a time at most the server's own: one row of the year 9999 would hide all later writes.
 */
export function newestSql(plan: SidePlan, column: Mark): string {
  const value = `t.${quoted(column.name)}`
  if (column.class === 'integer') return `select ${printed(`max(${value}) + 0`)} as newest from ${allRows(plan)}`
  // The zero date is before the year 1, and means that nobody knows.
  return `select date_format(least(max(${value}), utc_timestamp(6)), '%Y-%m-%d %H:%i:%s.%f') as newest
    from ${allRows(plan)} where ${value} >= '0001-01-01 00:00:00'`
}

/** Keys of rows at or past a value of the column, and of rows without one: nobody knows when those were written. */
export function changedSql(plan: SidePlan, column: Mark, since: string | null, rowsMax: number): string {
  const value = `t.${quoted(column.name)}`
  const keys = plan.key.map((one, place) => `${printed(canonical(one, 't'))} as k${place}`).join(', ')
  const named = plan.key.filter(({ nullable }) => nullable).map(({ name }) => ` and t.${quoted(name)} is not null`)
  const isTime = column.class !== 'integer'
  const late = since === null ? 'true' : `${value} >= ${isTime ? literal(since) : String(BigInt(since))}`
  const unknown =
    since === null
      ? ''
      : `${column.nullable ? ` or ${value} is null` : ''}${isTime ? ` or ${value} < '0001-01-01 00:00:00'` : ''}`
  return `select ${keys} from ${allRows(plan)} where (${late}${unknown})${named.join('')} limit ${rowsMax}`
}
