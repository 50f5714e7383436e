import { z } from '@hono/zod-openapi'
import { Fault } from '../fault.ts'
import { drawnOf, narrowed } from './narrow.ts'
import { overviewOf, sparkKeys, sparkSpan, spanOf, stripSpan } from './overview.ts'
import { pipelineOf } from './pipeline.ts'
import type { CatalogPipeline, Reads, Snapshot } from './reads.ts'
import { answers, byId, route, routes } from './route.ts'
import { bucketFor, drawingsOf, seriesOf } from './series.ts'
import { overviewView, pipelineView, seriesView } from './views.ts'

export interface Looks {
  readonly snapshot: () => Snapshot
  readonly now: () => Date
  readonly reads: Pick<Reads, 'samples' | 'silences' | 'states' | 'runs' | 'alerts'>
}

const hourMs = 3_600_000
const spanMaxMs = 400 * 24 * hourMs
const runsShown = 30
const recentMax = 100
const instant = z.iso.datetime({ offset: true }).transform((text) => new Date(text))

const pipelineId = byId('A pipeline of the config.')

const overview = route('viewer', {
  method: 'get',
  path: '/api/v1/overview',
  tags: ['pipelines'],
  summary: 'Every pipeline with its five signals, worst first',
  responses: answers(overviewView, 'At most 200 kB compressed for 500 pipelines.'),
})

const one = route('viewer', {
  method: 'get',
  path: '/api/v1/pipelines/{id}',
  tags: ['pipelines'],
  summary: 'One pipeline: its checks, hops, pairs, and what happened',
  request: { params: pipelineId },
  responses: answers(pipelineView, 'What is known of it now.'),
})

const series = route('viewer', {
  method: 'get',
  path: '/api/v1/pipelines/{id}/series',
  tags: ['pipelines'],
  summary: 'The signals of one pipeline over time',
  request: {
    params: pipelineId,
    query: z.strictObject({
      from: instant
        .optional()
        .describe('An hour before `to` when left out.')
        .openapi({ type: 'string', format: 'date-time' }),
      to: instant.optional().describe('Now when left out.').openapi({ type: 'string', format: 'date-time' }),
    }),
  },
  responses: answers(seriesView, 'At most 600 points a line; the smallest and largest value of every part are kept.'),
})

export const overviewRoutes = ({ snapshot, now, reads }: Looks) => {
  const draw = async (looked: Snapshot, pipelines: readonly CatalogPipeline[], at: Date, only?: string) => {
    const sparks = spanOf(sparkSpan, at)
    const strips = { from: spanOf(stripSpan, at).from, ...stripSpan, ...(only !== undefined && { pipeline: only }) }
    return drawnOf(
      ...(await Promise.all([
        reads.samples({ keys: sparkKeys(looked, pipelines, at), ...sparks, bucketMs: sparkSpan.bucketMs }),
        reads.states(strips),
      ])),
    )
  }
  return routes()
    .openapi(overview, async (c) => {
      const [looked, at] = [snapshot(), now()]
      return c.json(overviewOf(looked, await draw(looked, looked.catalog.pipelines, at), at), 200)
    })
    .openapi(one, async (c) => {
      const [looked, at] = [snapshot(), now()]
      const pipeline = pipelineNamed(looked, c.req.valid('param').id)
      const [drawn, runs, alerts] = await Promise.all([
        draw(looked, [pipeline], at, pipeline.id),
        reads.runs({ pipeline: pipeline.id, limit: runsShown }),
        reads.alerts({ pipeline: pipeline.id, recentMax: runsShown }),
      ])
      return c.json(pipelineOf(narrowed(looked)(pipeline.id), pipeline, { ...drawn, runs, alerts }, at), 200)
    })
    .openapi(series, async (c) => {
      const [looked, at] = [snapshot(), now()]
      const pipeline = pipelineNamed(looked, c.req.valid('param').id)
      const span = spanAsked(c.req.valid('query'), at)
      const own = narrowed(looked)(pipeline.id)
      const drawings = drawingsOf(own, pipeline, at)
      const [samples, silences, alerts, runs] = await Promise.all([
        reads.samples({ keys: drawings.flatMap(({ keys }) => keys), ...span, bucketMs: bucketFor(span.from, span.to) }),
        reads.silences({ checks: pipeline.checks.map(({ id }) => id), ...span }),
        reads.alerts({ pipeline: pipeline.id, from: span.from, recentMax }),
        reads.runs({ pipeline: pipeline.id, from: span.from, limit: recentMax }),
      ])
      return c.json(seriesOf(own, pipeline, drawings, { samples, silences, alerts, runs }, span), 200)
    })
}

function pipelineNamed({ catalog }: Snapshot, id: string): CatalogPipeline {
  const found = catalog.pipelines.find((pipeline) => pipeline.id === id)
  if (found) return found
  throw new Fault('not_found', `There is no pipeline "${id}".`, { hint: 'GET /api/v1/overview lists them.' })
}

function spanAsked(query: { from?: Date | undefined; to?: Date | undefined }, now: Date): { from: Date; to: Date } {
  const to = query.to ?? now
  const from = query.from ?? new Date(to.getTime() - hourMs)
  const problem =
    from >= to ? 'from: must be before `to`' : to.getTime() - from.getTime() > spanMaxMs ? 'from: at most 400 days before `to`' : undefined // prettier-ignore
  if (problem) throw new Fault('bad_request', problem, { hint: 'Numbers are kept for 13 months.' })
  return { from, to }
}
