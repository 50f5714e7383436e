import { and, asc, eq, inArray, isNull, lt, or, sql } from 'drizzle-orm'
import type { Entry, Outbox } from '../notify/deliver.ts'
import { noticeSchema, type Notice } from '../notify/notice.ts'
import type { Db } from './open.ts'
import { notices } from './schema.ts'

type Row = typeof notices.$inferSelect

/** The outbox of notices. A line is all notices of one incident to one channel, and is held as one. */
export function outbox(db: Db): Outbox {
  const endLease = { leaseUntil: null }
  return {
    async claim(noticeId, leaseMs) {
      return db.transaction(async (tx) => {
        const [asked] = await tx.select().from(notices).where(eq(notices.id, noticeId))
        if (!asked) return undefined
        const line = await tx
          .select()
          .from(notices)
          .where(and(eq(notices.incident, asked.incident), eq(notices.channel, asked.channel)))
          .orderBy(asc(notices.createdAt), asc(notices.event))
          .for('update')
        const now = new Date()
        if (line.some(({ leaseUntil }) => leaseUntil && leaseUntil > now)) return undefined
        const waiting = line.filter((row) => stateOf(row) === 'waiting').map(({ id }) => id)
        if (waiting.length > 0) {
          const leaseUntil = new Date(now.getTime() + leaseMs)
          await tx.update(notices).set({ leaseUntil }).where(inArray(notices.id, waiting))
        }
        return line.map(entryOf)
      })
    },
    async delivered(noticeIds, at) {
      await db.transaction(async (tx) => {
        const settled = { deliveredAt: at, lastError: null, attempts: sql`${notices.attempts} + 1` }
        await tx
          .update(notices)
          .set({ ...settled, ...endLease })
          .where(inArray(notices.id, [...noticeIds]))
        await tx.update(notices).set(endLease).where(lineOf(noticeIds[0]!))
      })
    },
    async failed(noticeIds, { error, nextAt }) {
      await db.transaction(async (tx) => {
        const outcome = nextAt ? { nextAt } : { deadAt: new Date() }
        await tx
          .update(notices)
          .set({ ...outcome, lastError: error, attempts: sql`${notices.attempts} + 1` })
          .where(inArray(notices.id, [...noticeIds]))
        await tx.update(notices).set(endLease).where(lineOf(noticeIds[0]!))
      })
    },
    async release(noticeId) {
      await db.update(notices).set(endLease).where(lineOf(noticeId))
    },
  }
}

/** Ids of notices that are due and that nobody is moving: what a lost job left behind. At most `max`, oldest first. */
export async function noticesDue(db: Db, now: Date, max: number): Promise<readonly string[]> {
  const rows = await db
    .select({ id: notices.id })
    .from(notices)
    .where(
      and(
        isNull(notices.deliveredAt),
        isNull(notices.deadAt),
        lt(notices.nextAt, now),
        or(isNull(notices.leaseUntil), lt(notices.leaseUntil, now)),
      ),
    )
    .orderBy(asc(notices.nextAt))
    .limit(max)
  return rows.map(({ id }) => id)
}

export interface ChannelTotals {
  readonly channel: string
  readonly sent: number
  readonly failed: number
  readonly waiting: number
  readonly oldestWaitingAt?: Date
}

/** How delivery goes, by channel. One statement. */
export async function channelTotals(db: Db): Promise<readonly ChannelTotals[]> {
  const waiting = sql`${notices.deliveredAt} is null and ${notices.deadAt} is null`
  const rows = await db
    .select({
      channel: notices.channel,
      sent: sql<number>`count(${notices.deliveredAt})::int`,
      failed: sql<number>`coalesce(sum(${notices.attempts} - (${notices.deliveredAt} is not null)::int), 0)::int`,
      waiting: sql<number>`(count(*) filter (where ${waiting}))::int`,
      oldest: sql<string | null>`(min(${notices.createdAt}) filter (where ${waiting}))::text`,
    })
    .from(notices)
    .groupBy(notices.channel)
  return rows.map(({ oldest, ...totals }) => ({
    ...totals,
    ...(oldest ? { oldestWaitingAt: new Date(oldest) } : {}),
  }))
}

/** The row to insert for a notice, in the transaction that changes its alert. */
export const noticeRow = ({
  id,
  channel,
  incident,
  event,
  dedupKey,
  ...content
}: Notice): typeof notices.$inferInsert => ({
  id,
  channel,
  incident,
  event,
  dedupKey,
  body: content,
  createdAt: content.at,
  nextAt: content.at,
})

const stateOf = ({ deliveredAt, deadAt }: Row): Entry['state'] =>
  deliveredAt ? 'delivered' : deadAt ? 'dead' : 'waiting'

function entryOf(row: Row): Entry {
  const { id, channel, incident, event, dedupKey, body } = row
  const notice = noticeSchema.parse({ ...(body as object), id, channel, incident, event, dedupKey })
  return { notice, state: stateOf(row), attempts: row.attempts, nextAt: row.attempts > 0 ? row.nextAt : undefined }
}

/** All notices of the same incident to the same channel as this one. */
const lineOf = (noticeId: string) =>
  sql`(${notices.incident}, ${notices.channel}) = (select n.incident, n.channel from ${notices} as n where n.id = ${noticeId})`
