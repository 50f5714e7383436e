import { flowNames, flows } from './flow.ts'
import type { Databases } from './seed.ts'
import { billingNames, crmNames } from './tables.ts'

export const sweepEveryMs = 60_000
export const vacuumEveryMs = 600_000

export const keptMax = { outboxDone: 2_000, orders: 6_000, payments: 4_000, extraContacts: 25, imports: 200 }
const attemptsKeptMs = 1_800_000
const sweptMax = 500

/** Keeps the demo small however long it runs: old events, orders and payments go, on both sides. Short statements. */
export async function sweep(databases: Databases, at: Date): Promise<void> {
  const { crm, billing } = databases
  for (const name of flowNames) {
    const table = crm(flows[name].outbox)
    await crm`
      delete from ${table} where state = 'done'
        and id < (select id from ${table} where state = 'done' order by id desc offset ${keptMax.outboxDone} limit 1)`
  }
  await crm`delete from sync_attempts where slot < ${new Date(at.getTime() - attemptsKeptMs)}`
  await billing`delete from price_imports where id <= (select max(id) - ${keptMax.imports} from price_imports)`
  await sweepOrders(databases)
  await sweepPayments(databases)
  await sweepContacts(databases)
}

async function sweepOrders({ crm, billing }: Databases): Promise<void> {
  const old = await crm<{ id: string }[]>`
    select id from orders order by placed_at desc, id offset ${keptMax.orders} limit ${sweptMax}`
  if (old.length === 0) return
  const ids = old.map(({ id }) => id)
  await crm`delete from orders where id in ${crm(ids)}`
  await billing`delete from invoices where order_id in ${billing(ids)}`
}

async function sweepPayments({ crm, billing }: Databases): Promise<void> {
  const [edge] = await crm<{ id: string | null }[]>`
    select (select id from payments order by id desc offset ${keptMax.payments} limit 1)::text as id`
  if (!edge?.id) return
  await crm`delete from payments where id <= ${edge.id}`
  await billing`delete from payment_events where payment_id <= ${edge.id}`
}

/** Contacts that were deleted and came back would pile up for ever: billing's own clean-up keeps the newest few. */
async function sweepContacts({ crm, billing }: Databases): Promise<void> {
  const known = new Set((await crm<{ id: string }[]>`select id from contacts`).map(({ id }) => id))
  const there = await billing<{ id: string }[]>`select contact_id as id from contacts order by updated_at desc`
  const surplus = there
    .filter(({ id }) => !known.has(id))
    .slice(keptMax.extraContacts, keptMax.extraContacts + sweptMax)
  if (surplus.length === 0) return
  await billing`delete from contacts where contact_id in ${billing(surplus.map(({ id }) => id))}`
}

/** The embedded database has nobody in the background who vacuums, or lets go of its log at checkpoints. */
export async function vacuum({ crm, billing }: Databases): Promise<void> {
  for (const name of crmNames) await crm.unsafe(`vacuum (analyze) ${name}`)
  for (const name of billingNames) await billing.unsafe(`vacuum (analyze) ${name}`)
  await crm.unsafe('checkpoint')
  await billing.unsafe('checkpoint')
}
