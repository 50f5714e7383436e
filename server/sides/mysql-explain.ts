import type { Mysql } from '../connect/mysql.ts'
import { changedSql } from './mysql-changed.ts'
import { digestSql } from './mysql-slice.ts'
import type { ComparedColumn, Cut, Explained, SidePlan, Slice } from './side.ts'

/** Where the plan reads a table. MySQL and MariaDB call the rows differently. */
interface TableNode {
  readonly table_name: string
  readonly access_type: string
  readonly rows?: number
  readonly rows_examined_per_scan?: number
}

/** A read of the whole table, or a walk through a whole index of it. */
const whole: readonly string[] = ['ALL', 'index']

/** What the engine would do to read a slice, by its own EXPLAIN; nothing is executed. One small statement. */
export const explainSlice = (client: Mysql, plan: SidePlan, slice: Slice, cut: Cut, signal?: AbortSignal) =>
  explainStatement(client, plan, digestSql(plan, slice, cut)[0]!, signal)

/** What it would do to find what was written lately, likewise. */
export const explainChanged = (
  client: Mysql,
  plan: SidePlan,
  column: ComparedColumn,
  since: string,
  rowsMax: number,
  signal?: AbortSignal,
) => explainStatement(client, plan, changedSql(plan, column, since, rowsMax), signal)

async function explainStatement(
  client: Mysql,
  plan: SidePlan,
  statement: string,
  signal?: AbortSignal,
): Promise<Explained> {
  const [row] = await client.ask<Record<string, string>>(`explain format=json ${statement}`, [], signal)
  const answer: unknown = JSON.parse(Object.values(row!)[0]!)
  const tables = nodesOf(answer).filter(({ table_name: name }) => !name.startsWith('<'))
  const own = tables.filter(({ table_name: name }) => name === 't' || name === plan.ref.table)
  // Of a view we do not know what is below: then every table that is read counts.
  const reads = own.length > 0 ? own : tables
  return {
    statement,
    cost: costOf(answer),
    rows: reads.reduce((sum, { rows, rows_examined_per_scan: examined }) => sum + (rows ?? examined ?? 0), 0),
    scans: reads.some(({ access_type: how }) => whole.includes(how)),
  }
}

function nodesOf(node: unknown): TableNode[] {
  if (typeof node !== 'object' || node === null) return []
  const below = Object.values(node).flatMap(nodesOf)
  return 'table_name' in node && 'access_type' in node ? [node as TableNode, ...below] : below
}

function costOf(answer: unknown): number | null {
  const block = (answer as { query_block?: { cost?: number; cost_info?: { query_cost?: string } } }).query_block
  const cost = block?.cost_info?.query_cost ?? block?.cost
  return cost === undefined ? null : Number(cost)
}

const likelySql = `select cast(t.auto_increment - 1 as char) as last
  from information_schema.tables as t join information_schema.columns as c
    on c.table_schema = t.table_schema and c.table_name = t.table_name and c.extra like '%auto_increment%'
  where t.table_schema = ? and t.table_name = ? and c.column_name = ? and t.auto_increment > 1`

/** Where the keys begin and end by what the engine gives out next; undefined for other keys. No row of the table is read. */
export async function likelyBounds(
  client: Mysql,
  { ref, key: [column] }: SidePlan,
  signal?: AbortSignal,
): Promise<{ from: bigint; to: bigint } | undefined> {
  const [row] = await client.ask<{ last: string | null }>(likelySql, [ref.schema, ref.table, column!.name], signal)
  return row?.last == null ? undefined : { from: 1n, to: BigInt(row.last) }
}
