import { z } from '@hono/zod-openapi'
import { Fault } from '../fault.ts'
import type { Actions, DifferenceRow, Reads, RunDetailRow, Snapshot } from './reads.ts'
import { accepts, answers, byId, route, routes } from './route.ts'
import { differenceOf, differencesOf, runOf, summaryOf, type RunPlace } from './run.ts'
import { differencesView, runsView, runView } from './views.ts'

/** The path of one run. Ids are UUIDs, and the store refuses anything else in words of its own. */
export const runId = z.strictObject({ id: z.guid('is not the id of a run') })
const count = (max: number) => z.coerce.number<string>().pipe(z.int().min(0).max(max))
const limitMax = 500
const offsetMax = 100_000_000

// Widened: the framework's types would otherwise take anything that ends in `json` for JSON.
const ndjson: string = 'application/x-ndjson'

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
          schema: z.strictObject({ mode: z.enum(['full', 'incremental', 'sample']).optional() }),
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
      kind: z.enum(['missing', 'extra', 'changed']).optional(),
    }),
  },
  responses: answers(differencesView, '`total` counts all that are kept of this kind.'),
})

const file = route('viewer', {
  method: 'get',
  path: '/api/v1/runs/{id}/differences.ndjson',
  tags: ['runs'],
  summary: 'Every kept difference, one JSON object a line',
  description: 'A stream that ends early was cut off by an error: the connection is broken, never quietly closed.',
  request: { params: runId },
  responses: {
    200: {
      description: 'Each line is a Difference.',
      content: { [ndjson]: { schema: z.string() } },
    },
  },
})

const cancel = route('operator', {
  method: 'post',
  path: '/api/v1/runs/{id}/cancel',
  tags: ['runs'],
  summary: 'Stop a run',
  request: { params: runId },
  responses: accepts(z.object({ run: z.string() }), 'It stops at its next step; what it has written stays written.'),
})

export interface Runs {
  readonly snapshot: () => Snapshot
  readonly now: () => Date
  readonly reads: Pick<Reads, 'runs' | 'run' | 'differences' | 'allDifferences'>
  readonly actions: Pick<Actions, 'requestRun' | 'cancelRun'>
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
      const run = await actions.requestRun({
        pair: id,
        mode: c.req.valid('json').mode ?? 'full',
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
      const { offset, limit, kind } = c.req.valid('query')
      const page = await reads.differences(row.id, { offset, limit, ...(kind && { kind }) })
      return c.json(differencesOf(page, row, placeOf(snapshot(), row).pair, offset), 200)
    })
    .openapi(file, async (c) => {
      const row = await runNamed(reads, c.req.valid('param').id)
      const { pair } = placeOf(snapshot(), row)
      const lines = linesOf(reads.allDifferences(row.id), (each) => JSON.stringify(differenceOf(each, row, pair)))
      return c.body(lines, 200, {
        'Content-Type': ndjson,
        'Content-Disposition': `attachment; filename="differences-${row.id}.ndjson"`,
      })
    })
    .openapi(cancel, async (c) => {
      const row = await runNamed(reads, c.req.valid('param').id)
      await actions.cancelRun(row.id, c.get('who').name)
      return c.json({ run: row.id }, 202)
    })

/** @throws Fault `not_found`. */
async function runNamed(reads: Pick<Reads, 'run'>, id: string): Promise<RunDetailRow> {
  const row = await reads.run(id)
  if (row) return row
  throw new Fault('not_found', `There is no run "${id}".`, {
    hint: 'GET /api/v1/runs lists them; old ones are removed.',
  })
}

const placeOf = ({ catalog }: Snapshot, row: RunDetailRow): RunPlace => {
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

/** One batch is read only when the one before has been taken. An error breaks the stream: an end would look like all. */
function linesOf(batches: AsyncIterable<readonly DifferenceRow[]>, line: (row: DifferenceRow) => string) {
  const encoder = new TextEncoder()
  const iterator = batches[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next()
      if (done) return controller.close()
      controller.enqueue(encoder.encode(value.map((row) => `${line(row)}\n`).join('')))
    },
    async cancel() {
      await iterator.return?.()
    },
  })
}
