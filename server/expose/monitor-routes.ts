import { z } from '@hono/zod-openapi'
import { checkNamed } from './check-routes.ts'
import { metricsType, type Metrics } from './metrics.ts'
import { probeText } from './probe-text.ts'
import type { Actions, Readiness, Snapshot } from './reads.ts'
import type { After } from './feed.ts'
import { route, routes } from './route.ts'

const tags = ['monitoring']
const text = (description: string) => ({ description, content: { 'text/plain': { schema: z.string() } } })

const metricsRoute = route('viewer', {
  method: 'get',
  path: '/metrics',
  tags,
  summary: 'Everything live, as Prometheus text 0.0.4',
  responses: { 200: text('Drawn from memory: it answers while checks hang and runs go on.') },
})

const probe = route('viewer', {
  method: 'get',
  path: '/probe',
  tags,
  summary: 'One check now, the way the blackbox exporter answers',
  request: {
    query: z.strictObject({
      check: z.string().min(1).max(200).describe('A check of the config, as `<pipeline>.<name>`; never an address.'),
      debug: z.enum(['true', 'false']).optional().describe('Says what was asked and answered as well.'),
    }),
  },
  responses: { 200: text('`probe_success` is always there, also when the check fails or takes too long.') },
})

const live = route('public', {
  method: 'get',
  path: '/livez',
  tags,
  summary: 'Whether this process answers at all',
  responses: { 200: text('Always `ok`; restart it when nothing comes.') },
})

const readiness = z
  .object({
    ready: z.boolean(),
    store: z.object({ ok: z.boolean(), detail: z.string() }),
    scheduler: z.object({ ok: z.boolean(), detail: z.string() }),
    note: z.string().nullable(),
  })
  .openapi('Readiness')

const ready = route('public', {
  method: 'get',
  path: '/readyz',
  tags,
  summary: 'Whether it can do its work: the store answers and the scheduler is on time',
  responses: {
    200: { description: 'Ready.', content: { 'application/json': { schema: readiness } } },
    503: {
      description: 'Not ready; the details say which part.',
      content: { 'application/json': { schema: readiness } },
    },
  },
})

export interface Monitoring {
  readonly snapshot: () => Snapshot
  readonly now: () => Date
  readonly metrics: Metrics
  readonly readiness: () => Promise<Readiness>
  readonly actions: Pick<Actions, 'runCheck'>
  readonly after: After
}

const readyTimeoutMs = 2_000
const embeddedNote = 'The embedded store is for one process and for trying out; production is Postgres.'

export const monitorRoutes = ({ snapshot, now, metrics, readiness: look, actions, after }: Monitoring) =>
  routes()
    .openapi(metricsRoute, async (c) => {
      return c.text(await metrics.render(snapshot(), now()), 200, {
        'Content-Type': metricsType,
        'Cache-Control': 'no-store',
      })
    })
    .openapi(probe, async (c) => {
      const { check: id, debug } = c.req.valid('query')
      const check = checkNamed(snapshot(), id)
      const limitMs = scrapeLimitMs(c.req.header('x-prometheus-scrape-timeout-seconds'))
      const run = actions.runCheck(check.id)
      const outcome = limitMs === undefined ? await run : await within(run, limitMs, after)
      return c.text(await probeText(check, outcome, debug === 'true', limitMs), 200, { 'Content-Type': metricsType })
    })
    .openapi(live, (c) => c.text('ok', 200))
    .openapi(ready, async (c) => {
      const { store, scheduler } = await answered(look, after)
      const isReady = store.ok && scheduler.ok
      const note = snapshot().monitor.store === 'embedded' ? embeddedNote : null
      return c.json({ ready: isReady, store, scheduler, note }, isReady ? 200 : 503)
    })

/** Half a second before Prometheus gives up: an answer it does not wait for has no `probe_success` at all. */
function scrapeLimitMs(header: string | undefined): number | undefined {
  const seconds = Number(header)
  return header && seconds > 0 ? Math.max(100, (seconds - 0.5) * 1_000) : undefined
}

async function within<T>(work: Promise<T>, ms: number, after: After): Promise<T | undefined> {
  // Its own failure is told when it is raced, and must not be an unhandled rejection when it loses.
  work.catch(() => {})
  let callOff = () => {}
  const late = new Promise<undefined>((resolve) => (callOff = after(ms, () => resolve(undefined))))
  try {
    return await Promise.race([work, late])
  } finally {
    callOff()
  }
}

async function answered(look: () => Promise<Readiness>, after: After): Promise<Readiness> {
  const silent = (detail: string): Readiness => ({
    store: { ok: false, detail },
    scheduler: { ok: false, detail: 'not known while the store does not answer' },
  })
  try {
    return (await within(look(), readyTimeoutMs, after)) ?? silent(`no answer within ${readyTimeoutMs} ms`)
  } catch {
    // The cause may name an address; the log has it.
    return silent('it refuses to answer; see the log')
  }
}
