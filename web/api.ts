import type { z } from 'zod'
import type {
  alertsView,
  alertView,
  checkRunView,
  checkView,
  differencesView,
  differenceView,
  hopView,
  overviewView,
  pairView,
  pipelineRow,
  pipelineView,
  problemView,
  runsView,
  runSummary,
  runView,
  seriesView,
  sessionView,
  signalView,
  state,
} from '../server/expose/views.ts'

export type State = z.infer<typeof state>
export type Signal = z.infer<typeof signalView>
export type PipelineRow = z.infer<typeof pipelineRow>
export type Overview = z.infer<typeof overviewView>
export type Pipeline = z.infer<typeof pipelineView>
export type Check = z.infer<typeof checkView>
export type CheckRun = z.infer<typeof checkRunView>
export type Pair = z.infer<typeof pairView>
export type Hop = z.infer<typeof hopView>
export type Series = z.infer<typeof seriesView>
export type Track = Series['tracks'][number]
export type RunSummary = z.infer<typeof runSummary>
export type Runs = z.infer<typeof runsView>
export type Run = z.infer<typeof runView>
export type Difference = z.infer<typeof differenceView>
export type Differences = z.infer<typeof differencesView>
export type Alert = z.infer<typeof alertView>
export type Alerts = z.infer<typeof alertsView>
export type Session = z.infer<typeof sessionView>
type Problem = z.infer<typeof problemView>

/** An answer slower than this is taken as none. */
const answerTimeoutMs = 20_000

/** Why a request was refused or never answered. `status` is 0 when there was no answer at all. */
export class RequestFault extends Error {
  override readonly name = 'RequestFault'
  readonly status: number
  readonly code: string
  readonly hint: string

  constructor({ status, code, message, hint }: Omit<Problem, 'type'>) {
    super(message)
    this.status = status
    this.code = code
    this.hint = hint
  }
}

async function ask<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const deadline = AbortSignal.timeout(answerTimeoutMs)
  const answer = await fetch(`/api/v1${path}`, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
    signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
  }).catch((cause: unknown) => {
    throw new RequestFault({
      status: 0,
      code: 'unreachable',
      message: deadline.aborted ? 'The server did not answer in time.' : 'The server could not be reached.',
      hint: String(cause),
    })
  })
  if (!answer.ok) throw await faultOf(answer)
  // Empty bodies belong to verbs whose answer nobody reads; every GET of the contract has one.
  const text = await answer.text()
  return (text === '' ? undefined : JSON.parse(text)) as T
}

async function faultOf(answer: Response): Promise<RequestFault> {
  const said = `The server answered ${answer.status}.`
  const problem = (await answer.json().catch(() => ({}))) as Partial<Problem>
  return new RequestFault({
    status: answer.status,
    code: problem.code ?? 'unexplained',
    message: problem.message ?? said,
    hint: problem.hint ?? '',
  })
}

const get = <T>(path: string, signal?: AbortSignal) => ask<T>('GET', path, undefined, signal)
const post = <T = void>(path: string, body: unknown = {}) => ask<T>('POST', path, body)
const part = encodeURIComponent

const query = (values: Record<string, string | number | undefined>): string => {
  const given = new URLSearchParams()
  for (const [key, value] of Object.entries(values)) if (value !== undefined) given.set(key, String(value))
  return given.size > 0 ? `?${given}` : ''
}

/** Which of the kept differences of a run: of one kind, or in a part of the key space, both ends included. */
export interface DifferenceFilter {
  readonly kind?: string
  readonly from?: string
  readonly to?: string
}

/** Which corrections of a run: the named ones, or all that wait. */
export type Choice = { readonly ids: readonly string[] } | { readonly all: true }

/** The server, as the dashboard knows it. Every call throws a `RequestFault`. */
export const api = {
  overview: (signal?: AbortSignal) => get<Overview>('/overview', signal),
  pipeline: (id: string, signal?: AbortSignal) => get<Pipeline>(`/pipelines/${part(id)}`, signal),
  series: (id: string, from: Date, to: Date, signal?: AbortSignal) =>
    get<Series>(`/pipelines/${part(id)}/series${query({ from: from.toISOString(), to: to.toISOString() })}`, signal),
  runCheck: (id: string) => post<CheckRun>(`/checks/${part(id)}/run`),
  runs: (about: { pair?: string; pipeline?: string; limit?: number }, signal?: AbortSignal) =>
    get<Runs>(`/runs${query(about)}`, signal),
  run: (id: string, signal?: AbortSignal) => get<Run>(`/runs/${part(id)}`, signal),
  startRun: (pair: string) => post<{ run: string }>(`/pairs/${part(pair)}/runs`),
  cancelRun: (id: string) => post(`/runs/${part(id)}/cancel`),
  pauseRun: (id: string) => post(`/runs/${part(id)}/pause`),
  resumeRun: (id: string) => post(`/runs/${part(id)}/resume`),
  differences: (id: string, page: DifferenceFilter & { offset: number; limit: number }, signal?: AbortSignal) =>
    get<Differences>(`/runs/${part(id)}/differences${query({ ...page })}`, signal),
  differencesFile: (id: string, kind: 'csv' | 'ndjson' | 'sql', about: DifferenceFilter & { side?: string }) =>
    `/api/v1/runs/${part(id)}/differences.${kind}${query({ ...about })}`,
  approve: (run: string, choice: Choice) => post(`/runs/${part(run)}/corrections/approve`, choice),
  reject: (run: string, choice: Choice) => post(`/runs/${part(run)}/corrections/reject`, choice),
  alerts: (signal?: AbortSignal) => get<Alerts>('/alerts', signal),
  acknowledge: (alert: string, comment: string) => post(`/alerts/${part(alert)}/acknowledge`, { comment }),
  session: () => get<Session>('/session'),
  signIn: (token: string) => post<Session>('/session', { token }),
  signOut: () => ask<void>('DELETE', '/session'),
}
