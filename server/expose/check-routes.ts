import { Fault } from '../fault.ts'
import { checkOf } from './checks.ts'
import type { Actions, CatalogCheck, Snapshot } from './reads.ts'
import { answers, byId, route, routes } from './route.ts'
import { checkRunView } from './views.ts'

const run = route('operator', {
  method: 'post',
  path: '/api/v1/checks/{id}/run',
  tags: ['checks'],
  summary: 'Run a check now',
  description: 'It counts like any other run of the check: it is stored, judged and shown.',
  request: { params: byId('A check, as `<pipeline>.<name>`.') },
  responses: answers(checkRunView, 'Where the check stands now, and what was asked and answered.'),
})

export interface CheckRuns {
  readonly snapshot: () => Snapshot
  readonly now: () => Date
  readonly actions: Pick<Actions, 'runCheck'>
}

export const checkRoutes = ({ snapshot, now, actions }: CheckRuns) =>
  routes().openapi(run, async (c) => {
    const check = checkNamed(snapshot(), c.req.valid('param').id)
    const { standing, trace } = await actions.runCheck(check.id)
    return c.json({ check: checkOf(snapshot(), check, now(), standing), trace: [...trace] }, 200)
  })

/** @throws Fault `not_found`: only checks of the config can be run, never a target somebody types. */
export function checkNamed({ catalog }: Snapshot, id: string): CatalogCheck {
  const found = catalog.pipelines.flatMap(({ checks }) => checks).find((check) => check.id === id)
  if (found) return found
  throw new Fault('not_found', `There is no check "${id}".`, {
    hint: 'Each pipeline in GET /api/v1/pipelines/{id} lists its own.',
  })
}
