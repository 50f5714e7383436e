import { posix } from 'node:path'
import { describe, expect, it } from 'vitest'

/** Which rooms a room may import. This table is the architecture; ARCHITECTURE.md only explains it. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  'server/fault': [],
  'server/connect': ['server/fault'],
  checks: ['server/fault', 'server/connect'],
  'server/sides': ['server/fault', 'server/connect'],
  'server/evaluate': ['server/fault', 'server/connect', 'checks'],
  'server/reconcile': ['server/fault', 'server/connect', 'checks', 'server/sides'],
  'server/watch': ['server/fault', 'server/connect', 'checks', 'server/evaluate'],
  'server/notify': ['server/fault', 'server/connect', 'checks', 'server/evaluate'],
  'server/work': ['server/fault', 'server/connect', 'checks', 'server/sides', 'server/reconcile'],
  'server/store': [
    'server/fault',
    'server/connect',
    'checks',
    'server/sides',
    'server/evaluate',
    'server/reconcile',
    'server/watch',
    'server/notify',
  ],
  'server/expose': [
    'server/fault',
    'server/connect',
    'checks',
    'server/sides',
    'server/evaluate',
    'server/reconcile',
    'server/watch',
  ],
  'server/config': [
    'server/fault',
    'server/connect',
    'checks',
    'server/evaluate',
    'server/reconcile',
    'server/watch',
    'server/notify',
  ],
  'server/demo': ['server/fault', 'server/connect'],
  web: ['server/expose'],
}

/** The rooms that wire the others together: they may import anything, and nothing but each other may import them. */
const composing = ['server/compose', 'server/commands', 'server/main', 'server/cli']

/** The rooms a dependency lives in, so that replacing it is a change to those rooms only. */
const livesIn: Readonly<Record<string, readonly string[]>> = {
  '@electric-sql': ['server/connect'],
  '@hono': ['server/expose'],
  '@opentelemetry': ['server/compose'],
  croner: ['server/work', 'server/config'],
  'drizzle-orm': ['server/store'],
  hono: ['server/expose', 'web'],
  mysql2: ['server/connect'],
  'node-cron': ['server/work'],
  pg: ['server/connect'],
  'pg-boss': ['server/work'],
  'pg-cursor': ['server/connect'],
  pino: composing,
  postgres: ['server/store', 'server/compose', 'server/demo'],
  'prom-client': ['server/expose'],
  svelte: ['web'],
  'sv-router': ['web'],
  yaml: ['server/config', 'server/compose'],
}

const sources = import.meta.glob<string>('../{checks,server,web}/**/*.{ts,svelte}', {
  query: '?raw',
  import: 'default',
  eager: true,
})

const rooms = [...Object.keys(mayImport), ...composing]
const roomOf = (path: string) =>
  rooms.find((room) => path.startsWith(`../${room}/`) || path === `../${room}.ts`) ?? undefined

interface Import {
  readonly from: string
  readonly typeOnly: boolean
}

const importsOf = (text: string): readonly Import[] => [
  ...[...text.matchAll(/^\s*(import type|import|export)\b[^'"]*? from '([^']+)'/gm)].map(([, keyword, from]) => ({
    from: from!,
    typeOnly: keyword === 'import type',
  })),
  ...[...text.matchAll(/\bimport\('([^']+)'\)/g)].map(([, from]) => ({ from: from!, typeOnly: false })),
]

const resolved = (path: string, from: string) => posix.join(posix.dirname(path), from)

describe.each(Object.entries(sources))('%s', (path, text) => {
  const room = roomOf(path)
  const imports = importsOf(text)

  it('stands in a room', () => expect(room).toBeDefined())

  it('imports only the rooms it may', () => {
    if (!room || composing.includes(room)) return
    const strangers = imports
      .filter(({ from }) => from.startsWith('.'))
      .filter(({ from, typeOnly }) => {
        const other = roomOf(resolved(path, from))
        if (other === room) return false
        return !other || !mayImport[room]!.includes(other) || (room === 'web' && !typeOnly)
      })
    expect(strangers).toEqual([])
  })

  it('imports only the packages that live in its room', () => {
    const foreign = imports.filter(({ from }) => {
      const homes = Object.entries(livesIn).find(([name]) => from === name || from.startsWith(`${name}/`))?.[1]
      return homes && !homes.includes(room!)
    })
    expect(foreign).toEqual([])
  })

  it('has a name that says what is in it', () => {
    expect(path).not.toMatch(/\/(utils?|helpers?|common|shared|misc|types|lib|index)[./]/)
  })
})

describe('the rooms together', () => {
  it('have no import cycle that is more than types', () => {
    const edges = new Map(
      Object.entries(sources).map(([path, text]) => [
        path,
        importsOf(text)
          .filter(({ from, typeOnly }) => from.startsWith('.') && !typeOnly)
          .map(({ from }) => resolved(path, from)),
      ]),
    )
    const done = new Set<string>()
    const cycles: string[] = []
    const walk = (path: string, trail: readonly string[]) => {
      if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
      if (done.has(path) || trail.includes(path)) return
      for (const next of edges.get(path) ?? []) walk(next, [...trail, path])
      done.add(path)
    }
    for (const path of edges.keys()) walk(path, [])
    expect(cycles).toEqual([])
  })

  it('read the environment nowhere but where they are put together', () => {
    const readers = Object.entries(sources)
      .filter(([, text]) => /\bprocess\.env\b/.test(text))
      .map(([path]) => roomOf(path))
    expect(readers.filter((room) => !composing.includes(room!))).toEqual([])
  })

  it('ask neither the clock nor chance where they decide', () => {
    const deciding = Object.entries(sources).filter(([path]) => path.startsWith('../server/evaluate/'))
    const impure = deciding.filter(([, text]) => /\bDate\.now\(|\bnew Date\(\)|Math\.random|\bawait\b/.test(text))
    expect(impure.map(([path]) => path)).toEqual([])
  })
})
