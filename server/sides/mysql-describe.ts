import type { Mysql } from '../connect/mysql.ts'
import { tableName, type TableRef } from '../connect/table-name.ts'
import { Fault } from '../fault.ts'
import { grantsOn } from './mysql-grants.ts'
import type { Column, ColumnClass, Table } from './side.ts'

const classes: Readonly<Record<string, ColumnClass>> = {
  tinyint: 'integer',
  smallint: 'integer',
  mediumint: 'integer',
  int: 'integer',
  bigint: 'integer',
  year: 'integer',
  decimal: 'numeric',
  float: 'float',
  double: 'float',
  char: 'text',
  varchar: 'text',
  tinytext: 'text',
  text: 'text',
  mediumtext: 'text',
  longtext: 'text',
  enum: 'text',
  set: 'text',
  binary: 'bytes',
  varbinary: 'bytes',
  tinyblob: 'bytes',
  blob: 'bytes',
  mediumblob: 'bytes',
  longblob: 'bytes',
  bit: 'bits',
  uuid: 'uuid',
  date: 'date',
  time: 'time',
  datetime: 'timestamp',
  timestamp: 'timestamp',
  json: 'json',
}

interface FoundTable {
  readonly schema_name: string
  readonly engine: string | null
  readonly rows_estimate: string | null
  readonly bytes: string | null
  readonly read_only: string
  readonly roles: string | null
  readonly version: string
}

interface FoundColumn {
  readonly name: string
  readonly type: string
  readonly base: string
  readonly nullable: string
  readonly extra: string
  readonly charset: string | null
  readonly collation: string | null
  readonly digits: string | null
  readonly letters: string | null
}

interface FoundIndex {
  readonly name: string
  readonly non_unique: string
  readonly column_name: string | null
  readonly sub_part: string | null
  readonly nullable: string | null
  readonly type: string
}

// Every answer is cast to text, because the two engines declare their catalogs differently.
const text = (expression: string, name: string) => `cast(${expression} as char) as ${name}`

const tableSql = `
select table_schema as schema_name, engine, ${text('table_rows', 'rows_estimate')}, ${text('data_length', 'bytes')},
  ${text('@@global.read_only', 'read_only')}, ${text('current_role()', 'roles')}, version() as version
from information_schema.tables where table_schema = ? and table_name = ?`

const columnsSql = `
select column_name as name, column_type as type, lower(data_type) as base, is_nullable as nullable, extra,
  character_set_name as charset, collation_name as collation, ${text('coalesce(numeric_scale, datetime_precision)', 'digits')},
  ${text('character_maximum_length', 'letters')}
from information_schema.columns where table_schema = ? and table_name = ? order by ordinal_position`

const indexesSql = `
select index_name as name, ${text('non_unique', 'non_unique')}, column_name, ${text('sub_part', 'sub_part')}, nullable, index_type as type
from information_schema.statistics where table_schema = ? and table_name = ?
order by index_name <> 'PRIMARY', index_name, seq_in_index`

const triggersSql = `
select trigger_name as name from information_schema.triggers
where event_object_schema = ? and event_object_table = ? order by trigger_name`

const cascadesSql = `
select concat(constraint_schema, '.', table_name, ' by ', constraint_name) as name
from information_schema.referential_constraints
where unique_constraint_schema = ? and referenced_table_name = ?
  and (delete_rule in ('CASCADE', 'SET NULL', 'SET DEFAULT') or update_rule in ('CASCADE', 'SET NULL', 'SET DEFAULT'))
order by 1`

const documentsSql = `
select check_clause as clause from information_schema.check_constraints
where constraint_schema = ? and table_name = ? and check_clause like 'json_valid(%'`

const tablesSql = `
select concat(table_schema, '.', table_name) as name from information_schema.tables
where table_schema not in ('information_schema', 'mysql', 'performance_schema', 'sys')
order by table_name = ? desc, lower(table_name) = lower(?) desc, table_schema = coalesce(database(), ?) desc, 1 limit 21`

const namedMax = 20
/** A table of this size may not fit the memory of its server. */
const largeBytes = 80_000_000

/**
 * Some six statements over the catalogs, a few milliseconds each.
 *
 * @throws Fault `usage` when a table of the default database and one of a database called `public` could be meant.
 */
export async function describeMysql(client: Mysql, ref: TableRef, signal?: AbortSignal): Promise<Table> {
  const table = await findTable(client, ref, signal)
  const names = [table.schema_name, ref.table]
  const ask = <R extends object>(sql: string) => client.ask<R>(sql, names, signal)
  const isMariadb = /mariadb/i.test(table.version)
  const columns = await ask<FoundColumn>(columnsSql)
  const indexes = indexesOf(await ask<FoundIndex>(indexesSql))
  const documents = isMariadb ? (await ask<{ clause: string }>(documentsSql)).map(({ clause }) => clause) : []
  const triggers = (await ask<{ name: string }>(triggersSql)).map(({ name }) => name)
  const cascades = (await ask<{ name: string }>(cascadesSql)).map(({ name }) => name)
  const grants = grantsOn(await grantLines(client, table, isMariadb, signal), table.schema_name, ref.table)
  const open = table.read_only === '0' || table.read_only === 'OFF'
  const transactional = table.engine === null || table.engine === 'InnoDB'

  const clustered = transactional ? indexes.find(({ unique }) => unique)?.columns[0]?.name : undefined
  const ordered = [...new Set(indexes.flatMap(({ walked, columns: [first] }) => (walked && first ? [first.name] : [])))]
  return {
    engine: 'mysql',
    ref: { ...ref, schema: table.schema_name },
    columns: columns.map((column) => columnOf(column, documents)),
    uniqueKeys: indexes.filter(({ unique }) => unique).map((index) => index.columns.map(({ name }) => name)),
    ordered,
    // Rows lie in the order of the clustered index; by any other each row is looked up there one by one.
    scattered: Number(table.bytes ?? 0) > largeBytes ? ordered.filter((name) => name !== clustered) : [],
    rowsEstimate: Number(table.rows_estimate ?? 0),
    // Nobody is shown the triggers of a table without that privilege, and an empty answer looks the same.
    triggers:
      grants.trigger || triggers.length > 0 ? triggers : ['whatever triggers it has, which the login is not shown'],
    cascades,
    mayWrite: { insert: open && grants.insert, update: open && grants.update, delete: open && grants.delete },
    ...(transactional
      ? {}
      : {
          notes: [
            `${tableName(ref)} is kept by ${table.engine}, which has no snapshots: what is written while it is read may show as a difference, and is read again.`,
          ],
        }),
  }
}

/** `public` stands for what was left out, which here means the database of the URL. */
async function findTable(client: Mysql, ref: TableRef, signal?: AbortSignal): Promise<FoundTable> {
  const look = async (schema: string) => (await client.ask<FoundTable>(tableSql, [schema, ref.table], signal))[0]
  const named = ref.schema === '' ? undefined : await look(ref.schema)
  if (ref.schema !== 'public' && named) return named
  const [{ own = null } = {}] = await client.ask<{ own: string | null }>('select database() as own', [], signal)
  const ours =
    own === null || own === ref.schema ? undefined : ['', 'public'].includes(ref.schema) ? await look(own) : undefined
  if (named && ours) {
    throw new Fault('usage', `${ref.connection} has a table ${ref.table} in both public and ${own}.`, {
      hint: `Write ${ref.connection}."${own}".${ref.table}, or give a URL that ends in the database meant.`,
    })
  }
  const found = named ?? ours
  if (found) return found
  const rows = await client.ask<{ name: string }>(tablesSql, [ref.table, ref.table, ref.schema], signal)
  const names = rows.slice(0, namedMax).map(({ name }) => name)
  const more = rows.length > namedMax ? ' and more' : ''
  const asked = ['', 'public'].includes(ref.schema) && own !== null ? { ...ref, schema: own } : ref
  throw new Fault('thing_missing', `There is no table ${tableName(asked)}.`, {
    hint:
      names.length > 0
        ? `${ref.connection} has ${names.join(', ')}${more}.`
        : `${ref.connection} has no tables that its login may see.`,
  })
}

async function grantLines(
  client: Mysql,
  { roles }: FoundTable,
  isMariadb: boolean,
  signal?: AbortSignal,
): Promise<readonly string[]> {
  // MariaDB adds the grants of roles by itself; MySQL wants them named, as it prints them.
  const using = !isMariadb && roles && roles !== 'NONE' ? ` for current_user() using ${roles}` : ''
  const rows = await client.ask<Record<string, string>>(`show grants${using}`, [], signal)
  return rows.flatMap((row) => Object.values(row))
}

const integers = new Set(['tinyint', 'smallint', 'mediumint', 'int', 'bigint'])

function columnOf(
  { name, type, base, nullable, extra, charset, collation, digits, letters }: FoundColumn,
  documents: readonly string[],
): Column {
  const isDocument = documents.some((clause) => clause === `json_valid(\`${name.replaceAll('`', '``')}\`)`)
  const unsigned = /\bunsigned\b/.test(type)
  // What a type needs beside its name to be read and written right.
  const words = [
    base,
    ...(unsigned ? ['unsigned'] : []),
    ...(/\bzerofill\b/.test(type) ? ['zerofill'] : []),
    ...(/on update current_timestamp/i.test(extra) ? ['touched'] : []),
    ...(collation?.endsWith('_ci') ? ['ci'] : []),
    ...(base === 'enum' || base === 'set' ? [type.slice(base.length)] : []),
  ]
  return {
    name,
    type: integers.has(base) && type !== 'tinyint(1)' ? type.replace(/\(\d+\)/, '') : type,
    class: isDocument ? 'json' : type === 'tinyint(1)' ? 'boolean' : (classes[base] ?? 'other'),
    nullable: nullable === 'YES',
    generated: /\b(virtual|stored|persistent) generated\b/i.test(extra),
    identity: /\bauto_increment\b/i.test(extra),
    cast: words.join(' '),
    wide: base === 'bigint' || (base === 'int' && unsigned),
    ...digitsOf(base, type, digits, letters),
    ...(charset !== null && !utf8.has(charset) ? { encoding: charset } : {}),
  }
}

const utf8 = new Set(['utf8', 'utf8mb3', 'utf8mb4', 'ascii'])
const bounded = new Set(['char', 'varchar', 'binary'])
const fixed = new Set(['decimal', 'time', 'datetime', 'timestamp'])

/** After the point or the second; the length of a bit string and of a bounded text. */
function digitsOf(base: string, type: string, digits: string | null, letters: string | null): { digits?: number } {
  if (fixed.has(base)) return { digits: Number(digits ?? 0) }
  if (base === 'bit') return { digits: Number(/\((\d+)\)/.exec(type)?.[1] ?? 1) }
  return bounded.has(base) && letters !== null ? { digits: Number(letters) } : {}
}

interface Index {
  readonly unique: boolean
  readonly walked: boolean
  readonly columns: readonly { readonly name: string }[]
}

function indexesOf(rows: readonly FoundIndex[]): readonly Index[] {
  const byName = new Map<string, FoundIndex[]>()
  for (const row of rows) byName.set(row.name, [...(byName.get(row.name) ?? []), row])
  return [...byName.values()].map((parts) => {
    const [first] = parts
    // A part that is an expression has no name.
    const named = parts.flatMap(({ column_name }) => (column_name === null ? [] : [{ name: column_name }]))
    const whole = named.length === parts.length
    return {
      unique: whole && first!.non_unique === '0' && parts.every(({ nullable }) => nullable !== 'YES'),
      walked: first!.column_name !== null && first!.type === 'BTREE' && first!.sub_part === null,
      columns: named,
    }
  })
}
