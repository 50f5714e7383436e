import { readFile, writeFile } from 'node:fs/promises'
import { format, resolveConfig } from 'prettier'
import { describe, expect, it } from 'vitest'
import { world } from './expose-world.ts'

const file = 'docs/openapi.json'
const { app, document, request } = world()

type Operation = {
  responses: Record<string, unknown>
  security: unknown[]
  summary?: string
  tags?: string[]
  'x-least-role'?: string
}
const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
  Object.entries(item as Record<string, Operation>).map(([method, operation]) => ({
    id: `${method.toUpperCase()} ${path}`,
    operation,
  })),
)

describe('the OpenAPI document', () => {
  it('is the one in docs/openapi.json; TALLYMAN_UPDATE=1 writes it anew', async () => {
    const text = await format(JSON.stringify(document), { ...(await resolveConfig(file)), parser: 'json' })
    if (process.env['TALLYMAN_UPDATE']) await writeFile(file, text)
    expect(await readFile(file, 'utf8')).toBe(text)
  })

  it('has every route there is, and no other', () => {
    const registered = app.routes
      .filter(({ method, path }) => method !== 'ALL' && path !== '/*')
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`)
    expect(operations.map(({ id }) => id).toSorted()).toEqual([...new Set(registered)].toSorted())
  })

  it('is OpenAPI 3.1, and every reference in it leads somewhere', async () => {
    const served = (await (await request('/api/v1/openapi.json')).json()) as {
      openapi: string
      components: { schemas: object }
    }
    expect(served.openapi).toBe('3.1.0')
    const names = [...JSON.stringify(served).matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name!)
    expect(names.length).toBeGreaterThan(20)
    expect(names.filter((name) => !Object.hasOwn(served.components.schemas, name))).toEqual([])
  })

  it.each(operations)('says of $id what it does, who may, and how it refuses', ({ operation }) => {
    expect(operation.summary).toMatch(/^[A-Z]/)
    expect(operation.tags).toHaveLength(1)
    expect(operation.responses).toHaveProperty('default')
    expect(operation.security).toEqual(operation['x-least-role'] === 'public' ? [] : [{ token: [] }])
  })
})

describe('the page to read', () => {
  it('names every route and every shape, without a script and from nowhere else', async () => {
    const answer = await request('/api/v1/docs')
    const page = await answer.text()
    for (const { id } of operations) expect(page).toContain(`<code>${id}</code>`)
    for (const name of Object.keys(document.components?.schemas ?? {})) expect(page).toContain(`id="${name}"`)
    expect(page).not.toMatch(/<script|https?:\/\/|\[object|undefined/)
    expect(answer.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/)
  })
})
