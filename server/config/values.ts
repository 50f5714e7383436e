import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, type YAMLMap, type YAMLSeq } from 'yaml'
import type { Path } from './problem.ts'
import { isRecord } from './raw.ts'
import { substitute, type Environment } from './reference.ts'

export const depthMax = 32
/** Values once aliases are followed: a few lines of them can stand for billions. */
const valuesMax = 50_000
/** What is shorter would be found in every sentence, and hides nothing. */
const secretLengthMin = 4

/** Where the value at a path and its key begin, and what was put in there. Offsets into the file. */
export interface Spot {
  readonly key?: number
  readonly value: number
  /** As the file has it, where the environment was put in. */
  readonly written?: string
  /** A reference in it leads nowhere. */
  readonly missing?: boolean
  /** What variables held that were put in, by their names. */
  readonly secrets?: ReadonlyMap<string, string>
}

export interface ReadValues {
  readonly env: Environment
  /** Filled while reading, by `keyOf` of the path. */
  readonly spots: Map<string, Spot>
  find(offset: number, path: Path, message: string, hint?: string): void
}

export const keyOf = (path: Path): string => path.map((part) => `\0${part}`).join('')

/**
 * The values of a parsed file, aliases followed, merge keys merged, the environment put in. Undefined when a limit was
 * reached; an empty file is an empty map.
 */
export function readValues(contents: Node | null, { env, spots, find }: ReadValues): unknown {
  const anchors = new Map<string, Node>()
  const open = new Set<Node>()
  let values = 0
  let full = false

  const value = walk(contents, [])
  return full ? undefined : (value ?? {})

  function walk(node: Node | null, path: Path, key?: number): unknown {
    const offset = node?.range?.[0] ?? key ?? 0
    if (full || overLimit(path, offset)) return undefined
    if (isAlias(node)) return follow(node.source, path, offset, key)
    if (node && 'anchor' in node && node.anchor) anchors.set(node.anchor, node)
    spots.set(keyOf(path), { value: offset, ...(key !== undefined && { key }) })
    if (isScalar(node)) return scalarOf(node.value, path, offset)
    if (!node) return null
    open.add(node)
    const value = isSeq(node) ? listOf(node, path) : isMap(node) ? mapOf(node, path) : null
    open.delete(node)
    return value
  }

  function overLimit(path: Path, offset: number): boolean {
    values += 1
    const limit = values > valuesMax ? `holds more than ${valuesMax} values` : `nests deeper than ${depthMax} levels`
    full = values > valuesMax || path.length > depthMax
    if (full) find(offset, [], `the file ${limit} once its aliases are followed`, 'use fewer aliases')
    return full
  }

  function follow(name: string, path: Path, offset: number, key?: number): unknown {
    const node = anchors.get(name)
    if (node && !open.has(node)) return walk(node, path, key)
    spots.set(keyOf(path), { value: offset, missing: true, ...(key !== undefined && { key }) })
    find(offset, path, node ? `the alias *${name} contains itself` : `there is no anchor &${name} above it`)
    return undefined
  }

  function listOf({ items }: YAMLSeq, path: Path): unknown[] {
    return items.map((item, index) => walk(item as Node | null, [...path, index]))
  }

  function mapOf(map: YAMLMap, path: Path): Record<string, unknown> {
    const pairs = map.items as Pair<Node, Node | null>[]
    const values = new Map<string, unknown>()
    // Merged keys first, so that the map's own take their place, in the answer and in error messages.
    for (const { key, value } of pairs) if (isMergeKey(key)) merge(value, path, values)
    for (const { key, value } of pairs) {
      const offset = key.range?.[0] ?? 0
      if (!isScalar(key)) find(offset, path, 'a key must be a plain word, not a list or a map')
      else if (!isMergeKey(key)) values.set(String(key.value), walk(value, [...path, String(key.value)], offset))
    }
    // From entries, because assigning to a key named __proto__ would not make a key at all.
    return Object.fromEntries(values)
  }

  function merge(value: Node | null, path: Path, into: Map<string, unknown>) {
    const spot = spots.get(keyOf(path))!
    // The first of several merged maps wins, so it comes last.
    for (const node of isSeq(value) ? value.items.toReversed() : [value]) {
      const merged = walk(node as Node | null, path)
      if (isRecord(merged)) for (const [key, own] of Object.entries(merged)) into.set(key, own)
    }
    spots.set(keyOf(path), spot)
  }

  function scalarOf(value: unknown, path: Path, offset: number): unknown {
    if (typeof value !== 'string' || !value.includes('${')) return value
    const { text: replaced, used, referred, missing, malformed } = substitute(value, env)
    for (const name of missing) {
      find(offset, path, `the environment variable ${name} is not set`, `set it, or write \${${name}:-default}`)
    }
    if (malformed) find(offset, path, 'a reference is ${NAME} or ${NAME:-default}', 'for the characters ${ write $${')
    if (!referred && !malformed) return replaced
    const spot = spots.get(keyOf(path))!
    const secrets = new Map([...used].filter(([, held]) => held.length >= secretLengthMin))
    spots.set(keyOf(path), { ...spot, written: value, secrets, missing: missing.length > 0 || malformed })
    return replaced
  }
}

const isMergeKey = (key: Node): boolean => isScalar(key) && key.value === '<<' && key.type === 'PLAIN'
