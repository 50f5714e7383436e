import type { Postgres } from '../connect/postgres.ts'
import { tableName, type TableRef } from '../connect/table-name.ts'
import { Fault } from '../fault.ts'
import type { Column, ColumnClass, Table } from './side.ts'

const classes: Readonly<Record<string, ColumnClass>> = {
  bool: 'boolean',
  int2: 'integer',
  int4: 'integer',
  int8: 'integer',
  numeric: 'numeric',
  float4: 'float',
  float8: 'float',
  text: 'text',
  varchar: 'text',
  bpchar: 'text',
  name: 'text',
  citext: 'text',
  bytea: 'bytes',
  uuid: 'uuid',
  date: 'date',
  timestamp: 'timestamp',
  timestamptz: 'timestamp',
  json: 'json',
  jsonb: 'json',
  bit: 'bits',
  varbit: 'bits',
  time: 'time',
  interval: 'interval',
  money: 'numeric',
}

/** The type below all domains. */
interface Base {
  readonly base: string
  /** What stands in brackets behind it, as the catalogs keep it; -1 when nothing does. */
  readonly modifier: number
  readonly enum: boolean
}

/** Digits after the point or the second, of a bit string; undefined where any number of them may come. */
function digitsOf({ base, modifier }: Base): number | undefined {
  if (base === 'numeric') return modifier < 0 ? undefined : Math.max(0, (((modifier - 4) & 0x7ff) ^ 1024) - 1024)
  if (base === 'bit') return modifier < 0 ? undefined : modifier
  if (base === 'time' || base === 'timestamp' || base === 'timestamptz') return modifier < 0 ? 6 : modifier
  return undefined
}

/** What `describeSql` answers. */
interface Described extends Omit<Table, 'engine' | 'ref' | 'columns' | 'uniqueKeys' | 'rowsEstimate'> {
  readonly columns: readonly (Omit<Column, 'class' | 'wide' | 'digits' | 'encoding'> &
    Base & { encoding: string | null })[]
  readonly keys: readonly (readonly string[])[]
  readonly rows: number
}

// Rows are estimated from the size of the files, because the counters are -1 before the first ANALYZE and old after it.
const rowsPerPage = 40
const rowsPerPageMax = 300
// A table of this size may not fit the memory of its server.
const largePages = 10_000
const scatteredBelow = 0.5

// What a default draws from is read from the catalog's dependencies: printing it would wait for locks on other tables.
const describeSql = `
with t as (
  select c.oid, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1::text and c.relname = $2::text and c.relkind in ('r', 'p', 'v', 'm', 'f')
), i as (
  select x.*, am.amname,
    (select array_agg(a.attname::text order by k.place) from unnest(x.indkey::int2[]) with ordinality as k(attnum, place)
       join pg_attribute a on a.attrelid = x.indrelid and a.attnum = k.attnum where k.place <= x.indnkeyatts) as names,
    (select bool_and(a.attnotnull) from unnest(x.indkey::int2[]) with ordinality as k(attnum, place)
       join pg_attribute a on a.attrelid = x.indrelid and a.attnum = k.attnum where k.place <= x.indnkeyatts) as full_rows
  from t join pg_index x on x.indrelid = t.oid join pg_class c on c.oid = x.indexrelid join pg_am am on am.oid = c.relam
  where x.indisvalid and x.indpred is null and x.indexprs is null
), files as (
  select c.reltuples, c.relpages, pg_relation_size(c.oid) / current_setting('block_size')::int as pages
  from t join pg_class c on c.relkind in ('r', 'm') and (c.oid = t.oid or c.oid in (
    with recursive below(oid) as (
      select inhrelid from pg_inherits where inhparent = t.oid
      union all select h.inhrelid from pg_inherits h join below on h.inhparent = below.oid
    ) select oid from below))
)
select json_build_object(
  'columns', (
    select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
      'cast', format_type(b.oid, -1), 'base', b.typname, 'modifier', b.modifier, 'enum', b.typtype = 'e',
      'encoding', nullif(nullif(getdatabaseencoding(), 'UTF8'), 'SQL_ASCII'), 'nullable', not a.attnotnull,
      'generated', a.attgenerated <> '', 'identity', a.attidentity <> '' or exists (
        select from pg_attrdef d
          join pg_depend p on p.classid = 'pg_attrdef'::regclass and p.objid = d.oid and p.refclassid = 'pg_class'::regclass
          join pg_class s on s.oid = p.refobjid and s.relkind = 'S'
        where d.adrelid = a.attrelid and d.adnum = a.attnum)) order by a.attnum)
    from pg_attribute a cross join lateral (
      with recursive below(oid, typname, typtype, typbasetype, typtypmod, modifier) as (
        select y.oid, y.typname, y.typtype, y.typbasetype, y.typtypmod, a.atttypmod from pg_type y where y.oid = a.atttypid
        union all select y.oid, y.typname, y.typtype, y.typbasetype, y.typtypmod, below.typtypmod
          from below join pg_type y on y.oid = below.typbasetype
      ) select oid, typname, typtype, modifier from below where typbasetype = 0) as b
    where a.attrelid = t.oid and a.attnum > 0 and not a.attisdropped),
  'keys', coalesce((select json_agg(names order by indisprimary desc, indexrelid) from i
    where indisunique and indimmediate and full_rows), '[]'),
  'ordered', coalesce((select json_agg(distinct names[1]) from i where amname = 'btree' and names[1] is not null), '[]'),
  'scattered', coalesce((select json_agg(attname) from pg_stats where schemaname = $1::text and tablename = $2::text
    and abs(correlation) < ${scatteredBelow} and (select sum(pages) from files) > ${largePages}), '[]'),
  'rows', coalesce((select sum(pages * case when reltuples >= 0 and relpages > 0
    then least(reltuples / relpages, ${rowsPerPageMax}) else ${rowsPerPage} end) from files), 0)::float8,
  'triggers', coalesce((select json_agg(tgname order by tgname) from pg_trigger
    where tgrelid = t.oid and not tgisinternal and tgenabled <> 'D'), '[]'),
  'cascades', coalesce((select json_agg(conrelid::regclass || ' by ' || conname order by conname) from pg_constraint
    where confrelid = t.oid and contype = 'f' and (confdeltype in ('c', 'n', 'd') or confupdtype in ('c', 'n', 'd'))), '[]'),
  'mayWrite', json_build_object(
    'insert', has_any_column_privilege(t.oid, 'INSERT') and not pg_is_in_recovery(),
    'update', has_any_column_privilege(t.oid, 'UPDATE') and not pg_is_in_recovery(),
    'delete', has_table_privilege(t.oid, 'DELETE') and not pg_is_in_recovery())
)::text as answer from t`

const tablesSql = `
select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^(pg_|information_schema$)'
order by c.relname = $1::text desc, lower(c.relname) = lower($1::text) desc, n.nspname = $2::text desc, 1 limit 21`

const namedMax = 20

/** One statement over the catalogs, some 5 ms. */
export async function describePostgres(client: Postgres, ref: TableRef, signal?: AbortSignal): Promise<Table> {
  const [row] = await client.ask<{ answer: string }>(describeSql, [ref.schema, ref.table], signal)
  if (!row) throw await missing(client, ref, signal)

  // Our own statement shaped it, key by key.
  const { columns, keys, rows, ...rest } = JSON.parse(row.answer) as Described
  return {
    engine: 'postgres',
    ref,
    uniqueKeys: keys,
    rowsEstimate: Math.round(rows),
    ...rest,
    columns: columns.map(({ base, modifier, enum: isEnum, encoding, ...column }) => ({
      ...column,
      ...(encoding ? { encoding } : {}),
      class: isEnum ? 'text' : (classes[base] ?? 'other'),
      wide: base === 'int8' || (base === 'numeric' && modifier < 0),
      digits: digitsOf({ base, modifier, enum: isEnum }),
    })),
  }
}

async function missing(client: Postgres, ref: TableRef, signal?: AbortSignal): Promise<Fault> {
  const rows = await client.ask<{ name: string }>(tablesSql, [ref.table, ref.schema], signal)
  const names = rows.slice(0, namedMax).map(({ name }) => name)
  const more = rows.length > namedMax ? ' and more' : ''
  return new Fault('thing_missing', `There is no table ${tableName(ref)}.`, {
    hint: names.length > 0 ? `${ref.connection} has ${names.join(', ')}${more}.` : `${ref.connection} has no tables.`,
  })
}
