import { bodyLimit } from 'hono/body-limit'
import { compress } from 'hono/compress'
import { z } from '@hono/zod-openapi'
import { Fault } from '../fault.ts'
import { alertRoutes } from './alert-routes.ts'
import { checkRoutes } from './check-routes.ts'
import { correctionRoutes } from './correction-routes.ts'
import { docsPage, docsPolicy } from './docs-page.ts'
import { documentOf } from './document.ts'
import { eventRoutes } from './event-routes.ts'
import { exportRoutes } from './export-routes.ts'
import type { After, Feed } from './feed.ts'
import { gate } from './gate.ts'
import type { Metrics } from './metrics.ts'
import { monitorRoutes } from './monitor-routes.ts'
import { overviewRoutes } from './overview-routes.ts'
import { pages } from './pages.ts'
import { answerFault, answerThrown, type Complain } from './problem.ts'
import type { Actions, Readiness, Reads, Snapshot, Tokens } from './reads.ts'
import { leastRoles, route, routeId, routes } from './route.ts'
import { rememberTokens } from './remembered-tokens.ts'
import { runRoutes } from './run-routes.ts'
import { secure } from './secure.ts'
import { sessionRoutes } from './session-routes.ts'

const bodyMaxBytes = 512 * 1_024

/** All that the HTTP side needs; main.ts supplies it. */
export interface Exposed {
  readonly snapshot: () => Snapshot
  readonly reads: Reads
  readonly actions: Actions
  readonly tokens: Tokens
  readonly readiness: () => Promise<Readiness>
  readonly feed: Feed
  readonly metrics: Metrics
  /** Whether we listen on a loopback address only; see `guardBinding`. */
  readonly loopback: boolean
  /** Where the built dashboard is. */
  readonly web: string
  readonly now: () => Date
  readonly after: After
  readonly complain: Complain
}

/** Every route, chained so that their types reach a client: `hc<Api>('http://…')`. */
const chained = (exposed: Exposed) =>
  routes()
    .route('/', overviewRoutes(exposed))
    .route('/', checkRoutes(exposed))
    .route('/', runRoutes(exposed))
    .route('/', exportRoutes(exposed))
    .route('/', correctionRoutes(exposed))
    .route('/', alertRoutes(exposed))
    .route('/', sessionRoutes(exposed))
    .route('/', eventRoutes(exposed.feed))
    .route('/', monitorRoutes(exposed))

export type Api = ReturnType<typeof chained>

const documentRoute = route('viewer', {
  method: 'get',
  path: '/api/v1/openapi.json',
  tags: ['documentation'],
  summary: 'This API as an OpenAPI 3.1 document',
  responses: { 200: { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: z.any() } } } },
})

const docsRoute = route('viewer', {
  method: 'get',
  path: '/api/v1/docs',
  tags: ['documentation'],
  summary: 'The same to read',
  responses: { 200: { description: 'A page without scripts.', content: { 'text/html': { schema: z.string() } } } },
})

/** The whole HTTP side: gate, API, metrics, health and pages. It opens nothing; serve.ts does. */
export function createApi(exposed: Exposed) {
  const api = chained(exposed)
    .openapi(documentRoute, (c) => c.json(document, 200))
    .openapi(docsRoute, (c) => c.html(page, 200, { 'Content-Security-Policy': docsPolicy }))
  const document = documentOf(api)
  const page = String(docsPage(document))
  const least = leastRoles(api)

  const all = routes()
  all.use(secure)
  all.use(compress())
  all.use(
    bodyLimit({
      maxSize: bodyMaxBytes,
      onError: (c) =>
        answerFault(
          c,
          new Fault('limit_reached', `The body is larger than ${bodyMaxBytes} bytes.`, {
            hint: 'Send fewer ids at once, or `all: true`.',
          }),
          413,
        ),
    }),
  )
  const access = { ...exposed, tokens: rememberTokens(exposed.tokens, exposed.after) }
  all.use(gate(access, (method, path) => (path === '/*' ? 'public' : least.get(routeId(method, path)))))
  all.route('/', api)
  all.all('/api/*', (c) => {
    throw new Fault('not_found', `There is nothing at ${c.req.method} ${c.req.path}.`, {
      hint: 'GET /api/v1/docs lists every route.',
    })
  })
  all.get('/*', pages(exposed.web))
  all.notFound((c) =>
    answerFault(
      c,
      new Fault('not_found', `There is nothing at ${c.req.method} ${c.req.path}.`, { hint: 'GET / is the dashboard.' }),
    ),
  )
  all.onError(answerThrown(exposed.complain))
  return { app: all, document, least }
}
