/** One stream of changes from a CRM table, through an outbox table beside it, to a billing table. */
export interface Flow {
  readonly pipeline: string
  readonly source: string
  readonly outbox: string
  readonly target: string
  /** Source column to target column, in order. */
  readonly columns: Readonly<Record<string, string>>
  /** Target columns of its unique key; empty for a table that only grows and has none. */
  readonly key: readonly string[]
  /** Target columns that are written once: billing keeps them up itself from then on. */
  readonly insertOnly: readonly string[]
}

export type FlowName = 'customers' | 'orders' | 'payments' | 'contacts' | 'subscriptions'

const same = (...columns: readonly string[]) => Object.fromEntries(columns.map((column) => [column, column]))

export const flows: Readonly<Record<FlowName, Flow>> = {
  customers: {
    pipeline: 'customers',
    source: 'customers',
    outbox: 'customers_outbox',
    target: 'customers',
    columns: { ...same('id', 'name'), email: 'email_address', ...same('phone', 'country', 'city', 'updated_at') },
    key: ['id'],
    insertOnly: ['phone'],
  },
  orders: {
    pipeline: 'orders',
    source: 'orders',
    outbox: 'orders_outbox',
    target: 'invoices',
    columns: {
      id: 'order_id',
      ...same('customer_id', 'status', 'currency'),
      net: 'net_amount',
      tax: 'tax_amount',
      ...same('placed_at', 'updated_at'),
    },
    key: ['order_id'],
    insertOnly: [],
  },
  payments: {
    pipeline: 'payments',
    source: 'payments',
    outbox: 'payments_outbox',
    target: 'payment_events',
    columns: { id: 'payment_id', ...same('order_id', 'amount', 'method', 'updated_at') },
    key: [],
    insertOnly: [],
  },
  contacts: {
    pipeline: 'contacts',
    source: 'contacts',
    outbox: 'contacts_outbox',
    target: 'contacts',
    columns: {
      id: 'contact_id',
      customer_id: 'customer_id',
      name: 'full_name',
      ...same('email', 'role', 'updated_at'),
    },
    key: ['contact_id'],
    insertOnly: [],
  },
  subscriptions: {
    pipeline: 'subscriptions',
    source: 'subscriptions',
    outbox: 'subscriptions_outbox',
    target: 'subscriptions',
    columns: same('id', 'customer_id', 'plan', 'seats', 'renews_on', 'updated_at'),
    key: ['id'],
    insertOnly: [],
  },
}

export const flowNames = Object.keys(flows) as readonly FlowName[]

const list = (columns: readonly string[]) => columns.join(', ')

/** Writes JSON rows (`$1`, an array with target column names) into the target; an existing row is overwritten. */
export function putSql({ target, columns, key, insertOnly }: Flow): string {
  const written = Object.values(columns)
  const replaced = written.filter((column) => !key.includes(column) && !insertOnly.includes(column))
  const overwrite = `on conflict (${list(key)}) do update set ${list(replaced.map((name) => `${name} = excluded.${name}`))}`
  return `insert into ${target} (${list(written)})
    select ${list(written)} from jsonb_populate_recordset(null::${target}, $1::text::jsonb)
    ${key.length > 0 ? overwrite : ''}`
}

/** Deletes the rows whose keys are in the JSON rows of `$1`. */
export const deleteSql = ({ target, key }: Flow): string =>
  `delete from ${target} as row using jsonb_populate_recordset(null::${target}, $1::text::jsonb) as gone
    where ${key.map((column) => `row.${column} = gone.${column}`).join(' and ')}`

/** A row as the source has it, under the names the target knows. */
export const renamed = ({ columns }: Flow, row: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(columns).map(([from, to]) => [to, row[from] ?? null]))
