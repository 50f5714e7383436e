import type { Postgres } from '../server/connect/postgres.ts'
import { tableName, type TableRef } from '../server/connect/table.ts'
import { Fault } from '../server/fault.ts'
import type { ProbeContext } from './probe.ts'

export type ColumnKind = 'time' | 'integer' | 'boolean' | 'text' | 'other'

export interface ColumnFacts {
  readonly name: string
  /** As Postgres prints it, for people. */
  readonly type: string
  readonly kind: ColumnKind
  /** Without one, a timestamp is read as UTC. */
  readonly zoned: boolean
  /** Digits a timestamp keeps of a second: a copy with fewer stands behind its source for ever unless that is known. */
  readonly digits: number
}

/** A table as its catalog describes it. Reading it needs no privilege on the table. */
export interface TableFacts {
  readonly columns: ReadonlyMap<string, ColumnFacts>
  /** Rows inserted and updated since the statistics began, partitions included; absent on a standby, which has none. */
  readonly written?: bigint
  readonly inserted?: bigint
}

/** A connection, a table on it, and the deadline they share. */
export interface Place {
  readonly db: Postgres
  readonly ref: TableRef
  readonly context: ProbeContext
}

export const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`

export const fromTable = ({ schema, table }: TableRef): string => `${identifier(schema)}.${identifier(table)}`

const kinds: Readonly<Record<string, ColumnKind>> = {
  timestamptz: 'time',
  timestamp: 'time',
  date: 'time',
  int2: 'integer',
  int4: 'integer',
  int8: 'integer',
  bool: 'boolean',
  text: 'text',
  varchar: 'text',
  bpchar: 'text',
}

const namesShownMax = 20

interface CatalogRow {
  readonly found: boolean
  readonly standby: boolean
  readonly inserted: string | null
  readonly written: string | null
  readonly columns: readonly { name: string; type: string; base: string; typmod: number }[]
}

const catalogSql = `
with named as (
  select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1::text and c.relname = $2::text and c.relkind in ('r', 'p', 'v', 'm', 'f')
), parts as (
  select oid as relid from named
  union select t.relid::oid from named, pg_catalog.pg_partition_tree(named.oid::regclass) t
)
select exists (select 1 from named) as found, pg_catalog.pg_is_in_recovery() as standby,
  (select sum(n_tup_ins)::text from pg_catalog.pg_stat_all_tables s join parts on parts.relid = s.relid) as inserted,
  (select sum(n_tup_ins + n_tup_upd)::text
     from pg_catalog.pg_stat_all_tables s join parts on parts.relid = s.relid) as written,
  (select coalesce(json_agg(json_build_object(
      'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
      'base', b.typname, 'typmod', a.atttypmod) order by a.attnum), '[]')
     from named join pg_catalog.pg_attribute a on a.attrelid = named.oid and a.attnum > 0 and not a.attisdropped
     join pg_catalog.pg_type t on t.oid = a.atttypid
     join pg_catalog.pg_type b on b.oid = case when t.typbasetype = 0 then t.oid else t.typbasetype end
  ) as columns`

/**
 * Looks a table up in the catalog: the named columns, and what the statistics have counted. One statement.
 * @throws Fault `thing_missing` naming the table or the column, and what there is instead.
 */
export async function describeTable({ db, ref, context }: Place, columns: readonly string[]): Promise<TableFacts> {
  const [row] = await db.ask<CatalogRow>(catalogSql, [ref.schema, ref.table], context.signal)
  if (!row?.found) {
    throw new Fault('thing_missing', `There is no table ${tableName(ref)}.`, {
      hint: 'Check the spelling of connection, schema and table in the config; names are case-sensitive.',
    })
  }
  const known = new Map<string, ColumnFacts>(
    row.columns.map(({ name, type, base, typmod }) => [
      name,
      { name, type, kind: kinds[base] ?? 'other', zoned: base === 'timestamptz', digits: digitsOf(base, typmod) },
    ]),
  )
  for (const column of columns) if (!known.has(column)) throw missingColumn(ref, column, [...known.keys()])
  const counted = !row.standby && row.written !== null && row.inserted !== null
  return {
    columns: new Map(columns.map((column) => [column, known.get(column)!])),
    ...(counted && { written: BigInt(row.written), inserted: BigInt(row.inserted) }),
  }
}

const digitsOf = (base: string, typmod: number) => (base.startsWith('timestamp') && typmod >= 0 ? typmod : 6)

const missingColumn = (ref: TableRef, column: string, known: readonly string[]) =>
  new Fault('thing_missing', `${tableName(ref)} has no column "${column}".`, {
    hint: `It has ${known.slice(0, namesShownMax).join(', ')}${known.length > namesShownMax ? ' and more' : ''}.`,
  })

/** @throws Fault `bad_request` when the column is of another kind than the probe can read. */
export function requireKind(ref: TableRef, column: ColumnFacts, ...wanted: readonly ColumnKind[]): void {
  if (wanted.includes(column.kind)) return
  throw new Fault('bad_request', `${tableName(ref)}.${column.name} is of type ${column.type}.`, {
    hint: `This probe reads columns that hold ${wanted.map((kind) => kindWords[kind]).join(' or ')}.`,
  })
}

const kindWords: Readonly<Record<ColumnKind, string>> = {
  time: 'a timestamp or date',
  integer: 'an integer',
  boolean: 'a boolean',
  text: 'text',
  other: 'anything',
}

/** Microseconds since 1970 of an expression that holds a time, exactly, as text. */
export const microseconds = (expression: string): string =>
  `trunc(extract(epoch from ${expression}) * 1000000)::int8::text`

/** A time of the column's own type, from exact microseconds since 1970: an index on the column still serves. */
export const timeAt = ({ zoned }: ColumnFacts, micros: bigint): string =>
  `(${zoned ? 'timestamptz' : 'timestamp'} 'epoch' + '${micros}'::int8 * interval '1 microsecond')`
