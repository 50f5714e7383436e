import { z } from '@hono/zod-openapi'
import { Fault } from '../fault.ts'
import { alertOf, alertsOf } from './alerts.ts'
import type { Actions, Reads, Snapshot } from './reads.ts'
import { answers, body, byId, route, routes } from './route.ts'
import { alertsView, alertView } from './views.ts'

const recentMax = 100
const commentMax = 2_000

const list = route('viewer', {
  method: 'get',
  path: '/api/v1/alerts',
  tags: ['alerts'],
  summary: 'Open alerts, and those that ended lately',
  responses: answers(alertsView, 'With every notice and how its delivery went.'),
})

const acknowledge = route('operator', {
  method: 'post',
  path: '/api/v1/alerts/{id}/acknowledge',
  tags: ['alerts'],
  summary: 'Say that somebody looks after it',
  request: {
    params: byId('An open alert.'),
    body: body(z.strictObject({ comment: z.string().max(commentMax).default('') })),
  },
  responses: answers(alertView, 'The alert as it is now. It goes on being judged, and its end is told.'),
})

export interface Alerts {
  readonly snapshot: () => Snapshot
  readonly now: () => Date
  readonly reads: Pick<Reads, 'alerts' | 'alert'>
  readonly actions: Pick<Actions, 'acknowledge'>
}

export const alertRoutes = ({ snapshot, now, reads, actions }: Alerts) =>
  routes()
    .openapi(list, async (c) => c.json(alertsOf(await reads.alerts({ recentMax }), snapshot().catalog, now()), 200))
    .openapi(acknowledge, async (c) => {
      const { id } = c.req.valid('param')
      await actions.acknowledge({ incident: id, actor: c.get('who').name, comment: c.req.valid('json').comment })
      const row = await reads.alert(id)
      if (!row) throw new Fault('not_found', `There is no alert "${id}".`, { hint: 'GET /api/v1/alerts lists them.' })
      return c.json(alertOf(row, snapshot().catalog), 200)
    })
