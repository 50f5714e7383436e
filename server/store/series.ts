import { and, asc, eq, gte, inArray, lt, lte, sql, type SQL } from 'drizzle-orm'
import type { Db } from './open.ts'
import { observations, pipelineStates, rollups, samples } from './schema.ts'

interface SeriesKey {
  readonly check: string
  readonly metric: string
}

interface SampleBucket extends SeriesKey {
  readonly at: Date
  readonly min: number
  readonly max: number
  readonly last: number
}

const rawForMs = 48 * 3_600_000
const minutesForMs = 14 * 24 * 3_600_000

/**
 * Many numbers over one span, cut into parts of `bucketMs`; oldest first within a key. Reads raw samples, minutes or
 * hours, whichever still reach back to `from`. One statement.
 */
export async function sampleBuckets(
  db: Db,
  { keys, from, to, bucketMs, now }: { keys: readonly SeriesKey[]; from: Date; to: Date; bucketMs: number; now: Date },
): Promise<readonly SampleBucket[]> {
  if (keys.length === 0) return []
  const ageMs = now.getTime() - from.getTime()
  const step = ageMs <= rawForMs ? undefined : ageMs <= minutesForMs ? 60 : 3_600
  const table = step ? rollups : samples
  const wanted = sql.join(
    keys.map(({ check, metric }) => sql`(${check}, ${metric})`),
    sql`, `,
  )
  const value = step
    ? {
        min: sql`min(${rollups.min})`,
        max: sql`max(${rollups.max})`,
        last: latest(sql`${rollups.last}`, sql`${rollups.at}`),
      }
    : {
        min: sql`min(${samples.value})`,
        max: sql`max(${samples.value})`,
        last: latest(sql`${samples.value}`, sql`${samples.at}`),
      }
  const rows = await db
    .select({
      check: table.checkId,
      metric: table.metric,
      at: sql<number>`extract(epoch from max(${table.at}))::float8 * 1000`,
      min: sql<number>`${value.min}`,
      max: sql<number>`${value.max}`,
      last: sql<number>`${value.last}`,
    })
    .from(table)
    .where(
      and(
        sql`(${table.checkId}, ${table.metric}) in (${wanted})`,
        gte(table.at, from),
        lt(table.at, to),
        ...(step ? [eq(rollups.stepSeconds, step)] : []),
      ),
    )
    .groupBy(table.checkId, table.metric, sql`floor(extract(epoch from ${table.at}) * 1000 / ${bucketMs}::float8)`)
    .orderBy(asc(table.checkId), asc(table.metric), sql`max(${table.at})`)
  return rows.map((row) => ({
    ...row,
    at: new Date(Number(row.at)),
    min: Number(row.min),
    max: Number(row.max),
    last: Number(row.last),
  }))
}

const latest = (value: SQL, at: SQL) => sql`(array_agg(${value} order by ${at} desc))[1]`

/** Spans in which a check did not answer: each from its first silence to its next answer, or to the newest silence. */
export async function silences(db: Db, request: { checks: readonly string[]; from: Date; to: Date }) {
  if (request.checks.length === 0) return []
  const rows = await db
    .select()
    .from(observations)
    .where(
      and(
        inArray(observations.checkId, [...request.checks]),
        gte(observations.at, request.from),
        lte(observations.at, request.to),
      ),
    )
    .orderBy(asc(observations.checkId), asc(observations.at))
  const spans: { check: string; from: Date; to: Date; message: string; open: boolean }[] = []
  for (const { checkId, at, answered, faultMessage } of rows) {
    const last = spans.at(-1)
    const goesOn = last?.check === checkId && last.open
    if (!answered && goesOn) last.to = at
    if (!answered && !goesOn) spans.push({ check: checkId, from: at, to: at, message: faultMessage ?? '', open: true })
    if (answered && goesOn) Object.assign(last, { to: at, open: false })
  }
  return spans.map(({ check, from, to, message }) => ({ check, from, to, message }))
}

type State = (typeof pipelineStates.$inferSelect)['state']
const rank: Readonly<Record<State, number>> = { unmeasured: 0, ok: 1, paused: 2, nodata: 3, warn: 4, crit: 5 }

/** The worst state of each pipeline in each part of a span; a part before anything was recorded has no row. */
export async function stateBuckets(
  db: Db,
  {
    from,
    bucketMs,
    buckets,
    now,
    pipeline,
  }: { from: Date; bucketMs: number; buckets: number; now: Date; pipeline?: string },
): Promise<readonly { pipeline: string; bucket: number; state: State }[]> {
  const only = pipeline ? [eq(pipelineStates.pipelineId, pipeline)] : []
  const before = await db
    .selectDistinctOn([pipelineStates.pipelineId])
    .from(pipelineStates)
    .where(and(lt(pipelineStates.at, from), ...only))
    .orderBy(pipelineStates.pipelineId, sql`${pipelineStates.at} desc`)
  const within = await db
    .select()
    .from(pipelineStates)
    .where(and(gte(pipelineStates.at, from), ...only))
    .orderBy(asc(pipelineStates.pipelineId), asc(pipelineStates.at))

  const changes = new Map<string, { at: number; state: State }[]>()
  for (const { pipelineId, at, state } of [...before, ...within]) {
    const list = changes.get(pipelineId) ?? []
    list.push({ at: at.getTime(), state })
    changes.set(pipelineId, list)
  }
  const parts = Math.min(buckets, Math.ceil((now.getTime() - from.getTime()) / bucketMs))
  return [...changes].flatMap(([id, list]) => foldStates(id, list, from.getTime(), bucketMs, parts))
}

function foldStates(
  pipeline: string,
  changes: readonly { at: number; state: State }[],
  from: number,
  bucketMs: number,
  parts: number,
) {
  const found: { pipeline: string; bucket: number; state: State }[] = []
  let next = 0
  let current: State | undefined
  for (let bucket = 0; bucket < parts; bucket++) {
    const end = from + (bucket + 1) * bucketMs
    let worst = current
    for (; next < changes.length && changes[next]!.at < end; next++) {
      const { at, state } = changes[next]!
      current = state
      // A state that ended before this part began says nothing about it.
      if (at < end - bucketMs) worst = state
      else if (!worst || rank[state] > rank[worst]) worst = state
    }
    if (worst && worst !== 'unmeasured') found.push({ pipeline, bucket, state: worst })
  }
  return found
}
