import { z } from '@hono/zod-openapi'
import { Fault } from '../fault.ts'
import { modes } from '../reconcile/mode.ts'
import type { Actions, DifferenceFilter, Reads, RunDetailRow, Snapshot } from './reads.ts'
import { accepts, answers, byId, route, routes } from './route.ts'
import { differencesOf, runOf, summaryOf, type RunPlace } from './run.ts'
import { differencesView, runsView, runView } from './views.ts'

/** The path of one run. Ids are UUIDs, and the store refuses anything else in words of its own. */
export const runId = z.strictObject({ id: z.guid('is not the id of a run') })
const count = (max: number) => z.coerce.number<string>().pipe(z.int().min(0).max(max))
const limitMax = 500
const seedMax = 100
const offsetMax = 100_000_000

const keyText = z.string().regex(/^-?\d{1,40}$/, 'is not a key of `buckets`')

/** Which of the kept differences are asked for. */
export const differenceFilter = {
  kind: z.enum(['missing', 'extra', 'changed']).optional(),
  from: keyText.optional().describe('The first key of a part of the key space, as `buckets` of the run has it.'),
  to: keyText.optional().describe('The last key of it, itself included.'),
}

/** What of a query is a filter. */
export const filterOf = ({
  kind,
  from,
  to,
}: { readonly [K in keyof DifferenceFilter]: DifferenceFilter[K] | undefined }) => ({
  ...(kind && { kind }),
  ...(from !== undefined && { from }),
  ...(to !== undefined && { to }),
})

const list = route('viewer', {
  method: 'get',
  path: '/api/v1/runs',
  tags: ['runs'],
  summary: 'Reconciliations, newest first',
  request: {
    query: z.strictObject({
      pair: z.string().optional(),
      pipeline: z.string().optional(),
      limit: count(limitMax).default(50).openapi({ type: 'integer', minimum: 0, maximum: limitMax, default: 50 }),
    }),
  },
  responses: answers(runsView, 'At most `limit` of them.'),
})

const request = route('operator', {
  method: 'post',
  path: '/api/v1/pairs/{id}/runs',
  tags: ['runs'],
  summary: 'Compare a pair now',
  request: {
    params: byId('A pair of the config.'),
    body: {
      content: {
        'application/json': {
          schema: z.strictObject({
            mode: z.enum(modes).optional().describe("How much is compared; the pair's own `mode` when left out."),
            seed: z
              .string()
              .min(1)
              .max(seedMax)
              .optional()
              .describe('Draws the same sample as another run with this seed; only for mode sample.'),
          }),
        },
      },
    },
  },
  responses: accepts(z.object({ run: z.string() }), 'The run is queued; ask for it by this id.'),
})

const one = route('viewer', {
  method: 'get',
  path: '/api/v1/runs/{id}',
  tags: ['runs'],
  summary: 'One run with its slices, guards and corrections',
  request: { params: runId },
  responses: answers(runView, 'As of its newest checkpoint while it goes on.'),
})

const differences = route('viewer', {
  method: 'get',
  path: '/api/v1/runs/{id}/differences',
  tags: ['runs'],
  summary: 'The rows that differ, field by field, a page at a time',
  request: {
    params: runId,
    query: z.strictObject({
      offset: count(offsetMax).default(0).openapi({ type: 'integer', minimum: 0, default: 0 }),
      limit: count(limitMax).default(50).openapi({ type: 'integer', minimum: 0, maximum: limitMax, default: 50 }),
      ...differenceFilter,
    }),
  },
  responses: answers(differencesView, '`total` counts all that are kept and match.'),
})

const cancel = route('operator', {
  method: 'post',
  path: '/api/v1/runs/{id}/cancel',
  tags: ['runs'],
  summary: 'Stop a run',
  request: { params: runId },
  responses: accepts(z.object({ run: z.string() }), 'It stops at its next step; what it has written stays written.'),
})

const pause = route('operator', {
  method: 'post',
  path: '/api/v1/runs/{id}/pause',
  tags: ['runs'],
  summary: 'Hold a run back before its next slice',
  request: { params: runId },
  responses: accepts(z.object({ run: z.string() }), 'It stays paused, over restarts too, until it is resumed.'),
})

const resume = route('operator', {
  method: 'post',
  path: '/api/v1/runs/{id}/resume',
  tags: ['runs'],
  summary: 'Let a paused run go on',
  request: { params: runId },
  responses: accepts(z.object({ run: z.string() }), 'It goes on where it was.'),
})

export interface Runs {
  readonly snapshot: () => Snapshot
  readonly now: () => Date
  readonly reads: Pick<Reads, 'runs' | 'run' | 'differences'>
  readonly actions: Pick<Actions, 'requestRun' | 'cancelRun' | 'pauseRun' | 'resumeRun'>
}

export const runRoutes = ({ snapshot, now, reads, actions }: Runs) =>
  routes()
    .openapi(list, async (c) => {
      const { limit, pair, pipeline } = c.req.valid('query')
      const runs = await reads.runs({
        limit,
        ...(pair !== undefined && { pair }),
        ...(pipeline !== undefined && { pipeline }),
      })
      if (runs.length === 0) refuseUnknown(snapshot(), pair, pipeline)
      return c.json({ now: now().toISOString(), runs: runs.map(summaryOf) }, 200)
    })
    .openapi(request, async (c) => {
      const { id } = c.req.valid('param')
      refuseUnknown(snapshot(), id, undefined)
      const { mode, seed } = c.req.valid('json')
      const run = await actions.requestRun({
        pair: id,
        ...(mode && { mode }),
        ...(seed && { seed }),
        actor: c.get('who').name,
        // Only browsers say where a request comes from.
        trigger: c.req.header('sec-fetch-site') ? 'dashboard' : 'api',
      })
      return c.json({ run }, 202)
    })
    .openapi(one, async (c) => {
      const row = await runNamed(reads, c.req.valid('param').id)
      return c.json(runOf(row, placeOf(snapshot(), row), now()), 200)
    })
    .openapi(differences, async (c) => {
      const row = await runNamed(reads, c.req.valid('param').id)
      const { offset, limit, ...filter } = c.req.valid('query')
      const page = await reads.differences(row.id, { offset, limit, ...filterOf(filter) })
      return c.json(differencesOf(page, row, placeOf(snapshot(), row).pair, offset), 200)
    })
    .openapi(cancel, async (c) => {
      const row = await runNamed(reads, c.req.valid('param').id)
      await actions.cancelRun(row.id, c.get('who').name)
      return c.json({ run: row.id }, 202)
    })
    .openapi(pause, async (c) => {
      const row = await runNamed(reads, c.req.valid('param').id)
      await actions.pauseRun(row.id, c.get('who').name)
      return c.json({ run: row.id }, 202)
    })
    .openapi(resume, async (c) => {
      const row = await runNamed(reads, c.req.valid('param').id)
      await actions.resumeRun(row.id, c.get('who').name)
      return c.json({ run: row.id }, 202)
    })

/** @throws Fault `not_found`. */
export async function runNamed(reads: Pick<Reads, 'run'>, id: string): Promise<RunDetailRow> {
  const row = await reads.run(id)
  if (row) return row
  throw new Fault('not_found', `There is no run "${id}".`, {
    hint: 'GET /api/v1/runs lists them; old ones are removed.',
  })
}

export const placeOf = ({ catalog }: Snapshot, row: RunDetailRow): RunPlace => {
  const pipeline = catalog.pipelines.find(({ id }) => id === row.pipeline)
  return { pipeline, pair: pipeline?.pairs.find(({ id }) => id === row.pair) }
}

/** A misspelt name must not look like a pair that was never compared. */
function refuseUnknown({ catalog }: Snapshot, pair: string | undefined, pipeline: string | undefined): void {
  if (pipeline !== undefined && !catalog.pipelines.some(({ id }) => id === pipeline)) {
    throw new Fault('not_found', `There is no pipeline "${pipeline}".`, { hint: 'GET /api/v1/overview lists them.' })
  }
  if (pair !== undefined && !catalog.pipelines.some(({ pairs }) => pairs.some(({ id }) => id === pair))) {
    throw new Fault('not_found', `There is no pair "${pair}".`, {
      hint: 'Each pipeline in GET /api/v1/pipelines/{id} lists its own.',
    })
  }
}
