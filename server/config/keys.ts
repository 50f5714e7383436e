import type { Path } from './problem.ts'
import { isRecord } from './raw.ts'

/** The part of JSON Schema that our schema comes out as. */
export interface SchemaNode {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly pattern?: string
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly required?: readonly string[]
  readonly additionalProperties?: SchemaNode | boolean
  readonly items?: SchemaNode
  readonly anyOf?: readonly SchemaNode[]
  readonly oneOf?: readonly SchemaNode[]
}

/** Every way a value may be written: the node itself, or its alternatives, theirs included. */
export const alternatives = (node: SchemaNode): readonly SchemaNode[] => {
  const either = [...(node.anyOf ?? []), ...(node.oneOf ?? [])]
  return either.length ? either.flatMap(alternatives) : [node]
}

/** What the schema says of the thing at a path, given the file's values to tell alternatives apart. */
export function nodeAt(root: SchemaNode, value: unknown, path: Path): SchemaNode | undefined {
  let node: SchemaNode | undefined = root
  let at = value
  for (const part of path) {
    if (!node) return undefined
    node = inside(likeliest(node, at), part)
    at = isRecord(at) || Array.isArray(at) ? (at as Record<string | number, unknown>)[part] : undefined
  }
  return node && likeliest(node, at)
}

function inside(node: SchemaNode | undefined, part: string | number): SchemaNode | undefined {
  if (typeof part === 'number') return node?.items
  if (node?.properties && Object.hasOwn(node.properties, part)) return node.properties[part]
  return typeof node?.additionalProperties === 'object' ? node.additionalProperties : undefined
}

/** The alternative a person most likely meant: the one with their constants, then the one with most of their keys. */
function likeliest(node: SchemaNode, value: unknown): SchemaNode | undefined {
  const fits = alternatives(node).filter(({ type }) => Array.isArray(value) === (type === 'array'))
  if (!isRecord(value)) return fits[0]
  const score = ({ properties = {} }: SchemaNode) =>
    Object.entries(properties).reduce((sum, [key, { const: constant }]) => {
      if (!Object.hasOwn(value, key)) return sum
      if (constant === undefined) return sum + 1
      return constant === value[key] ? sum + 1_000 : sum - 1_000
    }, 0)
  return fits.filter(({ type }) => type === 'object').toSorted((one, other) => score(other) - score(one))[0]
}
