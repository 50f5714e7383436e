import type { Mysql } from '../connect/mysql.ts'
import type { TableRef } from '../connect/table-name.ts'
import { tablesMax } from './postgres-tables.ts'

/**
 * Every ordinary table that our login can see in the database of the URL, or in all that are not the system's own when the
 * URL names none; sorted by name. One more than may be, at most.
 */
export async function listTables(client: Mysql, signal?: AbortSignal): Promise<readonly TableRef[]> {
  const rows = await client.ask<{ schema_name: string; name: string }>(
    `select table_schema as schema_name, table_name as name from information_schema.tables
      where table_type = 'BASE TABLE' and table_schema = coalesce(database(), table_schema)
        and table_schema not in ('information_schema', 'mysql', 'performance_schema', 'sys')
      order by 1, 2 limit ${tablesMax + 1}`,
    [],
    signal,
  )
  return rows.map(({ schema_name: schema, name }) => ({ connection: client.name, schema, table: name }))
}
