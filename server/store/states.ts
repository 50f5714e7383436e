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
