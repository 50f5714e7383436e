import { sql } from 'drizzle-orm'
import type { Db } from './open.ts'
import { pipelineStates } from './schema.ts'

export type PipelineState = (typeof pipelineStates.$inferSelect)['state']

/** Notes that pipelines have changed state; the strips are drawn from these. */
export async function noteStates(
  db: Db,
  changes: readonly { pipeline: string; at: Date; state: PipelineState }[],
): Promise<void> {
  if (changes.length === 0) return
  await db
    .insert(pipelineStates)
    .values(changes.map(({ pipeline, ...change }) => ({ pipelineId: pipeline, ...change })))
    .onConflictDoNothing()
}

/**
 * Says of the time since the newest observation that nobody was watching: without it the strips would draw the last
 * state on, across all the time no process ran. Meant for a start.
 */
export async function noteAbsence(db: Db): Promise<void> {
  await db.execute(sql`
    insert into pipeline_states (pipeline_id, at, state)
    select latest.pipeline_id, seen.at, 'unmeasured'
    from (select max(at) + interval '1 ms' as at from observations) as seen
    join (select distinct on (pipeline_id) pipeline_id, at, state from pipeline_states order by pipeline_id, at desc) as latest
      on latest.at < seen.at and latest.state <> 'unmeasured'
    where seen.at < now() - interval '1 minute'
    on conflict do nothing`)
}
