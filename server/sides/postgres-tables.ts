import type { Postgres } from '../connect/postgres.ts'
import type { TableRef } from '../connect/table.ts'

/** Tables one database may have before `init` asks which of them are meant. */
export const tablesMax = 500

const listSql = `
select n.nspname as schema, c.relname as name
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition
  and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and has_table_privilege(c.oid, 'SELECT')
order by 1, 2 limit ${tablesMax + 1}`

/** Every ordinary table of a database that our login can read, without the system's own; sorted by name. */
export async function listTables(client: Postgres, signal?: AbortSignal): Promise<readonly TableRef[]> {
  const rows = await client.ask<{ schema: string; name: string }>(listSql, [], signal)
  return rows.map(({ schema, name }) => ({ connection: client.name, schema, table: name }))
}
