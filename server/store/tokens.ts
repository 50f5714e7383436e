import { eq } from 'drizzle-orm'
import type { Db } from './open.ts'
import { tokens } from './schema.ts'

export type StoredToken = typeof tokens.$inferSelect

export const tokenBySha256 = async (db: Db, hash: string): Promise<StoredToken | undefined> =>
  (await db.select().from(tokens).where(eq(tokens.hash, hash)))[0]

export const anyToken = async (db: Db): Promise<boolean> => (await db.select().from(tokens).limit(1)).length > 0

export async function addToken(db: Db, token: Pick<StoredToken, 'hash' | 'name' | 'role'>): Promise<void> {
  await db.insert(tokens).values(token)
}
