import { createRoute, OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi'
import { Fault } from '../fault.ts'
import type { Least } from './auth.ts'
import type { Env } from './gate.ts'

const leastKey = 'x-least-role'

/** Declares a route with the least role it needs; `public` is answered to anybody who may reach us at all. */
export const route = <P extends string, R extends Omit<RouteConfig, 'path'> & { path: P }>(least: Least, config: R) =>
  createRoute<P, R>({ ...config, [leastKey]: least })

/** What a route answers when all is well. Problems are the same everywhere and are added to the document once. */
export const answers = <S extends z.ZodType>(schema: S, description: string) => ({
  200: { description, content: { 'application/json': { schema } } },
})

export const accepts = <S extends z.ZodType>(schema: S, description: string) => ({
  202: { description, content: { 'application/json': { schema } } },
})

export const body = <S extends z.ZodType>(schema: S) => ({
  content: { 'application/json': { schema } },
  required: true,
})

/** A part of the API; the parts are chained in api.ts. What does not parse is refused, field by field. */
export const routes = () =>
  new OpenAPIHono<Env>({
    defaultHook(result) {
      if (result.success) return
      const place = { json: 'body', param: 'path' }[result.target as string] ?? result.target
      const problems = result.error.issues.map(
        ({ path, message }: z.core.$ZodIssue) => `${path.join('.') || place}: ${message}`,
      )
      throw new Fault('bad_request', problems.join('; '), { hint: `See the ${place} of this route in /api/v1/docs.` })
    },
  })

/** The least role of every route of a finished API, by method and path as the router writes it. */
export function leastRoles(api: OpenAPIHono<Env>): ReadonlyMap<string, Least> {
  const declared = api.openAPIRegistry.definitions.flatMap((definition): [string, Least][] => {
    if (definition.type !== 'route') return []
    const { method, path, [leastKey]: least } = definition.route as RouteConfig & { [leastKey]?: Least }
    return least ? [[routeId(method, path.replaceAll(/\{(.+?)\}/g, ':$1')), least]] : []
  })
  return new Map(declared)
}

export const routeId = (method: string, path: string): string => `${method.toUpperCase()} ${path}`

const idMax = 200

/** A path with one id in it. */
export const byId = (what: string) => z.strictObject({ id: z.string().min(1).max(idMax).describe(what) })
