import type { Databases } from './seed.ts'

/** How often the price list is carried over, whole batches at a time. */
export const importEveryMs = 30_000

/** The batch job of the demo: copies the prices that changed since the last import, and keeps a record of it. */
export async function importPrices({ crm, billing }: Databases, at: Date): Promise<void> {
  // A minute of overlap: a price that was saved while the last import was reading is carried over by this one.
  const [last] = await billing<{ since: string }[]>`
    select coalesce(max(started_at) - interval '1 minute', '-infinity')::text as since
    from price_imports where state = 'succeeded'`
  const [changed] = await crm<{ rows: string; count: number }[]>`
    select coalesce(jsonb_agg(to_jsonb(prices)), '[]')::text as rows, count(*)::int as count
    from prices where updated_at > ${last!.since}::text::timestamptz`
  const pending = Number(changed?.count ?? 0)
  const [job] = await billing<{ id: string }[]>`
    insert into price_imports (state, started_at, pending) values ('running', ${at}, ${pending}) returning id`
  await billing.unsafe(putPrices, [changed?.rows ?? '[]'])
  await billing`
    update price_imports set state = 'succeeded', ended_at = ${at}, succeeded = ${pending}, pending = 0
    where id = ${job!.id}`
}

const putPrices = `insert into price_list
  select * from jsonb_populate_recordset(null::price_list, $1::text::jsonb)
  on conflict (sku, currency) do update
    set amount = excluded.amount, valid_from = excluded.valid_from, updated_at = excluded.updated_at
    where price_list.updated_at < excluded.updated_at`
