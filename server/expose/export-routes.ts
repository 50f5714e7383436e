import { z } from '@hono/zod-openapi'
import { differenceCsv } from '../reconcile/csv.ts'
import type { Actions, DifferenceRow, Reads, RunDetailRow, Snapshot } from './reads.ts'
import { route, routes } from './route.ts'
import { differenceFilter, filterOf, placeOf, runId, runNamed } from './run-routes.ts'
import { differenceOf } from './run.ts'
import { shortfallOf } from './shortfall.ts'

// Widened: the framework's types would otherwise take anything that ends in `json` for JSON.
const types: Readonly<Record<'ndjson' | 'csv' | 'sql', string>> = {
  ndjson: 'application/x-ndjson',
  csv: 'text/csv; charset=utf-8; header=present',
  sql: 'application/sql; charset=utf-8',
}

const whole =
  'It is read page by page while it is sent. A stream that ends early was cut off by an error: the connection is broken, never quietly closed. What the run could not keep or read is told in the first line and in the header `Tallyman-Incomplete`.'

const answer = (kind: keyof typeof types, description: string) => ({
  200: { description, content: { [types[kind]]: { schema: z.string() } } },
})

const lines = route('viewer', {
  method: 'get',
  path: '/api/v1/runs/{id}/differences.ndjson',
  tags: ['runs'],
  summary: 'Every kept difference, one JSON object a line',
  description: whole,
  request: { params: runId, query: z.strictObject(differenceFilter) },
  responses: answer('ndjson', 'Each line is a Difference, but for a first line `{"incomplete": "why"}`.'),
})

const sheet = route('viewer', {
  method: 'get',
  path: '/api/v1/runs/{id}/differences.csv',
  tags: ['runs'],
  summary: 'Every kept difference as CSV, a record a differing field',
  description: `${whole} RFC 4180 in UTF-8. \`source_is\` and \`target_is\` say value, null or no row. A text that a spreadsheet would take for a formula, or that begins with an apostrophe, has one apostrophe before it.`,
  request: { params: runId, query: z.strictObject(differenceFilter) },
  responses: answer('csv', 'A header, then row, kind, key, column and the value of each side.'),
})

const script = route('operator', {
  method: 'get',
  path: '/api/v1/runs/{id}/differences.sql',
  tags: ['runs'],
  summary: "Statements that would make one side the other's, each guarded",
  description: `${whole} Both databases are asked what their tables are now; nothing is written. Each statement does nothing when its row is no longer as it was compared.`,
  request: {
    params: runId,
    query: z.strictObject({
      side: z.enum(['source', 'target']).describe('The side that the statements are for.'),
      ...differenceFilter,
    }),
  },
  responses: answer('sql', 'A statement a difference, in the SQL of that side.'),
})

interface Exports {
  readonly snapshot: () => Snapshot
  readonly reads: Pick<Reads, 'run' | 'allDifferences'>
  readonly actions: Pick<Actions, 'script'>
}

export const exportRoutes = ({ snapshot, reads, actions }: Exports) =>
  routes()
    .openapi(lines, async (c) => {
      const row = await runNamed(reads, c.req.valid('param').id)
      const { pair } = placeOf(snapshot(), row)
      const first = shortfallOf(row)
      const rows = reads.allDifferences(row.id, filterOf(c.req.valid('query')))
      const text = (each: unknown) => `${JSON.stringify(each)}\n`
      const file = written(first ? text({ incomplete: first }) : '', rows, (each) =>
        text(differenceOf(each, row, pair)),
      )
      return c.body(streamOf(file), 200, headersOf(row, 'ndjson'))
    })
    .openapi(sheet, async (c) => {
      const row = await runNamed(reads, c.req.valid('param').id)
      const rows = reads.allDifferences(row.id, filterOf(c.req.valid('query')))
      const names = placeOf(snapshot(), row).pair?.key ?? []
      return c.body(streamOf(csvOf(rows, names, shortfallOf(row))), 200, headersOf(row, 'csv'))
    })
    .openapi(script, async (c) => {
      const row = await runNamed(reads, c.req.valid('param').id)
      const { side, ...query } = c.req.valid('query')
      const request = { run: row.id, on: side, filter: filterOf(query), signal: c.req.raw.signal }
      const statements = await actions.script(request)
      const first = shortfallOf(row)
      return c.body(streamOf(headed(first ? `-- ${first}\n` : '', statements)), 200, headersOf(row, 'sql', `-${side}`))
    })

const headersOf = (row: RunDetailRow, kind: keyof typeof types, about = '') => {
  const short = shortfallOf(row)
  return {
    'Content-Type': types[kind],
    'Content-Disposition': `attachment; filename="differences-${row.id}${about}.${kind}"`,
    'Tallyman-Kept': String(row.kept.items),
    ...(short ? { 'Tallyman-Incomplete': short } : {}),
  }
}

async function* headed(first: string, parts: AsyncIterable<string>) {
  if (first) yield first
  yield* parts
}

async function* written(
  first: string,
  batches: AsyncIterable<readonly DifferenceRow[]>,
  text: (row: DifferenceRow) => string,
) {
  if (first) yield first
  for await (const rows of batches) yield rows.map(text).join('')
}

/** A run outlives the pair that names its key: then the key is told by place, as many as the first difference has. */
async function* csvOf(batches: AsyncIterable<readonly DifferenceRow[]>, names: readonly string[], short?: string) {
  let csv: ReturnType<typeof differenceCsv> | undefined
  const open = (key: readonly string[]) => {
    csv = differenceCsv(key.map((_, place) => names[place] ?? `${place + 1}`))
    return `${short ? `"# ${short}"\r\n` : ''}${csv.head()}`
  }
  for await (const rows of batches) {
    if (!csv) yield open(rows[0]!.difference.key)
    yield rows.map(({ difference }) => csv!.lines(difference)).join('')
  }
  if (!csv) yield open(names)
}

/** One batch is read only when the one before has been taken. An error breaks the stream: an end would look like all. */
function streamOf(parts: AsyncIterable<string>) {
  const encoder = new TextEncoder()
  const iterator = parts[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next()
      if (done) return controller.close()
      controller.enqueue(encoder.encode(value))
    },
    async cancel() {
      await iterator.return?.()
    },
  })
}
