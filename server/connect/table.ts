import { z } from 'zod'
import type { TableRef } from './table-name.ts'

// Apart, so that comparing two tables from the command line does not wait for zod to load: a tenth of its time.
export { tableName, type TableRef } from './table-name.ts'

const part = /"(?:[^"]|"")+"|[^".\s]+/
const form = new RegExp(`^(${part.source})\\.(?:(${part.source})\\.)?(${part.source})$`)
const bare = (text: string) => (text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text)

const words = 'write connection.schema.table, such as crm.public.customers'

/** `connection.schema.table` (the schema is `public` when left out, which MySQL takes for the database of its URL); a part with a dot in it goes in double quotes. */
export const tableRef = z
  .string(words)
  .regex(form, words)
  .transform((text): TableRef => {
    const [, connection, schema, table] = form.exec(text)!
    return { connection: bare(connection!), schema: schema ? bare(schema) : 'public', table: bare(table!) }
  })
