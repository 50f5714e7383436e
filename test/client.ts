import type { z } from 'zod'
import type {
  differencesView,
  overviewView,
  pipelineView,
  runsView,
  runView,
  alertsView,
} from '../server/expose/views.ts'
import { eventually } from './services/process.ts'

export type Run = z.infer<typeof runView>
export type Differences = z.infer<typeof differencesView>

/** What is asked of a server under test: its address, whoever started it. */
interface Served {
  get(path: string, init?: RequestInit): Promise<Response>
}

const ended = ['waiting', 'done', 'failed', 'cancelled']

/** A program that talks to the API, as a user's automation would. Anything but 2xx is an error with the answer in it. */
export function client(server: Served) {
  const ask = async <Answer>(path: string, init?: RequestInit): Promise<Answer> => {
    const response = await server.get(path, init)
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
    return (await response.json()) as Answer
  }
  const post = <Answer>(path: string, body: unknown = {}) =>
    ask<Answer>(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const run = (id: string) => ask<Run>(`/api/v1/runs/${id}`)
  /** Waits while the server is restarted under our feet: a refused connection is asked again. */
  const runWhen = (id: string, what: string, holds: (run: Run) => boolean, withinMs = 60_000) =>
    eventually(
      `run ${id} to be ${what}`,
      async () => {
        const found = await run(id).catch((thrown: unknown) => {
          if (thrown instanceof TypeError) return undefined
          throw thrown
        })
        return found && holds(found) ? found : undefined
      },
      withinMs,
    )
  return {
    ask,
    post,
    run,
    runWhen,
    request: async (pair: string) => (await post<{ run: string }>(`/api/v1/pairs/${pair}/runs`)).run,
    ended: (id: string, withinMs?: number) => runWhen(id, 'at its end', ({ state }) => ended.includes(state), withinMs),
    approveAll: async (id: string) =>
      (await post<{ decided: number }>(`/api/v1/runs/${id}/corrections/approve`, { all: true })).decided,
    overview: () => ask<z.infer<typeof overviewView>>('/api/v1/overview'),
    pipeline: (id: string) => ask<z.infer<typeof pipelineView>>(`/api/v1/pipelines/${id}`),
    runs: async (pair: string) => (await ask<z.infer<typeof runsView>>(`/api/v1/runs?pair=${pair}`)).runs,
    alerts: () => ask<z.infer<typeof alertsView>>('/api/v1/alerts'),
    differences: (id: string, offset = 0) =>
      ask<Differences>(`/api/v1/runs/${id}/differences?offset=${offset}&limit=500`),
  }
}

export type Client = ReturnType<typeof client>
