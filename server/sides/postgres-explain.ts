import { changedSql } from './postgres-changed.ts'
import { digestSql } from './postgres-slice.ts'
import type { ComparedColumn, Cut, Explained, SidePlan, Slice } from './side.ts'

type Ask = (text: string, parameters: string[], signal?: AbortSignal) => Promise<Record<string, string | null>[]>

interface PlanNode {
  readonly 'Node Type': string
  readonly 'Parent Relationship'?: string
  readonly Schema?: string
  readonly 'Relation Name'?: string
  readonly 'Index Cond'?: string
  readonly 'Total Cost': number
  readonly 'Plan Rows': number
  readonly Plans?: readonly PlanNode[]
}

/** What the engine would do to read a slice, by its own EXPLAIN; nothing is executed. Two small statements. */
export const explainSlice = (ask: Ask, plan: SidePlan, slice: Slice, cut: Cut, signal?: AbortSignal) =>
  explainStatement(ask, plan, digestSql(plan, slice, cut), signal)

/** What it would do to find what was written lately, likewise. */
export const explainChanged = (
  ask: Ask,
  plan: SidePlan,
  column: ComparedColumn,
  since: string,
  rowsMax: number,
  signal?: AbortSignal,
) => explainStatement(ask, plan, changedSql(plan, column, since, rowsMax), signal)

async function explainStatement(ask: Ask, plan: SidePlan, statement: string, signal?: AbortSignal): Promise<Explained> {
  const [row] = await ask(`explain (verbose, format json) ${statement}`, [], signal)
  const answer = Object.values(row!)[0] as unknown
  const [{ Plan: top }] = (typeof answer === 'string' ? JSON.parse(answer) : answer) as [{ Plan: PlanNode }]
  const tables = await tablesOf(ask, plan, signal)
  const reads = readsOf(top, 1).filter(({ node }) => tables(node))
  return {
    statement,
    cost: top['Total Cost'],
    rows: Math.round(reads.reduce((sum, { node, times }) => sum + node['Plan Rows'] * times, 0)),
    scans: reads.some(({ node }) => readsAll(node)),
  }
}

/** Where the plan reads a table, and how often it would. */
function readsOf(node: PlanNode, times: number): { node: PlanNode; times: number }[] {
  const [outer] = node.Plans ?? []
  const below = (node.Plans ?? []).flatMap((one) => {
    const again = node['Node Type'] === 'Nested Loop' && one['Parent Relationship'] === 'Inner'
    return readsOf(one, again ? times * Math.max(1, outer!['Plan Rows']) : times)
  })
  return node['Relation Name'] === undefined ? below : [{ node, times }, ...below]
}

/** A walk through a whole index is a scan too. */
const readsAll = (node: PlanNode) =>
  node['Node Type'] === 'Seq Scan' || (/^Index (Only )?Scan$/.test(node['Node Type']) && !node['Index Cond'])

// Of a view we do not know what is below: then every table that is read counts.
const tablesSql = `with recursive own(oid, relkind) as (
    select c.oid, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1::text and c.relname = $2::text
    union all select h.inhrelid, 'r' from pg_inherits h join own on h.inhparent = own.oid
  ) select n.nspname as schema, c.relname as table, own.relkind::text as kind
    from own join pg_class c on c.oid = own.oid join pg_namespace n on n.oid = c.relnamespace`

async function tablesOf(ask: Ask, { ref }: SidePlan, signal?: AbortSignal): Promise<(node: PlanNode) => boolean> {
  const rows = await ask(tablesSql, [ref.schema, ref.table], signal)
  if (rows.some(({ kind }) => kind === 'v')) return () => true
  const names = new Set(rows.map(({ schema, table }) => JSON.stringify([schema, table])))
  return (node) => names.has(JSON.stringify([node.Schema, node['Relation Name']]))
}

const likelySql = `select min(v.value::numeric)::text as first, max(v.value::numeric)::text as last
  from (select * from pg_stats where schemaname = $1::text and tablename = $2::text and attname = $3::text
    order by inherited desc limit 1) as s
  cross join lateral unnest(coalesce(s.histogram_bounds::text::text[], '{}')
    || coalesce(s.most_common_vals::text::text[], '{}')) as v(value)`

/** Where the keys begin and end by the engine's statistics; undefined when it has none. No row of the table is read. */
export async function likelyBounds(
  ask: Ask,
  { ref, key: [column] }: SidePlan,
  signal?: AbortSignal,
): Promise<{ from: bigint; to: bigint } | undefined> {
  const [row] = await ask(likelySql, [ref.schema, ref.table, column!.name], signal)
  const { first, last } = row!
  return first == null || last == null ? undefined : { from: BigInt(first), to: BigInt(last) }
}
