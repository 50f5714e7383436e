import { and, eq, notInArray } from 'drizzle-orm'
import type { Db } from './open.ts'
import { dues } from './schema.ts'

type StoredDue = typeof dues.$inferSelect

export const allDues = (db: Db): Promise<readonly StoredDue[]> => db.select().from(dues)

/** Sets when a pair is next due, unless another process has already moved it on from `was`. */
export async function setDue(db: Db, due: StoredDue, was?: Date): Promise<boolean> {
  const { pairId, ...next } = due
  const moved = was
    ? await db
        .update(dues)
        .set(next)
        .where(and(eq(dues.pairId, pairId), eq(dues.at, was)))
        .returning({ pairId: dues.pairId })
    : await db
        .insert(dues)
        .values(due)
        .onConflictDoUpdate({ target: dues.pairId, set: next })
        .returning({ pairId: dues.pairId })
  return moved.length > 0
}

/** Forgets pairs that are no longer scheduled. */
export async function keepDues(db: Db, pairs: readonly string[]): Promise<void> {
  await db.delete(dues).where(pairs.length > 0 ? notInArray(dues.pairId, [...pairs]) : undefined)
}
