import type { Sql } from 'postgres'
import { flowNames, flows, putSql, renamed } from './flow.ts'
import { city, company, contactId, countries, email, money, person, phone, roles, segments, uuid } from './people.ts'
import { seededRandom } from './random.ts'
import type { Random } from './random.ts'
import { billingTables, crmTables, tablesVersion } from './tables.ts'

type Row = Readonly<Record<string, string | number | null>>

const counts = { customers: 3_000, orders: 5_000, payments: 3_000, contacts: 4_000, subscriptions: 1_500, skus: 200 }
export const currencies = ['EUR', 'GBP', 'SEK'] as const

/** Both databases of the demo, as the sync worker sees them. */
export interface Databases {
  readonly crm: Sql
  readonly billing: Sql
}

/**
 * Creates and fills both databases at the first start, the same rows on both sides: what differs later, the worker did.
 * An interrupted seeding is begun again. Takes about a second.
 *
 * @returns how many times this demo has been started, this one included.
 */
export async function seed({ crm, billing }: Databases, at: Date, seedNumber: number): Promise<number> {
  if ((await versionOf(crm)) !== tablesVersion) {
    await Promise.all([crm.unsafe(anew + crmTables).simple(), billing.unsafe(anew + billingTables).simple()])
    const rows = seedRows(seededRandom(seedNumber), at.toISOString())
    await Promise.all([fillCrm(crm, rows), fillBilling(billing, rows)])
    // Written last, so that half a seeding is never taken for a whole one.
    await crm`create table demo as select ${tablesVersion}::int as version, 0 as starts`
  }
  const [demo] = await crm<{ starts: number }[]>`update demo set starts = starts + 1 returning starts`
  return Number(demo?.starts ?? 1)
}

const anew = 'drop schema public cascade; create schema public;'

async function versionOf(crm: Sql): Promise<number | undefined> {
  const [found] = await crm<{ there: boolean }[]>`select to_regclass('public.demo') is not null as there`
  if (!found?.there) return undefined
  const [demo] = await crm<{ version: number }[]>`select version from demo`
  return demo && Number(demo.version)
}

type SeedRows = Readonly<Record<keyof typeof flows | 'prices', readonly Row[]>>

function seedRows(random: Random, at: string): SeedRows {
  const many = <T>(count: number, row: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => row(i + 1))
  const customer_id = () => 1 + random.whole(counts.customers)
  const orders = many(counts.orders, () => newOrder(random, customer_id(), at))
  return {
    customers: many(counts.customers, (id) => ({ id, ...newCustomer(random, id), updated_at: at })),
    orders,
    payments: orders
      .slice(0, counts.payments)
      .map((order, index) => ({ id: index + 1, ...newPayment(random, order), updated_at: at })),
    contacts: many(counts.contacts, () => newContact(random, customer_id(), at)),
    subscriptions: many(counts.subscriptions, (id) => ({
      id,
      customer_id: customer_id(),
      plan: random.pick(['quay', 'harbour', 'ocean']),
      seats: 1 + random.whole(80),
      renews_on: `2027-${String(1 + random.whole(12)).padStart(2, '0')}-01`,
      updated_at: at,
    })),
    prices: many(counts.skus, (index) =>
      currencies.map((currency) => ({
        sku: `SKU-${String(index).padStart(4, '0')}`,
        currency,
        amount: money(random, 900),
        valid_from: '2026-01-01',
        updated_at: at,
      })),
    ).flat(),
  }
}

export function newCustomer(random: Random, number: number) {
  const name = company(random)
  return {
    name,
    email: email(name, number),
    phone: random.chance(0.9) ? phone(random) : null,
    country: random.pick(countries),
    city: random.chance(0.95) ? city(random) : null,
    segment: random.pick(segments),
  }
}

export const newOrder = (random: Random, customerId: number, at: string) => ({
  id: uuid(random),
  customer_id: customerId,
  status: 'placed',
  currency: random.pick(currencies),
  net: money(random, 4_000),
  tax: money(random, 800),
  placed_at: at,
  updated_at: at,
})

export const newPayment = (random: Random, { id, net }: { readonly id: string; readonly net: string }) => ({
  order_id: id,
  amount: net,
  method: random.pick(['transfer', 'card', 'direct debit']),
})

export function newContact(random: Random, customerId: number, at: string) {
  const name = person(random)
  return {
    id: contactId(random),
    customer_id: customerId,
    name,
    email: email(name, random.whole(1_000)),
    role: random.chance(0.7) ? random.pick(roles) : null,
    updated_at: at,
  }
}

async function fillCrm(crm: Sql, rows: SeedRows): Promise<void> {
  for (const name of [...flowNames, 'prices'] as const) {
    await crm.unsafe(`insert into ${name} select * from jsonb_populate_recordset(null::${name}, $1::text::jsonb)`, [
      JSON.stringify(rows[name]),
    ])
  }
  for (const name of ['customers', 'payments', 'subscriptions'] as const) {
    await crm.unsafe(`select setval(pg_get_serial_sequence('${name}', 'id'), (select max(id) from ${name}))`)
  }
  await crm.unsafe('analyze')
}

async function fillBilling(billing: Sql, rows: SeedRows): Promise<void> {
  await billing.unsafe(`insert into countries values ${countries.map((code) => `('${code}')`).join(', ')}`)
  for (const name of flowNames) {
    const flow = flows[name]
    await billing.unsafe(putSql(flow), [JSON.stringify(rows[name].map((row) => renamed(flow, row)))])
  }
  await billing.unsafe(
    'insert into price_list select * from jsonb_populate_recordset(null::price_list, $1::text::jsonb)',
    [JSON.stringify(rows.prices)],
  )
  await billing.unsafe('analyze')
}
