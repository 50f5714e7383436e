import type { OpenAPIHono } from '@hono/zod-openapi'
import type { Env } from './gate.ts'
import { problemView } from './views.ts'

type Document = ReturnType<OpenAPIHono<Env>['getOpenAPI31Document']>

const methods = ['get', 'post', 'put', 'patch', 'delete'] as const

const about = [
  'Watches data-sync pipelines that already exist, and reconciles their two copies.',
  'Every refusal is a Problem with a `code` from a closed list, what happened, and what to do.',
  'Where tokens exist, send one as `Authorization: Bearer tly_…`.',
].join(' ')

/** The OpenAPI 3.1 document of a finished API. */
export function documentOf(api: OpenAPIHono<Env>): Document {
  api.openAPIRegistry.register('Problem', problemView)
  api.openAPIRegistry.registerComponent('securitySchemes', 'token', { type: 'http', scheme: 'bearer' })
  const document = api.getOpenAPI31Document({
    openapi: '3.1.0',
    info: { title: 'Tallyman', version: '1', description: about, license: { name: 'Apache-2.0' } },
  })
  for (const path of Object.values(document.paths ?? {})) {
    for (const method of methods) {
      const operation = path[method]
      if (!operation) continue
      const least: unknown = (operation as Record<string, unknown>)['x-least-role']
      operation.security = least === 'public' ? [] : [{ token: [] }]
      operation.responses = {
        ...operation.responses,
        default: {
          description: 'It was refused, or could not be done.',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      }
    }
  }
  return document
}
