import { and, eq, isNotNull, sql, type SQL } from 'drizzle-orm'
import { takenOver } from '../reconcile/lease.ts'
import type { Db } from './open.ts'
import { runs } from './schema.ts'

/** One taking of a run by one worker. Whoever takes it next raises the attempt, and this one writes no more. */
export interface Claim {
  readonly id: string
  readonly attempt: number
}

/** The run as long as this claim is the newest and nobody has let go of it. An end of the lease alone takes nothing away. */
export const heldBy = ({ id, attempt }: Claim) =>
  and(eq(runs.id, id), eq(runs.attempt, attempt), isNotNull(runs.leaseOwner))

/**
 * Writes to the journal of a run, unless somebody else has taken it over. One statement: a worker that stands still in the
 * middle of a transaction would keep the run locked from the next one.
 *
 * @param writes what is written, as expressions of a WITH that each select from `held`: empty when the run is lost.
 * @throws Fault `conflict` when it is; nothing was written then.
 */
export async function writeHeld(db: Pick<Db, 'execute'>, claim: Claim, writes: readonly SQL[]): Promise<void> {
  const [row] = await db.execute<{ held: boolean }>(sql`
    with held as materialized (select ${runs.id} as run_id from ${runs} where ${heldBy(claim)} for share),
    ${sql.join([...writes], sql`, `)} select exists (select from held) as held`)
  if (!row?.held) throw takenOver(claim.id)
}
