import { expect, it } from 'vitest'
import { alternatives, type SchemaNode } from '../server/config/keys.ts'
import { configJsonSchema } from '../server/config/schema.ts'
import { connectionSchema } from '../server/connect/connection.ts'
import { postgresLimits } from '../server/connect/postgres.ts'
import { probes } from './config-probes.ts'

const schema = configJsonSchema(probes)

/** Every key of the schema with its dotted path, alternatives one after the other. */
function keysOf(node: SchemaNode, path = ''): readonly (readonly [path: string, node: SchemaNode])[] {
  return alternatives(node).flatMap(({ properties = {}, additionalProperties, items }) => [
    ...Object.entries(properties).flatMap(([key, inner]) => [
      [`${path}${key}`, inner] as const,
      ...keysOf(inner, `${path}${key}.`),
    ]),
    ...(typeof additionalProperties === 'object' ? keysOf(additionalProperties, `${path}*.`) : []),
    ...(items ? keysOf(items, `${path}[].`) : []),
  ])
}

it('describes every key of the config', () => {
  const silent = keysOf(schema).filter(([, { description }]) => !description)
  expect(silent.map(([path]) => path)).toEqual([])
})

it('refuses unknown keys at every level', () => {
  const open = keysOf(schema).filter(([, node]) =>
    alternatives(node).some(({ type, additionalProperties }) => type === 'object' && additionalProperties === undefined),
  )
  expect(open.map(([path]) => path)).toEqual([])
})
void connectionSchema
void postgresLimits
