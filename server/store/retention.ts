import { sql } from 'drizzle-orm'
import type { Db } from './open.ts'

/** Rows one statement deletes at most: a long absence must not turn the first tidying into a long lock. */
const batchRows = 10_000
const batchesMax = 50

/**
 * Folds samples into minutes and minutes into hours, and deletes what is older than its keep: raw 48 hours, minutes
 * 14 days, hours 13 months. Safe to run at any time and by several processes; meant for every minute.
 */
export async function tidy(db: Db): Promise<void> {
  await db.execute(fold('samples', 60))
  await db.execute(fold('rollups', 3_600))
  await deleteOld(db, sql`samples`, sql`at < now() - interval '48 hours'`)
  await deleteOld(db, sql`observations`, sql`at < now() - interval '48 hours'`)
  await deleteOld(db, sql`rollups`, sql`step_seconds = 60 and at < now() - interval '14 days'`)
  await deleteOld(db, sql`rollups`, sql`step_seconds = 3600 and at < now() - interval '13 months'`)
  await deleteOld(db, sql`pipeline_states`, sql`at < now() - interval '13 months'`)
  await deleteOld(db, sql`notices`, sql`coalesce(delivered_at, dead_at) < now() - interval '13 months'`)
}

/**
 * What a server does for itself and the embedded one does not: no autovacuum runs there, and its log is kept until a
 * checkpoint. Everybody waits meanwhile, some tenths of a second.
 */
export async function tidyEmbedded(db: Db): Promise<void> {
  await db.execute(sql`vacuum (analyze)`)
  await db.execute(sql`checkpoint`)
}

/** Complete parts only, from the newest folded one on: that one again, in case a late sample came. */
function fold(from: 'samples' | 'rollups', stepSeconds: number) {
  const raw = from === 'samples'
  // Not a parameter: the database must see that the expressions it groups by are the same.
  const step = sql.raw(String(stepSeconds))
  const value = raw ? sql`value` : sql`max`
  const part = sql`to_timestamp(floor(extract(epoch from at) / ${step}) * ${step})`
  return sql`
    insert into rollups (check_id, metric, step_seconds, at, count, min, max, sum, last)
    select check_id, metric, ${step}, ${part},
      ${raw ? sql`count(*)` : sql`sum(count)`},
      ${raw ? sql`min(value)` : sql`min(min)`},
      max(${value}),
      ${raw ? sql`sum(value)` : sql`sum(sum)`},
      (array_agg(${raw ? sql`value` : sql`last`} order by at desc))[1]
    from ${raw ? sql`samples` : sql`rollups`}
    where at >= (
        select coalesce(max(newest.at), now() - interval '14 days') from rollups as newest
        where newest.step_seconds = ${step})
      and at < ${raw ? sql`date_trunc('minute', now())` : sql`date_trunc('hour', now())`}
      ${raw ? sql`` : sql`and step_seconds = 60`}
    group by check_id, metric, ${part}
    on conflict (check_id, metric, step_seconds, at) do update
      set count = excluded.count, min = excluded.min, max = excluded.max, sum = excluded.sum, last = excluded.last`
}

async function deleteOld(db: Db, table: ReturnType<typeof sql>, old: ReturnType<typeof sql>): Promise<void> {
  for (let batch = 0; batch < batchesMax; batch++) {
    const deleted = await db.execute(
      sql`delete from ${table} where ctid in (select ctid from ${table} where ${old} limit ${batchRows}::int) returning 1`,
    )
    if (deleted.length < batchRows) return
  }
}
