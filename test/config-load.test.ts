import { readFileSync, readdirSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { loadConfig } from '../server/config/load.ts'
import { problemsText } from '../server/config/problem.ts'
import { env, probes } from './config-probes.ts'

const lines = (...text: readonly string[]) => text.join('\n')
const load = (text: string, variables: Record<string, string | undefined> = env) =>
  loadConfig(text, { file: 'tallyman.yaml', env: variables, probes })

function configOf(text: string, variables?: Record<string, string | undefined>) {
  const loaded = load(text, variables)
  if ('problems' in loaded) throw new Error(problemsText(loaded.problems))
  return loaded.config
}

function problemsOf(text: string, variables?: Record<string, string | undefined>): string {
  const loaded = load(text, variables)
  return 'problems' in loaded ? problemsText(loaded.problems) : 'none'
}

const pipeline = lines(
  'pipelines:',
  '  customers:',
  '    title: Customers',
  '    pattern: batch',
  '    tier: operational',
  '    owner: team-crm',
)
const whole = lines(
  'store: postgres://tallyman@store/tallyman',
  'server: { host: 0.0.0.0, port: 80, externalUrl: https://tallyman.example.com }',
  'connections:',
  '  crm: { url: "${CRM_URL}" }',
  '  billing: { url: "${BILLING_URL}", limits: { connections: 5 } }',
  'channels:',
  '  oncall: { webhook: { url: https://hooks.example.com/x, secret: 0123456789abcdef } }',
  pipeline,
  '    runbook: https://wiki.example.com/customers',
  '    route: [CRM, Billing]',
  '    targets: { lag: 5m }',
  '    notify: [oncall]',
  '    rules: [{ metric: match_ratio, below: 0.9, severity: crit }]',
  '    checks:',
  '      - &lag { probe: table-lag, source: crm.public.customers, target: billing.public.customers }',
  '      - { <<: *lag, every: 1m, timeout: 20s, rules: [{ metric: lag_seconds, above: 10m }] }',
  '      - { probe: sql, id: open-orders, connection: crm, query: select 1 as open, metrics: [open] }',
  '    pairs:',
  '      - id: customers',
  '        source: { table: crm.public.customers, where: deleted_at is null }',
  '        target: { table: billing.public.customers, columns: { email: mail } }',
  '        key: [id]',
  '        exclude: [phone]',
  '        schedule: 0 2 * * *',
  '        timezone: Europe/Berlin',
  '        authority: { default: source, fields: { email: target } }',
)

describe('a config file without a mistake', () => {
  const config = configOf(whole)

  it('fills in defaults', () => {
    const small = configOf(pipeline)
    expect(small.store).toBe('pglite://.tallyman/store')
    expect(small.server).toEqual({ host: '127.0.0.1', port: 8420 })
    expect(small.pipelines['customers']).toMatchObject({ paused: false, checks: [], pairs: [], rules: [], targets: {} })
  })

  it('turns durations into milliseconds and names into tables', () => {
    expect(config.pipelines['customers']!.checks[1]).toMatchObject({
      everyMs: 60_000,
      timeoutMs: 20_000,
      target: { source: { connection: 'crm', schema: 'public', table: 'customers' }, column: 'updated_at' },
    })
  })

  it('prefers what a map says itself to what is merged into it, and the first merged to the second', () => {
    const text = lines(
      'connections:',
      '  a: &a { url: "pglite:a", limits: { connections: 1 } }',
      '  b: &b { url: "pglite:b", limits: { connections: 2 } }',
      '  c: { url: "pglite:c", <<: [*a, *b] }',
      pipeline,
    )
    expect(configOf(text).connections['c']).toMatchObject({ url: 'pglite:c', limits: { connections: 1 } })
  })

  it('names checks after their probe, numbered when repeated', () => {
    expect(config.pipelines['customers']!.checks.map(({ id }) => id)).toEqual([
      'table-lag',
      'table-lag-2',
      'open-orders',
    ])
  })

  it('opens connections within the limits it gives, and within ours where it gives none', () => {
    expect(config.connections['billing']).toEqual({
      system: 'postgres',
      url: env.BILLING_URL,
      embedded: false,
      limits: { connections: 5, statementTimeoutMs: 60_000, lockTimeoutMs: 1_000 },
    })
  })

  it('is read the same with Windows line ends and a byte order mark', () => {
    const windows = `\uFEFF${whole.replaceAll('\n', '\r\n')}`
    expect(configOf(windows).pipelines).toEqual(config.pipelines)
    expect(problemsOf(windows.replace('store', 'stored'))).toMatch(/^tallyman.yaml:1:1: stored/)
    expect(problemsOf(windows.replace('80', '-80'))).toMatch(/^tallyman.yaml:2:32: server.port/)
  })

  it.each([
    ['pglite://.tallyman/crm', true],
    ['pglite:./crm', true],
    ['postgresql://u:p%40ss@h:5432/db?sslmode=require', false],
  ])('knows the system of %s', (url, embedded) => {
    const { connections } = configOf(lines('connections:', `  crm: { url: "${url}" }`, pipeline))
    expect(connections['crm']).toMatchObject({ system: 'postgres', url, embedded })
  })
})

describe('a reference to the environment', () => {
  const titled = (title: string, variables: Record<string, string | undefined>) =>
    configOf(
      pipeline.replace('Customers', () => title),
      variables,
    ).pipelines['customers']!.title

  it.each([
    ['${A}', { A: 'one' }, 'one'],
    ['${A} and ${B}', { A: 'one', B: 'two' }, 'one and two'],
    ['${A:-none}', {}, 'none'],
    ['${A:-none}', { A: '' }, 'none'],
    ['${A:-}x', {}, 'x'],
    ['$${A}', { A: 'one' }, '${A}'],
    ['$A', { A: 'one' }, '$A'],
    ['${A}', { A: '${B}', B: 'two' }, '${B}'],
  ])('%s is replaced', (title, variables, expected) => {
    expect(titled(`"${title}"`, variables)).toBe(expected)
  })

  it('stays one value, whatever it holds', () => {
    const nasty = 'x"\n    paused: true # { [ &a *b'
    const { customers } = configOf(pipeline.replace('Customers', '${A}'), { A: nasty }).pipelines
    expect(customers).toMatchObject({ title: nasty, paused: false })
  })

  it('may stand where a number or true or false belongs', () => {
    const text = lines('server: { port: "${PORT}" }', pipeline, '    paused: ${PAUSED}')
    const { server, pipelines } = configOf(text, { PORT: '9000', PAUSED: 'true' })
    expect([server.port, pipelines['customers']!.paused]).toEqual([9000, true])
  })

  it('that is no number where one belongs is refused as the file has it', () => {
    expect(problemsOf(lines('server: { port: "${PORT}" }', pipeline), { PORT: 'none' })).toMatch(
      /^tallyman.yaml:1:17: server.port: expected a number, not text/,
    )
  })

  it('that is not set hides no other mistake, and none follows from it', () => {
    expect(problemsOf(whole.replace('port: 80', 'port: x'), { CRM_URL: env.CRM_URL }).split('\n')).toEqual([
      expect.stringMatching(/^tallyman.yaml:2:32: server.port: expected a number/),
      expect.stringMatching(
        /^tallyman.yaml:5:19: connections.billing.url: the environment variable BILLING_URL is not/,
      ),
    ])
  })
})

describe('a problem', () => {
  const secret = 'hunter2 is: the "secret"'

  it('never shows what the environment put in, wherever that was', () => {
    const values = [...whole.matchAll(/(?<=[:,[{] )[A-Za-z0-9$.][^,[\]{}\n]*(?= [}]|[,\]\n])|"[^"]*"/g)]
    expect(values.length).toBeGreaterThan(35)
    const told = values.map(({ 0: value, index }) => {
      const text = `${whole.slice(0, index)}"\${SECRET}"${whole.slice(index + value.length)}`
      return problemsOf(text, { ...env, SECRET: secret })
    })
    expect(told.filter((text) => text !== 'none').length).toBeGreaterThan(25)
    expect(told.join('\n')).not.toContain('hunter2')
  })

  it('shows a reference as it is written, however short what it stands for', () => {
    const text = whole
      .replace('source: crm.public', 'source: "${A}.public')
      .replace('customers, target', 'customers", target')
    expect(problemsOf(text, { ...env, A: 'zz' })).toMatch(/there is no connection "\$\{A\}.public.customers"/)
    expect(problemsOf(whole.replace('probe: sql', 'probe: "${A}"'), { ...env, A: 'zz' })).toMatch(/no probe "\$\{A\}"/)
  })

  it('shows the reference where a probe’s own words repeat what it stands for', () => {
    const chatty = {
      ...probes[1]!,
      target: probes[1]!.target.safeExtend({
        query: z.string().refine(() => false, { error: ({ input }) => `no: ${String(input)}` }),
      }),
    }
    const text = whole.replace('query: select 1 as open', 'query: "${A}"')
    const loaded = loadConfig(text, { file: 'f', env: { ...env, A: secret }, probes: [probes[0]!, chatty] })
    expect(loaded).toMatchObject({ problems: [{ message: 'no: ${A}' }] })
  })

  it('never shows a password that is written in the file', () => {
    const texts = [
      whole.replace('"${CRM_URL}"', 'oracle://u:hunter2@h/d'),
      whole.replace('"${CRM_URL}"', '"postgres://u:hunter2#1@h/d"'),
      whole.replace('"${CRM_URL}"', '"hunter2" "hunter2"'),
      whole.replace('"${CRM_URL}"', '"hunter2\\q"'),
      whole.replace('{ url: "${CRM_URL}" }', 'hunter2'),
      whole.replace('"${CRM_URL}" }', 'hunter2 } hunter2'),
      whole.replace('0123456789abcdef', 'hunter2'),
      whole.replace('https://hooks.example.com/x', 'https://u:hunter2@hooks.example.com/x'),
      whole.replace('https://hooks.example.com/x', 'hunter2'),
      whole.replace('secret: 0123456789abcdef', 'secret: [hunter2]'),
    ]
    for (const text of texts) {
      expect(problemsOf(text)).not.toBe('none')
      expect(problemsOf(text)).not.toContain('hunter2')
    }
  })
})

it('never throws, and points into the file, whatever was torn out of it or put into it', () => {
  const pieces = fc.constantFrom(
    '',
    ' ',
    '\n',
    '\n  ',
    ': ',
    '- ',
    '*lag',
    '&x ',
    '{',
    '}',
    '[',
    ']',
    '"',
    '${',
    '1',
    '~',
    '<<: ',
  )
  const tear = fc.tuple(fc.nat(whole.length), fc.nat(40), pieces)
  fc.assert(
    fc.property(fc.array(tear, { minLength: 1, maxLength: 3 }), (tears) => {
      const torn = tears.reduce((text, [at, length, put]) => text.slice(0, at) + put + text.slice(at + length), whole)
      const loaded = load(torn)
      const ends = torn.split('\n').map(({ length }) => length + 1)
      for (const { line, column } of 'problems' in loaded ? loaded.problems : []) {
        expect([line, column, column <= ends[line - 1]!]).toEqual([line, column, true])
      }
    }),
    { numRuns: 150 },
  )
})

describe('a config file past a limit', () => {
  it('is not read when it is larger than a mebibyte', () => {
    expect(problemsOf(`# ${'x'.repeat(1_048_576)}\n${pipeline}`)).toMatch(/has 1048684 bytes; at most 1048576 are read/)
  })

  it('is not read when its aliases stand for more than 50 000 values', () => {
    const level = (name: string, of: string) =>
      `  ${name}: &${name} [${Array.from({ length: 10 }, () => of).join(', ')}]`
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']
    const bomb = names.map((name, index) => level(name, index ? `*${names[index - 1]!}` : '"lol"'))
    expect(problemsOf(lines('bomb:', ...bomb))).toMatch(
      /^tallyman.yaml:\d+:\d+: the file holds more than 50000 values once its aliases are followed; use fewer aliases$/,
    )
  })

  it.each([
    ['of lists', `a: ${'['.repeat(40)}${']'.repeat(40)}`],
    ['of a hundred thousand lists', `a: ${'['.repeat(100_000)}`],
    ['of a hundred thousand maps', `a: ${'{a: '.repeat(100_000)}`],
    ['of fifty thousand dashes', '- '.repeat(50_000)],
    ['of fifty thousand questions', '? '.repeat(50_000)],
  ])('is not read when it is a nest %s', (_, text) => {
    expect(problemsOf(text)).toMatch(/nests deeper than 32 levels|nested deeper/)
  })

  it('takes 10 000 aliases in its stride', () => {
    const many = Array.from({ length: 10_000 }, () => '*a').join(', ')
    expect(problemsOf(`route: [&a x, ${many}]\n${pipeline}`)).toMatch(/^tallyman.yaml:1:1: route: unknown key/)
  })

  it('with a key named __proto__ is told that it knows no such key', () => {
    expect(problemsOf(`__proto__: { a: 1 }\n${pipeline}`)).toMatch(/__proto__/)
    expect(({} as { a?: number }).a).toBeUndefined()
  })
})

it('says of every bad config that it is bad, and of no example above', () => {
  const folder = new URL('./data/configs/', import.meta.url)
  const names = readdirSync(folder).filter((name) => name.endsWith('.yaml'))
  const good = names.filter((name) => problemsOf(readFileSync(new URL(name, folder), 'utf8')) === 'none')
  expect([names.length > 60, good]).toEqual([true, []])
})
