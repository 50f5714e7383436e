import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { get, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Feed } from '../server/expose/feed.ts'
import { serve, type Served } from '../server/expose/serve.ts'
import { never, tokenOf, world } from './expose-world.ts'

const after = (ms: number, callback: () => void) => {
  const timer = setTimeout(callback, ms)
  return () => clearTimeout(timer)
}

let web: string
const open: Served[] = []
afterEach(async () => {
  for (const served of open.splice(0)) await served.close()
})
beforeAll(async () => {
  web = await mkdtemp(join(tmpdir(), 'tallyman-web-'))
  await mkdir(join(web, 'assets'))
  await writeFile(join(web, 'index.html'), '<!doctype html><title>Tallyman</title>')
  await writeFile(join(web, 'assets', 'index-B7xk2_aQ.js'), 'export {}')
  await writeFile(join(web, 'favicon.svg'), '<svg/>')
  await writeFile(join(tmpdir(), 'tallyman-outside.txt'), 'outside')
})
afterAll(() => rm(web, { recursive: true }))

async function start(
  over: Parameters<typeof world>[0] = {},
  tokens: Parameters<typeof world>[1] = [],
  host = '127.0.0.1',
  port = 0,
) {
  const { exposed } = world({ web, after, feed: new Feed({ after, boot: 'b1' }), ...over }, tokens)
  const served = await serve(exposed, { host, port })
  open.push(served)
  return { ...served, exposed }
}

/** One request as it goes over the wire, with the path exactly as given. */
const raw = (url: string, path: string, headers: Record<string, string> = {}, method = 'GET') =>
  new Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }>((resolve, reject) => {
    const { hostname, port } = new URL(url)
    const sent = httpRequest({ hostname, port, path, method, headers, agent: false }, (answer) => {
      const parts: Buffer[] = []
      answer.on('data', (part: Buffer) => parts.push(part))
      answer.on('end', () =>
        resolve({ status: answer.statusCode!, headers: answer.headers, body: Buffer.concat(parts) }),
      )
    })
    sent.on('error', reject).end()
  })

describe('a server that listens', () => {
  it('says where, and no more once it is closed', async () => {
    const { url, close } = await start()
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect((await raw(url, '/livez')).body.toString()).toBe('ok')
    await close()
    await expect(raw(url, '/livez')).rejects.toThrow('ECONNREFUSED')
  })

  it('names the port that another program has, and what to do', async () => {
    const { url } = await start()
    const port = Number(new URL(url).port)
    await expect(start({}, [], '127.0.0.1', port)).rejects.toMatchObject({
      code: 'conflict',
      message: `Port ${port} on 127.0.0.1 is in use.`,
      hint: expect.stringContaining('--port'),
    })
  })

  it('does not listen to others before there is a token, and asks for it afterwards', async () => {
    await expect(start({}, [], '0.0.0.0')).rejects.toMatchObject({
      code: 'config_invalid',
      hint: expect.stringContaining('token create'),
    })
    const { row, headers } = tokenOf('viewer')
    const { url } = await start({}, [row], '0.0.0.0')
    expect((await raw(url, '/api/v1/overview')).status).toBe(401)
    expect((await raw(url, '/api/v1/overview', headers)).status).toBe(200)
  })

  it('refuses an address that is not one of this machine in words', async () => {
    await expect(start({}, [tokenOf('viewer').row], '203.0.113.7')).rejects.toMatchObject({
      code: 'config_invalid',
      hint: expect.stringContaining('--host'),
    })
  })

  it('sees through a page that was made to resolve to it', async () => {
    const { url } = await start()
    expect((await raw(url, '/api/v1/overview', { host: 'rebound.example' })).status).toBe(403)
  })
})

describe('the pages', () => {
  it('are the dashboard on every address that is not a file', async () => {
    const { url } = await start()
    for (const path of ['/', '/pipelines/customers', '/runs/7?x=1', '/pipelines/a.b']) {
      const answer = await raw(url, path)
      expect([path, answer.status, answer.headers['content-type'], answer.headers['cache-control']]).toEqual([
        path,
        200,
        'text/html; charset=utf-8',
        'no-cache',
      ])
    }
  })

  it('keep what is named after its content for ever, and ask again for the rest', async () => {
    const { url } = await start()
    expect((await raw(url, '/assets/index-B7xk2_aQ.js')).headers).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'content-type': 'text/javascript; charset=utf-8',
    })
    expect((await raw(url, '/favicon.svg')).headers).toMatchObject({
      'cache-control': 'no-cache',
      'content-type': 'image/svg+xml',
    })
  })

  it('say that a script is missing instead of sending a page in its place', async () => {
    const { url } = await start()
    expect((await raw(url, '/assets/index-gone1234.js')).status).toBe(404)
  })

  it.each([
    '/../tallyman-outside.txt',
    '/assets/../../tallyman-outside.txt',
    '/..%2ftallyman-outside.txt',
    '/%2e%2e/tallyman-outside.txt',
    '/a\\..\\..\\tallyman-outside.txt',
    '/%00',
    '/%E0%A4%A',
  ])('never leave their folder: %s', async (path) => {
    const { url } = await start()
    const { body, status } = await raw(url, path)
    expect(body.toString()).not.toContain('outside"')
    expect([200, 400, 404]).toContain(status)
    expect(body.toString() === 'outside').toBe(false)
  })

  it('allow nothing from anywhere else, and do not pin plain http to TLS', async () => {
    const { headers } = await raw((await start()).url, '/')
    expect(headers).toMatchObject({
      'content-security-policy': expect.stringMatching(/^default-src 'self';.*frame-ancestors 'none'$/),
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    })
    expect(headers['content-security-policy']).not.toMatch(/unsafe-eval|script-src|https?:/)
    expect(headers).not.toHaveProperty('strict-transport-security')
  })

  it('say so when they were never built; the API works without them', async () => {
    const { url } = await start({ web: join(web, 'nowhere') })
    const answer = await raw(url, '/')
    expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([
      503,
      expect.objectContaining({ code: 'not_ready', hint: expect.stringContaining('npm run build') }),
    ])
    expect((await raw(url, '/api/v1/overview')).status).toBe(200)
  })
})

describe('a scrape over the wire', () => {
  it('is plain text 0.0.4, packed only for whom can unpack it', async () => {
    const { url } = await start()
    const plain = await raw(url, '/metrics', { 'accept-encoding': 'identity' })
    expect(plain.headers).toMatchObject({ 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
    expect(plain.headers).not.toHaveProperty('content-encoding')
    const packed = await raw(url, '/metrics', { 'accept-encoding': 'gzip', accept: 'application/openmetrics-text' })
    expect(packed.headers).toMatchObject({
      'content-type': 'text/plain; version=0.0.4; charset=utf-8',
      'content-encoding': 'gzip',
    })
    expect(gunzipSync(packed.body).toString()).toContain('tallyman_build_info')
    expect(packed.body.length).toBeLessThan(plain.body.length / 2)
  })

  it('answers at once while a check hangs, the store hangs and a long stream is read', async () => {
    const { url, exposed } = await start({ readiness: never, tokens: { find: never, any: async () => false } })
    Object.assign(exposed.reads, { alerts: never })
    Object.assign(exposed.actions, { runCheck: never })
    const hanging = [raw(url, '/api/v1/alerts'), raw(url, '/probe?check=customers.lag')]
    hanging.forEach((each) => each.catch(() => {}))
    await raw(url, '/metrics')
    const tookMs: number[] = []
    for (let scrape = 0; scrape < 8; scrape++) {
      const began = performance.now()
      expect((await raw(url, '/metrics')).status).toBe(200)
      tookMs.push(performance.now() - began)
    }
    // The quickest: this machine may be doing other things, but what waits for a hanging store is never quick.
    expect(Math.min(...tookMs)).toBeLessThan(100)
  }, 20_000)
})

describe('a page that follows live', () => {
  /** Reads the stream until it has seen a text, and hangs up. */
  const follow = (url: string, headers: Record<string, string> = {}) => {
    let text = ''
    let ended = false
    const request = get(`${url}/api/v1/events`, { headers }, (answer) => {
      answer.on('data', (part: Buffer) => (text += part.toString()))
      answer.on('end', () => (ended = true))
      answer.on('error', () => {})
    })
    request.on('error', () => {})
    return {
      async until(wanted: string) {
        for (let wait = 0; wait < 200 && !text.includes(wanted); wait++) await sleep(10)
        return text
      },
      ended: async () => {
        for (let wait = 0; wait < 200 && !ended; wait++) await sleep(10)
        return ended
      },
      leave: () => request.destroy(),
    }
  }

  it('is told what changes, by kind and with an id', async () => {
    const { url, exposed } = await start()
    const page = follow(url)
    await page.until('retry: 3000')
    exposed.feed.publish({ type: 'run', pipelines: ['customers'], run: '7' })
    exposed.feed.publish({ type: 'alert', pipelines: ['customers'] })
    const text = await page.until('event: alert')
    expect(text).toBe(
      'retry: 3000\n\nevent: run\nid: b1.1\ndata: {"pipelines":["customers"],"run":"7"}\n\nevent: alert\nid: b1.2\ndata: {"pipelines":["customers"]}\n\n',
    )
    page.leave()
    for (let wait = 0; wait < 200 && exposed.feed.clients > 0; wait++) await sleep(10)
    expect(exposed.feed.clients).toBe(0)
  })

  it('is not packed, so that nothing is held back', async () => {
    const { url, exposed } = await start()
    const page = follow(url, { 'accept-encoding': 'gzip' })
    await page.until('retry')
    exposed.feed.publish({ type: 'config' })
    expect(await page.until('event: config')).toContain('data: {}')
  })

  it('does not keep a server from closing', async () => {
    const { url, close } = await start()
    const page = follow(url)
    await page.until('retry')
    const began = performance.now()
    await close()
    expect(performance.now() - began).toBeLessThan(2_000)
    expect(await page.ended()).toBe(true)
  })
})
