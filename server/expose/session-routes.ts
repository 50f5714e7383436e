import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { deleteCookie, setCookie } from 'hono/cookie'
import { Fault } from '../fault.ts'
import { identify, local, SignInLimit } from './auth.ts'
import { sessionCookie, tokenRequired, whoAsks, type Access, type Env } from './gate.ts'
import { answers, body, route, routes } from './route.ts'
import { sessionView } from './views.ts'

const path = '/api/v1/session'
const tags = ['session']
const thirtyDays = 30 * 24 * 3_600

const look = route('public', {
  method: 'get',
  path,
  tags,
  summary: 'Who is signed in, and whether a token is needed',
  responses: answers(sessionView, 'Without a token where one is needed, `role` is null.'),
})

const signIn = route('public', {
  method: 'post',
  path,
  tags,
  summary: 'Sign in on the dashboard with a token',
  request: { body: body(z.strictObject({ token: z.string().min(1).max(200) })) },
  responses: answers(sessionView, 'The token is kept in a cookie that no script can read.'),
})

const signOut = route('public', {
  method: 'delete',
  path,
  tags,
  summary: 'Sign out',
  responses: answers(sessionView, 'The cookie is gone; the token itself still works.'),
})

export const sessionRoutes = (access: Access) => {
  const required = tokenRequired(access)
  const limit = new SignInLimit()
  return routes()
    .openapi(look, async (c) => {
      if (!(await required())) return c.json({ required: false, role: local.role, name: local.name }, 200)
      const who = await whoAsks(c, access.tokens)
      return c.json({ required: true, role: who?.role ?? null, name: who?.name ?? null }, 200)
    })
    .openapi(signIn, async (c) => {
      const address = c.env?.incoming?.socket.remoteAddress ?? ''
      limit.check(address, access.now().getTime())
      const { token } = c.req.valid('json')
      const who = await identify(access.tokens, token)
      if (!who) {
        limit.failed(address, access.now().getTime())
        throw new Fault('unauthorized', 'This token is not known.', {
          hint: 'Copy it whole, from `tly_` on. `npx tallyman token create` makes a new one.',
        })
      }
      setCookie(c, sessionCookie, token, {
        path: '/',
        httpOnly: true,
        sameSite: 'Strict',
        secure: isEncrypted(c),
        maxAge: thirtyDays,
      })
      return c.json({ required: true, role: who.role, name: who.name }, 200)
    })
    .openapi(signOut, async (c) => {
      deleteCookie(c, sessionCookie, { path: '/', httpOnly: true, sameSite: 'Strict', secure: isEncrypted(c) })
      const open = !(await required())
      return c.json({ required: !open, role: open ? local.role : null, name: open ? local.name : null }, 200)
    })
}

/** Whether the browser speaks TLS, to us or to a proxy before us. On plain http a Secure cookie would never come back. */
const isEncrypted = (c: Context<Env>): boolean =>
  c.req.header('x-forwarded-proto') === 'https' || new URL(c.req.url).protocol === 'https:'
