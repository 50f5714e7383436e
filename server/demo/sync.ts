import type { Sql } from 'postgres'
import type { Flaw } from './flaw.ts'
import { deleteSql, flows, putSql, renamed } from './flow.ts'
import type { Flow, FlowName } from './flow.ts'
import type { Random } from './random.ts'

/** Events taken from one outbox at a time. */
const batchMax = 40
const attemptsMax = 3
const retryMs = 2_000
const attemptSlotMs = 5_000
const nameWidth = 12

export interface Shift {
  readonly crm: Sql
  readonly billing: Sql
  readonly random: Random
  readonly at: Date
  readonly flaws: ReadonlySet<Flaw>
}

interface Event {
  readonly id: string
  readonly action: 'put' | 'delete'
  readonly payload: string
}

interface Failure {
  readonly id: string
  readonly message: string
}

/**
 * Takes what is due from the outbox of one flow, writes it to billing and acknowledges it. What billing refuses is
 * tried again after 2 s and 4 s, then it is a dead letter. At least once, as such workers are.
 *
 * @param rowsMax how many events the consumer manages now.
 * @returns how many events it has taken.
 */
export async function drain(name: FlowName, shift: Shift, rowsMax: number): Promise<number> {
  const flow = flows[name]
  const events = await taken(flow, shift, Math.min(rowsMax, batchMax))
  if (events.length === 0) return 0

  const { done, failed } = await written(name, events, shift)
  // Dying here is what makes a delivery "at least once": the batch is written, and will come again.
  const died = name === 'payments' && shift.flaws.has('redelivered') && shift.random.chance(0.4)
  if (!died) await acknowledge(flow, done, shift)
  for (const failure of failed) await postpone(flow, failure, shift)
  await count(flow, events.length, failed.length, shift)
  return events.length
}

async function taken({ outbox }: Flow, { crm, at }: Shift, max: number): Promise<readonly Event[]> {
  return crm<Event[]>`
    select id::text as id, action, payload::text as payload from ${crm(outbox)}
    where state = 'pending' and next_at <= ${at} order by next_at, id limit ${max}`
}

async function written(name: FlowName, events: readonly Event[], shift: Shift) {
  const flow = flows[name]
  const done: string[] = []
  const failed: Failure[] = []
  const parallel = shift.flaws.has('unordered') && (name === 'contacts' || name === 'customers')
  for (const event of parallel ? events.toReversed() : events) {
    try {
      await write(name, flow, event, shift)
      done.push(event.id)
    } catch (thrown) {
      if (!isRefusal(thrown)) throw thrown
      failed.push({ id: event.id, message: thrown.message })
    }
  }
  return { done, failed }
}

async function write(name: FlowName, flow: Flow, { action, payload }: Event, shift: Shift): Promise<void> {
  const careless = name === 'contacts'
  if (careless && shift.flaws.has('lossy') && shift.random.chance(0.15)) return
  const row = renamed(flow, JSON.parse(payload) as Record<string, unknown>)
  const rows = JSON.stringify([careless ? mangled(row, shift) : row])
  await shift.billing.unsafe(action === 'put' ? putSql(flow) : deleteSql(flow), [rows])
}

function mangled(row: Record<string, unknown>, { flaws, random }: Shift): Record<string, unknown> {
  const cut = flaws.has('truncating') && random.chance(0.3)
  const blank = flaws.has('nulls-lost')
  return {
    ...row,
    ...(cut ? { full_name: String(row['full_name']).slice(0, nameWidth) } : {}),
    ...(blank && row['role'] === null ? { role: '' } : {}),
  }
}

/** Class 23 is what a database says when a row breaks a rule; everything else is trouble of another kind. */
const isRefusal = (thrown: unknown): thrown is Error =>
  thrown instanceof Error && /^23/.test((thrown as { code?: string }).code ?? '')

async function acknowledge({ outbox }: Flow, ids: readonly string[], { crm, at }: Shift): Promise<void> {
  if (ids.length === 0) return
  await crm`
    update ${crm(outbox)} set state = 'done', attempts = attempts + 1, error = null, settled_at = ${at} where id in ${crm(ids)}`
}

async function postpone({ outbox }: Flow, { id, message }: Failure, { crm, at }: Shift): Promise<void> {
  await crm`
    update ${crm(outbox)} set
      attempts = attempts + 1,
      error = ${message},
      next_at = ${at}::timestamptz + (attempts + 1) * ${retryMs / 1_000}::float8 * interval '1 second',
      state = case when attempts + 1 >= ${attemptsMax} then 'dead' else 'pending' end,
      settled_at = case when attempts + 1 >= ${attemptsMax} then ${at}::timestamptz end
    where id = ${id}`
}

async function count({ pipeline }: Flow, handled: number, failed: number, { crm, at }: Shift): Promise<void> {
  const slot = new Date(Math.floor(at.getTime() / attemptSlotMs) * attemptSlotMs)
  await crm`
    insert into sync_attempts values (${pipeline}, ${slot}, ${handled}, ${failed})
    on conflict (pipeline, slot) do update
      set handled = sync_attempts.handled + excluded.handled, failed = sync_attempts.failed + excluded.failed`
}
