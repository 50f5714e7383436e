import { describe, expect, it } from 'vitest'
import { guardBinding, isLocalHost, mintToken, roles, SignInLimit } from '../server/expose/auth.ts'
import { gate } from '../server/expose/gate.ts'
import { answerThrown } from '../server/expose/problem.ts'
import { routes } from '../server/expose/route.ts'
import { Fault } from '../server/fault.ts'
import { never, now, runUuid, tokenOf, world } from './expose-world.ts'

const codeOf = async (answer: Response) => {
  if (answer.headers.get('content-type') !== 'application/problem+json') return answer.status
  return `${answer.status} ${((await answer.json()) as { code: string }).code}`
}

const tokens = roles.map((role) => tokenOf(role))
const [viewer, operator, admin] = tokens as [
  ReturnType<typeof tokenOf>,
  ReturnType<typeof tokenOf>,
  ReturnType<typeof tokenOf>,
]
const rows = tokens.map(({ row }) => row)

/** A path of a route with something in the place of each id. */
const filled = (path: string) => path.replaceAll(':id', path.includes('/runs/:id') ? runUuid : 'customers')

const declared = [...world().least].map(([id, least]) => {
  const [method, path] = id.split(' ') as [string, string]
  return { method, path, least }
})
const closed = declared.filter(({ least }) => least !== 'public')

/** Answers once, and then never again. */
function hangsAfter<T>(answer: () => Promise<T>): () => Promise<T> {
  let asked = 0
  return () => (asked++ === 0 ? answer() : new Promise<T>(() => {}))
}

const after = (ms: number, callback: () => void) => {
  const timer = setTimeout(callback, ms)
  return () => clearTimeout(timer)
}

describe('every route of a Tallyman that has tokens', () => {
  const guarded = world({}, rows)

  it('is covered here: no route is registered without a declared role', () => {
    const registered = guarded.app.routes.filter(({ method, path }) => method !== 'ALL' && path !== '/*')
    const undeclared = registered.filter(({ method, path }) => !guarded.least.has(`${method} ${path}`))
    expect(undeclared).toEqual([])
    expect(declared.length).toBeGreaterThanOrEqual(22)
    expect(declared.filter(({ least }) => least === 'public').map(({ method, path }) => `${method} ${path}`).toSorted()).toEqual([
      'DELETE /api/v1/session', 'GET /api/v1/session', 'GET /livez', 'GET /readyz', 'POST /api/v1/session',
    ]) // prettier-ignore
  })

  it.each(closed)('$method $path refuses who has no token', async ({ method, path }) => {
    const answer = await guarded.request(filled(path), { method })
    expect(answer.headers.get('www-authenticate')).toContain('Bearer')
    expect(await codeOf(answer)).toBe('401 unauthorized')
  })

  it.each(closed)('$method $path refuses a token nobody was given', async ({ method, path }) => {
    const headers = { authorization: `Bearer ${mintToken().token}` }
    expect(await codeOf(await guarded.request(filled(path), { method, headers }))).toBe('401 unauthorized')
  })

  it.each(closed.filter(({ least }) => least !== 'viewer'))(
    '$method $path refuses a role below $least',
    async ({ method, path }) => {
      expect(await codeOf(await guarded.request(filled(path), { method, headers: viewer.headers }))).toBe(
        '403 forbidden',
      )
    },
  )

  it.each(closed)('$method $path admits its own role', async ({ method, path, least }) => {
    const { headers } = { viewer, operator, admin }[least as 'viewer']
    const code = await codeOf(await guarded.request(filled(path), { method, headers }))
    expect(String(code)).not.toMatch(/^40[13]/)
  })

  it('is served under any name: a proxy may stand before it', async () => {
    const headers = { ...viewer.headers, host: 'tally.example' }
    expect((await guarded.request('/api/v1/overview', { headers })).status).toBe(200)
    expect((await guarded.request('/metrics', { headers })).status).toBe(200)
    expect((await guarded.request('/livez', { headers: { host: 'tally.example' } })).status).toBe(200)
  })

  it('refuses a change a page of another site asks for, whatever it presents', async () => {
    const headers = { ...operator.headers, origin: 'https://evil.example' }
    expect(await codeOf(await guarded.post('/api/v1/checks/customers.lag/run', undefined, headers))).toBe(
      '403 forbidden',
    )
    const own = { ...operator.headers, origin: 'http://127.0.0.1:8420' }
    expect((await guarded.post('/api/v1/checks/customers.lag/run', undefined, own)).status).toBe(200)
  })

  it('answers 503 and not 401 when it cannot ask for tokens', async () => {
    const down = new Fault('store_unavailable', 'The store does not answer.', { hint: 'Look at it.' })
    const { request } = world({
      loopback: false,
      tokens: { find: () => Promise.reject(down), any: () => Promise.reject(down) },
    })
    expect(await codeOf(await request('/api/v1/overview', { headers: viewer.headers }))).toBe('503 store_unavailable')
  })

  it('needs a token when it listens to others, though none exists any more', async () => {
    const { request } = world({ loopback: false })
    expect(await codeOf(await request('/api/v1/overview'))).toBe('401 unauthorized')
  })
})

describe('a route that declares no role', () => {
  const forgetful = (loopback: boolean, rows: readonly (typeof admin.row)[]) => {
    const { tokens } = world({}, rows).exposed
    return routes()
      .onError(answerThrown(() => {}))
      .use(gate({ tokens, loopback, now: () => now }, () => undefined))
      .get('/api/v1/forgotten', (c) => c.text('open'))
  }

  it('is refused, even to an administrator and on a loopback address', async () => {
    const headers = { host: 'localhost', ...admin.headers }
    expect(await codeOf(await forgetful(false, rows).request('/api/v1/forgotten', { headers }))).toBe('403 forbidden')
    expect(await codeOf(await forgetful(true, []).request('/api/v1/forgotten', { headers }))).toBe('403 forbidden')
  })
})

describe('a Tallyman without tokens on a loopback address', () => {
  it.each(['localhost', 'localhost:8420', '127.0.0.1:8420', '[::1]:8420', 'LOCALHOST:1'])('serves %s', async (host) => {
    expect((await world().request('/api/v1/overview', { headers: { host } })).status).toBe(200)
  })

  it.each([
    'evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example:8420',
    'evil.example:8420@localhost',
    '10.0.0.1',
  ])('refuses %s on every kind of address', async (host) => {
    for (const path of [
      '/api/v1/overview',
      '/api/v1/events',
      '/api/v1/session',
      '/metrics',
      '/livez',
      '/readyz',
      '/probe?check=customers.lag',
      '/',
    ]) {
      expect([path, await codeOf(await world().request(path, { headers: { host } }))]).toEqual([path, '403 forbidden'])
    }
  })

  it('refuses scripts of other pages, to read and to follow', async () => {
    const headers = { origin: 'http://evil.example' }
    expect(await codeOf(await world().request('/api/v1/overview', { headers }))).toBe('403 forbidden')
    expect(await codeOf(await world().request('/api/v1/events', { headers }))).toBe('403 forbidden')
    expect(await codeOf(await world().request('/api/v1/events', { headers: { origin: 'null' } }))).toBe('403 forbidden')
  })

  it('refuses forms of other pages', async () => {
    const { post, asked } = world()
    const path = '/api/v1/pairs/customers/runs'
    expect(await codeOf(await post(path, {}, { origin: 'http://127.0.0.1:9999' }))).toBe('403 forbidden')
    expect(await codeOf(await post(path, {}, { 'sec-fetch-site': 'cross-site' }))).toBe('403 forbidden')
    expect(asked).toEqual([])
  })

  it('says on the page that nobody has to sign in', async () => {
    expect(await (await world().request('/api/v1/session')).json()).toEqual({
      required: false,
      role: 'admin',
      name: 'local',
    })
  })

  it('answers /metrics although the store hangs', async () => {
    const { request } = world({ tokens: { find: never, any: hangsAfter(async () => false) }, readiness: never, after })
    expect((await request('/metrics')).status).toBe(200)
    expect((await request('/metrics')).status).toBe(200)
    expect((await request('/livez')).status).toBe(200)
  })

  it('answers /metrics to a token it has seen although the store hangs', async () => {
    const { token, sha256 } = mintToken()
    const row = { name: 'prometheus', role: 'viewer', sha256 } as const
    const tokens = { find: hangsAfter(async () => row), any: hangsAfter(async () => true) }
    const { request } = world({ tokens, readiness: never, after })
    const headers = { authorization: `Bearer ${token}` }
    for (let scrape = 0; scrape < 3; scrape++) expect((await request('/metrics', { headers })).status).toBe(200)
  })

  it('begins to ask for a token as soon as there is one, and goes on when it is revoked', async () => {
    let exist = false
    let at = now.getTime()
    const { request } = world({
      tokens: { find: async () => undefined, any: async () => exist },
      now: () => new Date(at),
    })
    expect((await request('/api/v1/overview')).status).toBe(200)
    exist = true
    at += 3_000
    expect(await codeOf(await request('/api/v1/overview'))).toBe('401 unauthorized')
    exist = false
    at += 3_000
    expect(await codeOf(await request('/api/v1/overview'))).toBe('401 unauthorized')
  })
})

describe('signing in on the page', () => {
  it('keeps the token where no script and no other site can use it', async () => {
    const { request, post } = world({}, rows)
    const answer = await post('/api/v1/session', { token: operator.token })
    expect(await answer.json()).toEqual({ required: true, role: 'operator', name: 'operator' })
    const cookie = answer.headers.get('set-cookie')!
    expect(cookie).toMatch(/^tallyman_session=tly_[\w-]{43};.*Path=\/; HttpOnly; SameSite=Strict$/)
    const headers = { cookie: cookie.split(';')[0]! }
    expect(await (await request('/api/v1/session', { headers })).json()).toMatchObject({ role: 'operator' })
    expect((await post('/api/v1/checks/customers.lag/run', undefined, headers)).status).toBe(200)
  })

  it('marks the cookie secure where a proxy speaks TLS', async () => {
    const answer = await world({}, rows).post(
      '/api/v1/session',
      { token: admin.token },
      { 'x-forwarded-proto': 'https' },
    )
    expect(answer.headers.get('set-cookie')).toContain('Secure')
  })

  it('shows nobody as signed in before, and after signing out', async () => {
    const { request } = world({}, rows)
    expect(await (await request('/api/v1/session')).json()).toEqual({ required: true, role: null, name: null })
    const out = await request('/api/v1/session', {
      method: 'DELETE',
      headers: { cookie: `tallyman_session=${viewer.token}` },
    })
    expect(out.headers.get('set-cookie')).toContain('Max-Age=0')
  })

  it('refuses a wrong token, and after ten of them any, for a minute', async () => {
    const { post } = world({}, rows)
    for (let attempt = 0; attempt < 10; attempt++) {
      expect(await codeOf(await post('/api/v1/session', { token: mintToken().token }))).toBe('401 unauthorized')
    }
    expect(await codeOf(await post('/api/v1/session', { token: viewer.token }))).toBe('429 limit_reached')
    expect((await post('/api/v1/checks/customers.lag/run', undefined, operator.headers)).status).toBe(200)
  })

  it('forgets failures after a minute, and never more addresses than it can hold', () => {
    const limit = new SignInLimit()
    for (let attempt = 0; attempt < 10; attempt++) limit.failed('a', 0)
    expect(() => limit.check('a', 59_999)).toThrow('10 sign-ins')
    expect(() => limit.check('a', 60_000)).not.toThrow()
    for (let address = 0; address < 1_000; address++) limit.failed(`b${address}`, 1)
    expect(() => limit.check('a', 1)).not.toThrow()
  })
})

describe('where it may listen', () => {
  it.each(['127.0.0.1', 'localhost', '::1', '127.8.8.8'])('%s needs no token', (host) => {
    expect(() => guardBinding(host, false)).not.toThrow()
  })

  it.each(['0.0.0.0', '::', '192.168.1.5', 'tally.example', '127.0.0.1.evil.example'])('%s needs one', (host) => {
    expect(() => guardBinding(host, false)).toThrow('would let anybody in')
    expect(() => guardBinding(host, true)).not.toThrow()
  })

  it('does not take a name that only begins like ours', () => {
    expect(isLocalHost('localhost:8420:1')).toBe(false)
    expect(isLocalHost(undefined)).toBe(false)
  })
})
