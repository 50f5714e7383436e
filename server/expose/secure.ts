import type { MiddlewareHandler } from 'hono'
import type { Env } from './gate.ts'

/**
 * Nothing from anywhere else, no inline script. Inline style attributes alone are allowed, because charts place their
 * marks with them; a style attribute cannot fetch or run anything.
 */
const policy = [
  "default-src 'self'",
  "style-src-attr 'unsafe-inline'",
  "img-src 'self' data:",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')

const headers: Readonly<Record<string, string>> = {
  'Content-Security-Policy': policy,
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
}

/**
 * Headers of every answer. No Strict-Transport-Security: whoever puts TLS before us decides that, and on plain http it
 * would lock people out.
 */
export const secure: MiddlewareHandler<Env> = async (c, next) => {
  await next()
  for (const [name, value] of Object.entries(headers)) if (!c.res.headers.has(name)) c.res.headers.set(name, value)
  if (c.req.path.startsWith('/api/') && !c.res.headers.has('Cache-Control'))
    c.res.headers.set('Cache-Control', 'no-store')
}
