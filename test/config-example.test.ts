import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { probes } from '../checks/registry.ts'
import { bindChecks } from '../server/config/bind.ts'
import { alternatives, nodeAt, type SchemaNode } from '../server/config/keys.ts'
import { loadConfig } from '../server/config/load.ts'
import { problemsText, type Path } from '../server/config/problem.ts'
import { configJsonSchema } from '../server/config/schema.ts'

const text = readFileSync(new URL('../tallyman.example.yaml', import.meta.url), 'utf8')
const env = {
  CRM_URL: 'postgres://tallyman@crm/crm',
  BILLING_URL: 'postgres://tallyman@billing/billing',
  ONCALL_WEBHOOK_URL: 'https://hooks.example.com/oncall',
  ONCALL_WEBHOOK_SECRET: '0123456789abcdef',
  ONCALL_WEBHOOK_TOKEN: 'token',
  CHAT_WEBHOOK_URL: 'https://hooks.example.com/chat',
}
const load = (variables: Record<string, string>) =>
  loadConfig(text, { file: 'tallyman.example.yaml', env: variables, probes })

/** The dotted path of every key in a value. */
function keysIn(value: unknown, path: Path = []): readonly string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => {
    const at = [...path, Array.isArray(value) ? Number(key) : key]
    return [at.join('.'), ...keysIn(inner, at)]
  })
}

it('the example config is valid once its environment is set', () => {
  const loaded = load(env)
  expect('problems' in loaded ? problemsText(loaded.problems) : '').toBe('')
})

it('the example config asks for the variables it names, and for nothing else', () => {
  const loaded = load({})
  const asked =
    'problems' in loaded ? loaded.problems.map(({ message }) => /variable (\w+) is not set/.exec(message)?.[1]) : []
  expect(asked.toSorted()).toEqual(Object.keys(env).toSorted())
})

it('the example config shows every probe there is', () => {
  const loaded = load(env)
  const checks = 'config' in loaded ? bindChecks(loaded.config, probes) : []
  expect([...new Set(checks.map(({ probe }) => probe))].toSorted()).toEqual(probes.map(({ name }) => name).toSorted())
})

it('the JSON Schema knows every key of the example config', () => {
  const schema = configJsonSchema(probes)
  const value: unknown = parse(text)
  const keys = keysIn(value)
  expect(keys.length).toBeGreaterThan(120)
  const strange = keys.filter(
    (key) =>
      !nodeAt(
        schema,
        value,
        key.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : part)),
      ),
  )
  expect(strange).toEqual([])
})

it('the example config shows every key there is', () => {
  const schema = configJsonSchema(probes)
  const shown = new Set(keysIn(parse(text)).map((key) => key.split('.').at(-1)!))
  expect([...namesIn(schema)].filter((name) => !shown.has(name))).toEqual([])
})

/** The names of all keys of a schema, wherever they stand. */
function namesIn(node: SchemaNode): ReadonlySet<string> {
  const inner = alternatives(node).flatMap(({ properties = {}, additionalProperties, items }) => [
    ...Object.values(properties),
    ...(typeof additionalProperties === 'object' ? [additionalProperties] : []),
    ...(items ? [items] : []),
  ])
  const own = alternatives(node).flatMap(({ properties = {} }) => Object.keys(properties))
  return new Set([...own, ...inner.flatMap((each) => [...namesIn(each)])])
}
