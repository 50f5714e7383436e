import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { Fault, type FaultCode } from '../fault.ts'

/** What HTTP calls each fault. */
const statusOf: Readonly<Record<FaultCode, ContentfulStatusCode>> = {
  apply_failed: 502,
  bad_request: 400,
  cancelled: 409,
  config_invalid: 422,
  conflict: 409,
  forbidden: 403,
  guard_tripped: 409,
  internal: 500,
  limit_reached: 429,
  not_found: 404,
  not_ready: 503,
  probe_failed: 502,
  probe_timeout: 504,
  store_locked: 503,
  store_unavailable: 503,
  system_auth: 502,
  system_error: 502,
  system_permission: 502,
  system_timeout: 504,
  system_unreachable: 502,
  table_empty: 409,
  thing_missing: 502,
  unauthorized: 401,
  usage: 400,
}

/** Tells the log of a bug, under the id its caller was given. */
export type Complain = (message: string, cause: unknown) => void

/** The one place where a throw becomes an answer. What is not a Fault says nothing of itself but an id to find it by. */
export const answerThrown =
  (complain: Complain) =>
  (thrown: Error, c: Context): Response => {
    const fault = thrown instanceof Fault ? thrown : faultOf(thrown)
    if (fault) return answerFault(c, fault, thrown instanceof HTTPException ? thrown.status : statusOf[fault.code])
    const id = crypto.randomUUID()
    complain(`request ${id}: ${c.req.method} ${c.req.path} failed`, thrown)
    return answerFault(
      c,
      new Fault('internal', `The server met an error it does not know, request ${id}.`, {
        hint: `Look for ${id} in its log: the error is there with its stack.`,
      }),
    )
  }

export function answerFault(
  c: Context,
  fault: Pick<Fault, 'code' | 'message' | 'hint'>,
  status: ContentfulStatusCode = statusOf[fault.code],
): Response {
  const { code, message, hint } = fault
  // Headers of a stream that was about to begin must not label the problem.
  c.header('Content-Type', 'application/problem+json')
  if (status === 401) c.header('WWW-Authenticate', 'Bearer realm="tallyman"')
  return c.body(JSON.stringify({ type: `urn:tallyman:problem:${code}`, status, code, message, hint }), status)
}

/** What the framework itself refuses: a body that is not JSON, or of another type than the route takes. */
function faultOf(thrown: Error): Fault | undefined {
  if (!(thrown instanceof HTTPException) || thrown.status >= 500) return undefined
  return new Fault('bad_request', thrown.status === 415 ? 'The body is not application/json.' : thrown.message, {
    hint: 'Send a JSON body with the header content-type: application/json.',
    cause: thrown,
  })
}
