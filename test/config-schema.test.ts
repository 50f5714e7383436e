import { describe, expect, it } from 'vitest'
import { probes as realProbes } from '../checks/registry.ts'
import { alternatives, type SchemaNode } from '../server/config/keys.ts'
import { loadConfig } from '../server/config/load.ts'
import { configJsonSchema, configSchema } from '../server/config/schema.ts'
import { connectionSchema } from '../server/connect/connection.ts'
import { postgresLimits } from '../server/connect/postgres.ts'
import { probes } from './config-probes.ts'

/** Every key of the schema with its dotted path; alternatives come one after the other. */
function keysOf(node: SchemaNode, path = ''): readonly (readonly [path: string, node: SchemaNode])[] {
  return alternatives(node).flatMap(({ properties = {}, additionalProperties, items }) => [
    ...Object.entries(properties).flatMap(([key, inner]) => [
      [`${path}${key}`, inner] as const,
      ...keysOf(inner, `${path}${key}.`),
    ]),
    ...(typeof additionalProperties === 'object' ? keysOf(additionalProperties, `${path}*.`) : []),
    ...(items ? keysOf(items, `${path}0.`) : []),
  ])
}

describe.each([
  ['the tests’ probes', probes],
  ['the probes of this build', realProbes],
])('the JSON Schema of the config, with %s', (_, known) => {
  const schema = configJsonSchema(known)
  const keys = keysOf(schema)

  it('describes every key', () => {
    expect(keys.filter(([, { description }]) => !description).map(([path]) => path)).toEqual([])
  })

  it('refuses unknown keys at every level', () => {
    const open = keys.filter(([, node]) =>
      alternatives(node).some(
        ({ type, additionalProperties = true }) => type === 'object' && additionalProperties === true,
      ),
    )
    expect(open.map(([path]) => path)).toEqual([])
  })

  it('can be sent as JSON', () => {
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema)
  })
})

it('says what is right for a value, beside the text a reference to the environment is', () => {
  const { properties } = configJsonSchema(probes)
  expect(properties!['server']).toMatchObject({ properties: { port: { type: 'integer', default: 8420 } } })
  expect(properties!['pipelines']).toMatchObject({
    propertyNames: { pattern: '^[a-z0-9][a-z0-9_-]{0,62}$' },
    additionalProperties: { required: ['title', 'pattern', 'tier', 'owner'] },
  })
})

it('gives connections the limits that are ours where nobody gives any', () => {
  expect(connectionSchema.parse({ url: 'postgres://h/d' }).limits).toEqual(postgresLimits)
})

it('refuses a probe whose target has a key that every check has', () => {
  const clashing = { ...probes[0]!, target: probes[0]!.target.extend({ every: probes[0]!.target.shape['column'] }) }
  expect(() => configSchema([clashing])).toThrow('the probe table-lag has a key "every", which every check has')
})

it('knows no check at all without probes', () => {
  const text = 'pipelines: { a: { title: A, pattern: batch, tier: reference, owner: me, checks: [{ probe: sql }] } }'
  expect(loadConfig(text, { file: 'f', env: {}, probes: [] })).toMatchObject({
    problems: [{ message: 'this build has no probes' }],
  })
})
