import type { Sql } from 'postgres'
import type { Flaw } from './flaw.ts'
import { flows } from './flow.ts'
import type { FlowName } from './flow.ts'
import { city, contactId, phone, roles, uuid } from './people.ts'
import type { Random } from './random.ts'
import { currencies, newContact, newCustomer, newOrder, newPayment } from './seed.ts'

/** How many changes a second people make. */
export const ratesPerSecond = {
  customers: 1.5,
  orders: 3,
  payments: 1.5,
  contacts: 2,
  subscriptions: 1,
  prices: 0.3,
} as const
export type ChangeName = keyof typeof ratesPerSecond

const misspeltMax = 40
const recentOrders = 200

export interface Moment {
  readonly crm: Sql
  readonly billing: Sql
  readonly random: Random
  readonly at: Date
  readonly flaws: ReadonlySet<Flaw>
  /** How many changes of this kind there have been: joining and leaving alternate, so that tables keep their size. */
  readonly turn: number
}

/**
 * Runs one statement that changes rows and, in the same statement, writes the events of it to the outbox: the pattern
 * of an application that never loses an event. `$1` is the time, `$2` and on are the values.
 */
async function emit(
  crm: Sql,
  name: FlowName,
  statement: string,
  at: Date,
  values: readonly (string | number | null)[],
) {
  const action = statement.startsWith('delete') ? 'delete' : 'put'
  const text = `with changed as (${statement} returning *)
    insert into ${flows[name].outbox} (action, payload, created_at, next_at)
    select '${action}', to_jsonb(changed), $1::timestamptz, $1::timestamptz from changed`
  await crm.unsafe(text, [at.toISOString(), ...values])
}

const insert = (name: FlowName, columns: string) =>
  `insert into ${name} (${columns}, updated_at)
    select ${columns}, $1::timestamptz from jsonb_populate_record(null::${name}, $2::text::jsonb)
    on conflict do nothing`

/** The first row at or after a key: near enough to any row, and one step down an index. */
const nearest = (name: FlowName, parameter: string) =>
  `(select id from ${name} where id >= ${parameter} order by id limit 1)`

/** The second save of a row in the same moment: a newer state, in the queue right behind the older one. */
const againAt = `$1::timestamptz + interval '1 millisecond'`

export const change: Readonly<Record<ChangeName, (moment: Moment) => Promise<void>>> = {
  async customers(moment) {
    const { crm, random, at, flaws, turn } = moment
    const key = 1 + random.whole(3_000)
    const row = nearest('customers', '$2::int')
    if (flaws.has('misspelt') && turn % 2 === 0) {
      const few = `(select count(*) from customers where country = 'UK') < ${misspeltMax}`
      return emit(
        crm,
        'customers',
        `update customers set country = 'UK', updated_at = $1 where id = ${row} and ${few}`,
        at,
        [key],
      )
    }
    if (turn % 16 === 7) {
      const values = JSON.stringify(newCustomer(random, random.whole(100_000)))
      return emit(crm, 'customers', insert('customers', 'name, email, phone, country, city, segment'), at, [values])
    }
    if (turn % 16 === 15) return emit(crm, 'customers', `delete from customers where id = ${row}`, at, [key])
    const move = (time: string) => `update customers set city = $3, updated_at = ${time} where id = ${row}`
    await emit(crm, 'customers', move('$1'), at, [key, city(random)])
    // Saved twice in a row, as people do: harmless as long as the order of events is kept.
    if (flaws.has('unordered')) await emit(crm, 'customers', move(againAt), at, [key, `${city(random)} Old Town`])
  },

  async orders({ crm, random, at, turn }) {
    if (turn % 3 !== 2) {
      const values = JSON.stringify(newOrder(random, 1 + random.whole(3_000), at.toISOString()))
      return emit(crm, 'orders', insert('orders', 'id, customer_id, status, currency, net, tax, placed_at'), at, [
        values,
      ])
    }
    const recent = `(select id from orders order by placed_at desc offset $2::int limit 1)`
    const status = random.pick(['paid', 'packed', 'shipped', 'cancelled'])
    await emit(crm, 'orders', `update orders set status = $3, updated_at = $1 where id = ${recent}`, at, [
      random.whole(recentOrders),
      status,
    ])
  },

  async payments({ crm, random, at }) {
    const [order] = await crm<{ id: string; net: string }[]>`
      select id, net::text as net from orders where id >= ${uuid(random)} order by id limit 1`
    if (!order) return
    const values = JSON.stringify(newPayment(random, order))
    await emit(crm, 'payments', insert('payments', 'order_id, amount, method'), at, [values])
  },

  async contacts({ crm, random, at, flaws, turn }) {
    const key = contactId(random)
    const row = nearest('contacts', '$2')
    if (turn % 8 === 3) {
      const values = JSON.stringify(newContact(random, 1 + random.whole(3_000), at.toISOString()))
      return emit(crm, 'contacts', insert('contacts', 'id, customer_id, name, email, role'), at, [values])
    }
    const { name, role } = newContact(random, 0, at.toISOString())
    const edit = (time: string) => `update contacts set name = $3, role = $4, updated_at = ${time} where id = ${row}`
    const leaves = turn % 8 === 7
    if (!leaves || flaws.has('unordered')) await emit(crm, 'contacts', edit('$1'), at, [key, name, role])
    if (leaves) return emit(crm, 'contacts', `delete from contacts where id = ${row}`, at, [key])
    if (flaws.has('unordered') && turn % 3 === 0) {
      await emit(crm, 'contacts', edit(againAt), at, [key, name, random.pick(roles)])
    }
  },

  async subscriptions({ crm, random, at, turn }) {
    const key = 1 + random.whole(1_500)
    const seats = `update subscriptions set seats = $3, updated_at = $1 where id = ${nearest('subscriptions', '$2::bigint')}`
    await emit(crm, 'subscriptions', seats, at, [key, 1 + ((turn * 7) % 120)])
  },

  async prices({ crm, random, at }) {
    const sku = `SKU-${String(1 + random.whole(200)).padStart(4, '0')}`
    await crm.unsafe(
      'update prices set amount = $3::numeric, updated_at = $1::timestamptz where sku = $2 and currency = $4',
      [at.toISOString(), sku, `${1 + random.whole(900)}.00`, random.pick(currencies)],
    )
  },
}

/**
 * Staff in billing correct the phone number of one of a few key customers. The row keeps the CRM's time: it says which
 * state of the CRM the copy has.
 */
export async function correctPhone({ billing, random }: Pick<Moment, 'billing' | 'random'>): Promise<void> {
  const id = 100 + random.whole(24)
  await billing`update customers set phone = ${phone(random)} where id = ${id}`
}

/** Puts the misspelt countries right, which sends the rows again, and drops the dead letters they replace. */
export async function mend({ crm, at }: Pick<Moment, 'crm' | 'at'>): Promise<void> {
  await emit(crm, 'customers', `update customers set country = 'GB', updated_at = $1 where country = 'UK'`, at, [])
  await crm`delete from customers_outbox where state = 'dead'`
}
