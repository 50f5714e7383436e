/** A table of a connection named in the config. */
export interface TableRef {
  readonly connection: string
  readonly schema: string
  readonly table: string
}

export const tableName = ({ connection, schema, table }: TableRef): string => `${connection}.${schema}.${table}`
