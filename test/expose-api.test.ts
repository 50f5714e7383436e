import { hc } from 'hono/client'
import { describe, expect, it } from 'vitest'
import type { Api } from '../server/expose/api.ts'
import { overviewView, pipelineView, runView, seriesView } from '../server/expose/views.ts'
import { Fault } from '../server/fault.ts'
import { alertRow, differenceUuid, runOf, runUuid, world } from './expose-world.ts'

const problemOf = async (answer: Response) => ({
  type: answer.headers.get('content-type'),
  problem: (await answer.json()) as Record<string, unknown>,
})

describe('the API over a small world', () => {
  it('answers every view in the shape it promises', async () => {
    const { request } = world()
    const get = async (path: string) => (await request(path)).json()
    expect(overviewView.parse(await get('/api/v1/overview')).pipelines).toHaveLength(1)
    expect(pipelineView.parse(await get('/api/v1/pipelines/customers')).checks).toHaveLength(2)
    expect(seriesView.parse(await get('/api/v1/pipelines/customers/series')).tracks.map(({ id }) => id)).toEqual([
      'lag', 'throughput', 'errors', 'dead-letters', 'drift',
    ]) // prettier-ignore
    expect(runView.parse(await get(`/api/v1/runs/${runUuid}`)).inFlightRows).toBe(0)
  })

  it('is typed to its client', async () => {
    const { app } = world()
    const client = hc<Api>('http://127.0.0.1:8420', {
      fetch: (input: string | URL | Request, init?: RequestInit) => {
        const request = new Request(input, init)
        request.headers.set('host', '127.0.0.1:8420')
        return app.request(request)
      },
    })
    const answer = await client.api.v1.runs[':id'].differences.$get({ param: { id: runUuid }, query: { limit: '10' } })
    const { items } = await answer.json()
    expect(items[0]?.fields.map(({ column, winner }) => `${column}: ${winner}`)).toEqual([
      'email: source',
      'phone: target',
    ])
  })

  it('queues a run in the name of who asks, and says where it can be found', async () => {
    const { post, asked } = world()
    const answer = await post('/api/v1/pairs/customers/runs', { mode: 'sample' })
    expect([answer.status, await answer.json()]).toEqual([202, { run: 'new-run' }])
    await post('/api/v1/pairs/customers/runs', undefined, { 'sec-fetch-site': 'same-origin' })
    expect(asked).toEqual([
      { requestRun: { pair: 'customers', mode: 'sample', actor: 'local', trigger: 'api' } },
      { requestRun: { pair: 'customers', actor: 'local', trigger: 'dashboard' } },
    ])
  })

  it('runs a check and tells what was asked', async () => {
    const { post } = world()
    const answer = await post('/api/v1/checks/customers.lag/run')
    expect(await answer.json()).toMatchObject({
      check: { id: 'customers.lag', state: 'ok' },
      trace: ['asked', 'answered'],
    })
  })

  it('decides about named corrections or about all that wait', async () => {
    const { post, asked } = world()
    const approve = `/api/v1/runs/${runUuid}/corrections/approve`
    expect(await (await post(approve, { ids: [differenceUuid(1)] })).json()).toEqual({ decided: 1 })
    expect(await (await post(approve.replace('approve', 'reject'), { all: true })).json()).toEqual({ decided: 1_553 })
    expect(asked).toEqual([
      { decide: { run: runUuid, verdict: 'approve', ids: [differenceUuid(1)], actor: 'local' } },
      { decide: { run: runUuid, verdict: 'reject', ids: 'all', actor: 'local' } },
    ])
  })

  it('acknowledges an alert with a comment and shows it', async () => {
    const { post, asked } = world()
    const answer = await post(`/api/v1/alerts/${alertRow().id}/acknowledge`, { comment: 'looking' })
    expect(await answer.json()).toMatchObject({ id: alertRow().id, owner: 'team-crm' })
    expect(asked).toEqual([{ acknowledge: { incident: alertRow().id, actor: 'local', comment: 'looking' } }])
  })

  it('streams every kept difference, one a line', async () => {
    const { request } = world()
    const answer = await request(`/api/v1/runs/${runUuid}/differences.ndjson`)
    const lines = (await answer.text()).trimEnd().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual([1, 2, 3].map(differenceUuid))
    expect(answer.headers.get('content-disposition')).toContain(`differences-${runUuid}.ndjson`)
  })

  it('streams them as CSV too, and says in the file and beside it what is not in it', async () => {
    const { exposed } = world()
    const run = { ...runOf(), kept: { items: 3, limit: 3, truncated: true } }
    const { request } = world({ reads: { ...exposed.reads, run: async () => run } })
    const answer = await request(`/api/v1/runs/${runUuid}/differences.csv?kind=changed&from=-5&to=99999999999999999999`)
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present')
    expect(answer.headers.get('content-disposition')).toContain(`differences-${runUuid}.csv`)
    const [first, ...lines] = (await answer.text()).split('\r\n')
    expect(first).toBe(`"# ${answer.headers.get('tallyman-incomplete')}"`)
    expect(first).toMatch(/^"# Not all differences: 3 of \d+ differences were kept with their values\."$/)
    expect(answer.headers.get('tallyman-kept')).toBe('3')
    expect(lines[0]).toBe('"row","kind","key.id","column","source","source_is","target","target_is"')
    const parsed = (await (await request(`/api/v1/runs/${runUuid}/differences.ndjson`)).text()).split('\n')
    expect(JSON.parse(parsed[0]!)).toEqual({ incomplete: answer.headers.get('tallyman-incomplete') })
  })

  it('streams only what was asked for, and nothing before the header when nothing is left out', async () => {
    const { request, asked } = world()
    const answer = await request(`/api/v1/runs/${runUuid}/differences.csv?kind=changed&from=-5&to=99999999999999999999`)
    expect(await answer.text()).toMatch(/^"row","kind"/)
    expect(answer.headers.has('tallyman-incomplete')).toBe(false)
    expect(asked).toEqual([{ allDifferences: { kind: 'changed', from: '-5', to: '99999999999999999999' } }])
  })

  it('has the statements for either side', async () => {
    const { request, asked } = world()
    const answer = await request(`/api/v1/runs/${runUuid}/differences.sql?side=source&kind=missing`)
    expect(answer.headers.get('content-disposition')).toContain(`differences-${runUuid}-source.sql`)
    expect((await answer.text()).split('\n')).toEqual(['update t;', 'delete from t;', ''])
    expect(asked).toEqual([{ script: { run: runUuid, on: 'source', filter: { kind: 'missing' } } }])
  })

  it('breaks the stream when the store fails half way, so that no part passes for the whole', async () => {
    const { exposed } = world()
    const { request } = world({
      reads: {
        ...exposed.reads,
        async *allDifferences(run, filter) {
          yield* exposed.reads.allDifferences(run, filter)
          throw new Error('gone')
        },
      },
    })
    const answer = await request(`/api/v1/runs/${runUuid}/differences.ndjson`)
    await expect(answer.text()).rejects.toThrow('gone')
  })
})

describe('a request that cannot be answered', () => {
  const refused = [
    ['GET', '/api/v1/pipelines/nobody', 404, 'not_found', 'There is no pipeline "nobody".'],
    ['GET', '/api/v1/pipelines/customers/series?from=yesterday', 400, 'bad_request', 'from: '],
    ['GET', '/api/v1/pipelines/customers/series?from=2026-11-21T02:00:00Z&to=2026-11-21T01:00:00Z', 400, 'bad_request', 'from: must be before `to`'],
    ['GET', '/api/v1/pipelines/customers/series?form=2026-11-21T02:00:00Z', 400, 'bad_request', 'Unrecognized key: "form"'],
    ['GET', `/api/v1/runs/${runUuid}/differences.sql`, 400, 'bad_request', 'side: '],
    ['GET', `/api/v1/runs/${runUuid}/differences.csv?from=1;drop`, 400, 'bad_request', 'from: is not a key of `buckets`'],
    ['GET', '/api/v1/runs?limit=501', 400, 'bad_request', 'limit: '],
    ['GET', '/api/v1/runs?limit=ten', 400, 'bad_request', 'limit: '],
    ['GET', '/api/v1/runs/1;drop', 400, 'bad_request', 'id: is not the id of a run'],
    ['GET', '/api/v1/runs/0190c7a2-7b1c-7000-8000-0000000000ff', 404, 'not_found', 'There is no run'],
    ['POST', '/api/v1/checks/evil:8080/run', 404, 'not_found', 'There is no check "evil:8080".'],
    ['POST', '/api/v1/pairs/nothing/runs', 404, 'not_found', 'There is no pair "nothing".'],
    ['GET', '/api/v1/nothing', 404, 'not_found', 'There is nothing at GET /api/v1/nothing.'],
    ['PUT', '/api/v1/overview', 404, 'not_found', 'There is nothing at PUT /api/v1/overview.'],
    ['GET', '/probe?check=elsewhere', 404, 'not_found', 'There is no check "elsewhere".'],
  ] as const // prettier-ignore

  it.each(refused)('%s %s is a problem %i %s', async (method, path, status, code, message) => {
    const { request } = world()
    const answer = await request(path, { method })
    const { type, problem } = await problemOf(answer)
    expect([answer.status, type]).toEqual([status, 'application/problem+json'])
    expect(problem).toMatchObject({ status, code, type: `urn:tallyman:problem:${code}`, hint: expect.any(String) })
    expect(problem['message']).toContain(message)
  })

  it.each([
    [{}, 'write either `ids` or `all: true`'],
    [{ ids: [], all: true }, 'ids: '],
    [{ all: false }, 'all: '],
    [{ ids: ['a;b'] }, 'ids.0: is not the id of a difference'],
    [{ ids: [differenceUuid(1)], al: true }, 'Unrecognized key: "al"'],
  ])('refuses to guess which corrections %j means', async (choice, message) => {
    const { post, asked } = world()
    const answer = await post(`/api/v1/runs/${runUuid}/corrections/approve`, choice)
    expect((await problemOf(answer)).problem).toMatchObject({ status: 400, message: expect.stringContaining(message) })
    expect(asked).toEqual([])
  })

  it('names what is wrong with a body that is not JSON', async () => {
    const { request } = world()
    const path = `/api/v1/runs/${runUuid}/corrections/approve`
    const broken = await request(path, { method: 'POST', body: '{', headers: { 'content-type': 'application/json' } })
    expect((await problemOf(broken)).problem).toMatchObject({ status: 400, code: 'bad_request' })
    const form = await request(path, { method: 'POST', body: 'all=true', headers: { 'content-type': 'text/plain' } })
    expect((await problemOf(form)).problem).toMatchObject({ status: 415, message: 'The body is not application/json.' })
  })

  it('refuses a body beyond its limit', async () => {
    const { post } = world()
    const answer = await post(`/api/v1/alerts/x/acknowledge`, { comment: 'x'.repeat(600_000) })
    expect((await problemOf(answer)).problem).toMatchObject({ status: 413, code: 'limit_reached' })
  })

  it('passes on a fault of the other rooms in its own words', async () => {
    const { exposed } = world()
    const tripped = new Fault('guard_tripped', '1 200 rows, limit 1 000.', { hint: 'Look at the run first.' })
    const { post } = world({ actions: { ...exposed.actions, decide: () => Promise.reject(tripped) } })
    const answer = await post(`/api/v1/runs/${runUuid}/corrections/approve`, { all: true })
    expect((await problemOf(answer)).problem).toMatchObject({ status: 409, message: '1 200 rows, limit 1 000.' })
  })

  it('says nothing of a bug but the id under which the log has it', async () => {
    const { exposed } = world()
    const reads = { ...exposed.reads, alerts: () => Promise.reject(new Error('postgres://u:secret@db refused')) }
    const { request, complaints } = world({ reads })
    const answer = await request('/api/v1/alerts')
    const text = await answer.text()
    expect([answer.status, text]).toEqual([500, expect.not.stringContaining('secret')])
    const id = /request ([0-9a-f-]{36})/.exec(text)?.[1]
    expect(complaints).toEqual([{ message: expect.stringContaining(id!), cause: expect.any(Error) }])
  })
})
