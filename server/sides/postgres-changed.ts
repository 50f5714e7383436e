import { canonical, quoted } from './postgres-hash.ts'
import { rowsOf } from './postgres-slice.ts'
import type { ComparedColumn, SidePlan } from './side.ts'

type Mark = Pick<ComparedColumn, 'name' | 'cast' | 'class' | 'nullable'>

const zoned = ({ cast }: Mark) => (cast === 'timestamp with time zone' ? ` at time zone interval '0'` : '')

const int8Min = -(2n ** 63n)
const clamped = (since: string | null) => (since !== null && BigInt(since) > int8Min ? since : int8Min)

// A row that leaves the condition of a plan was written too, and stands on the other side still.
const allRows = (plan: SidePlan) => rowsOf({ ...plan, where: undefined })

/**
 * The newest value of a column; of a time at most the server's own: one row of the year 9999 would hide all later writes.
 */
export function newestSql(plan: SidePlan, column: Mark): string {
  const value = `t.${quoted(column.name)}`
  if (column.class === 'integer') return `select max(${value})::text as newest from ${allRows(plan)}`
  return `select case when newest >= '0001-01-01' then
      to_char(least(newest, clock_timestamp() at time zone interval '0'), 'YYYY-MM-DD HH24:MI:SS.US') end as newest
    from (select max(${value})${zoned(column)} as newest from ${allRows(plan)} where ${value} < 'infinity') as m`
}

/** Keys of rows at or past a value of the column, and of rows without one: nobody knows when those were written. */
export function changedSql(plan: SidePlan, column: Mark, since: string | null, rowsMax: number): string {
  const value = `t.${quoted(column.name)}`
  const keys = plan.key.map((one, place) => `${canonical(one, 't')} as k${place}`).join(', ')
  const named = plan.key.filter(({ nullable }) => nullable).map(({ name }) => ` and t.${quoted(name)} is not null`)
  const from = column.class === 'integer' ? `'${clamped(since)}'::int8` : `'${since}'::timestamp${zoned(column)}`
  const late = since === null ? 'true' : `${value} >= ${from}`
  const unknown = column.nullable && since !== null ? ` or ${value} is null` : ''
  return `select ${keys} from ${allRows(plan)} where (${late}${unknown})${named.join('')} limit ${rowsMax}`
}
