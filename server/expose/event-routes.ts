import { z } from '@hono/zod-openapi'
import type { Feed } from './feed.ts'
import { route, routes } from './route.ts'

const events = route('viewer', {
  method: 'get',
  path: '/api/v1/events',
  tags: ['events'],
  summary: 'What changes, as it changes (server-sent events)',
  description:
    'Events `standing`, `run`, `alert` and `config` say that something changed, with `{ pipelines?, run? }`. They carry ' +
    'no facts: ask again for what you show. A comment every 15 s keeps the line open. Without `pipelines`, anything may ' +
    'have changed.',
  responses: {
    200: { description: 'It never ends by itself.', content: { 'text/event-stream': { schema: z.string() } } },
  },
})

export const eventRoutes = (feed: Feed) =>
  routes().openapi(events, (c) =>
    c.body(feed.open(c.req.header('last-event-id')), 200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-cache, no-transform',
      // nginx would otherwise hold events back until its buffer is full.
      'X-Accel-Buffering': 'no',
    }),
  )
