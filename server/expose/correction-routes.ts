import { z } from '@hono/zod-openapi'
import type { Actions } from './reads.ts'
import { answers, body, route, routes } from './route.ts'
import { runId } from './run-routes.ts'

const idsMax = 10_000

/** Which corrections: those of the named differences, or all that wait. Naming neither would be a guess. */
const choice = z
  .strictObject({
    ids: z
      .array(z.string().regex(/^[\w.-]{1,100}$/, 'is not the id of a difference'))
      .min(1)
      .max(idsMax)
      .optional()
      .describe('Ids of differences.'),
    all: z.literal(true).optional().describe('Every correction that waits.'),
  })
  .refine(({ ids, all }) => (ids === undefined) !== (all === undefined), { error: 'write either `ids` or `all: true`' })

const decided = z.object({ decided: z.int().describe('How many corrections this decided about.') })

const verb = <V extends 'approve' | 'reject'>(verdict: V, summary: string) =>
  route('operator', {
    method: 'post',
    path: `/api/v1/runs/{id}/corrections/${verdict}` as const,
    tags: ['corrections'],
    summary,
    request: { params: runId, body: body(choice) },
    responses: answers(decided, 'Those already decided are left as they are.'),
  })

const approve = verb('approve', 'Approve corrections: each is written only if its row still is as it was judged')
const reject = verb('reject', 'Reject corrections: nothing is written')

export const correctionRoutes = ({ actions }: { actions: Pick<Actions, 'decide'> }) =>
  routes()
    .openapi(approve, async (c) => {
      const { ids } = c.req.valid('json')
      const request = {
        run: c.req.valid('param').id,
        verdict: 'approve',
        ids: ids ?? 'all',
        actor: c.get('who').name,
      } as const
      return c.json({ decided: await actions.decide(request) }, 200)
    })
    .openapi(reject, async (c) => {
      const { ids } = c.req.valid('json')
      const request = {
        run: c.req.valid('param').id,
        verdict: 'reject',
        ids: ids ?? 'all',
        actor: c.get('who').name,
      } as const
      return c.json({ decided: await actions.decide(request) }, 200)
    })
