import type { Mysql } from '../connect/mysql.ts'
import type { Postgres } from '../connect/postgres.ts'
import type { TableRef } from '../connect/table-name.ts'
import { mysqlSide } from './mysql.ts'
import { listTables as listMysql } from './mysql-tables.ts'
import { postgresSide } from './postgres.ts'
import { listTables as listPostgres } from './postgres-tables.ts'
import type { Side } from './side.ts'

/** A client of any engine that can be compared. */
export type Client = Postgres | Mysql

/** The side of a client. A new engine is one line here. */
export const openSide = (client: Client): Side => (isMysql(client) ? mysqlSide(client) : postgresSide(client))

export const isMysql = (client: Client): client is Mysql => 'system' in client && client.system === 'mysql'

/** The tables of a database that its login can read, sorted by name: what `init` looks through. */
export const listTables = (client: Client, signal?: AbortSignal): Promise<readonly TableRef[]> =>
  isMysql(client) ? listMysql(client, signal) : listPostgres(client, signal)
