import type { Context, MiddlewareHandler } from 'hono'
import { getCookie } from 'hono/cookie'
import { matchedRoutes } from 'hono/route'
import { Fault } from '../fault.ts'
import { identify, isLocalHost, isOwnOrigin, local, mayDo, type Identity, type Least } from './auth.ts'
import type { Tokens } from './reads.ts'

export const sessionCookie = 'tallyman_session'

/** What every handler knows of the request. `who` is set wherever the route asks for a role. */
export interface Env {
  Bindings: { readonly incoming?: { readonly socket: { readonly remoteAddress?: string } } }
  Variables: { who: Identity }
}

export interface Access {
  readonly tokens: Tokens
  /** Whether we listen on a loopback address only. */
  readonly loopback: boolean
  readonly now: () => Date
}

const askedAgainMs = 2_000

/** Whether a token is needed at all. Once one was seen it stays so until the next start: revoking the last opens nothing. */
export function tokenRequired({ tokens, loopback, now }: Access): () => Promise<boolean> {
  let required = !loopback
  let askedAt = -Infinity
  return async () => {
    if (required || now().getTime() - askedAt < askedAgainMs) return required
    required = await tokens.any()
    askedAt = now().getTime()
    return required
  }
}

/** Who presents a token, by header or by cookie; undefined when none or a wrong one is presented. */
export async function whoAsks(c: Context<Env>, tokens: Tokens): Promise<Identity | undefined> {
  const token = /^Bearer (\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1] ?? getCookie(c, sessionCookie)
  return token ? await identify(tokens, token) : undefined
}

/**
 * Stands before every route. Without tokens, only browsers and programs of this machine are served, and no page of
 * another site; with tokens, a route is served to those of its role. A route that declared nothing is refused.
 */
export function gate(
  access: Access,
  leastOf: (method: string, path: string) => Least | undefined,
): MiddlewareHandler<Env> {
  const required = tokenRequired(access)
  return async (c, next) => {
    const host = c.req.header('host')
    const mutates = c.req.method !== 'GET' && c.req.method !== 'HEAD'
    if (mutates && !isOwnOrigin(c.req.header('origin'), host)) throw foreign()

    const route = matchedRoutes(c).find(({ method, path }) => method !== 'ALL' && leastOf(method, path))
    const known = matchedRoutes(c).some(({ method }) => method !== 'ALL')
    const least = route && leastOf(route.method, route.path)
    if (least === 'public') {
      // Answered from memory alone: asking the store for tokens here would hang with it.
      if (access.loopback && !isLocalHost(host) && !(await required().catch(() => false))) throw wrongHost(host)
      return next()
    }
    if (!(await required())) {
      if (!isLocalHost(host)) throw wrongHost(host)
      if (!isOwnOrigin(c.req.header('origin'), host)) throw foreign()
      if (mutates && c.req.header('sec-fetch-site') === 'cross-site') throw foreign()
      if (known && !least) throw undeclared()
      c.set('who', local)
      return next()
    }
    if (!known) return next()
    if (!least) throw undeclared()
    const who = await whoAsks(c, access.tokens)
    if (!who) {
      throw new Fault('unauthorized', 'A token is needed here.', {
        hint: 'Send `Authorization: Bearer tly_…`, or sign in on the page. `npx tallyman token create` makes one.',
      })
    }
    if (!mayDo(who, least)) {
      throw new Fault('forbidden', `${who.name} is ${who.role}; this needs ${least}.`, {
        hint: `Ask whoever runs Tallyman for a token with --role ${least}.`,
      })
    }
    c.set('who', who)
    return next()
  }
}

const wrongHost = (host: string | undefined) =>
  new Fault('forbidden', `${host ?? 'A request without a host'} is not a name of this machine.`, {
    hint: 'Open http://127.0.0.1 or http://localhost; to serve other names, create a token first.',
  })

const foreign = () =>
  new Fault('forbidden', 'The request comes from a page of another site.', {
    hint: 'Use the dashboard itself, or a program that sends a token and no Origin.',
  })

const undeclared = () =>
  new Fault('forbidden', 'This route declares no role, so nobody may use it.', {
    hint: 'This is a mistake of ours: every route has to name the least role it needs.',
  })
