import { isAlias, isMap, isScalar, isSeq, parseDocument, type Node, type Pair, type YAMLMap, type YAMLSeq } from 'yaml'
import type { Finding, Path } from './problem.ts'
import { isRecord } from './raw.ts'
import { substitute, type Environment } from './reference.ts'

export const bytesMax = 1_048_576
const depthMax = 32
/** Values once aliases are followed: a few lines of them can stand for billions. */
const valuesMax = 50_000
/** What is shorter would be found in every sentence, and hides nothing. */
const secretLengthMin = 4

export interface Place {
  readonly line: number
  readonly column: number
}

/** A finding whose place is already known, because the file could not be read as far as a path. */
export interface PlacedFinding extends Finding {
  readonly place: Place
}

/** A config file as values, and where each of them stands. */
export interface Yaml {
  /** Undefined when the file is too broken to be looked at any further. */
  readonly value: unknown
  readonly findings: readonly PlacedFinding[]
  /** Of the value at a path, or of its key; of the nearest thing around it when it is not in the file. */
  place(path: Path, atKey?: boolean): Place
  /** What the file says where an environment variable was put in; undefined where none was. */
  written(path: Path): string | undefined
  /** A text about the thing at a path, with the names of variables where it repeats what they hold. */
  withoutSecrets(path: Path, text: string): string
  /** Whether the value is unknown: a reference in it leads nowhere. That is a finding already. */
  isMissing(path: Path): boolean
}

interface Spot {
  readonly key?: number
  readonly value: number
  readonly written?: string
  readonly missing?: boolean
}

/**
 * Reads YAML 1.2 (with merge keys) and puts the environment in, value by value. Nothing is thrown: a mistake is a
 * finding, and what is around it is still read. A file past a limit is not read at all.
 */
export function readYaml(file: string, env: Environment): Yaml {
  // A byte order mark is no column.
  const text = file.replace(/^\uFEFF/, '')
  const starts = [0, ...[...text.matchAll(/\n/g)].map(({ index }) => index + 1)]
  const findings: PlacedFinding[] = []
  const spots = new Map<string, Spot>()
  const secrets: { readonly key: string; readonly name: string; readonly value: string }[] = []
  // Counted here, because the parser's own counter loses lines inside what it cannot parse.
  const placeOf = (offset: number): Place => {
    const line = starts.findLastIndex((start) => start <= offset)
    return { line: line + 1, column: Math.min(offset, text.length) - starts[line]! + 1 }
  }
  const find = (offset: number, path: Path, message: string, hint = '') =>
    void findings.push({ place: placeOf(offset), path, message, hint })

  return {
    value: parse(),
    findings,
    place: (path, atKey = false) => placeOf(spotOf(path, atKey)),
    written: (path) => spots.get(keyOf(path))?.written,
    withoutSecrets: (path, about) =>
      secrets
        .filter(({ key }) => keyOf(path).startsWith(key) || key.startsWith(keyOf(path)))
        .reduce((clean, { name, value }) => clean.replaceAll(value, `\${${name}}`), about),
    isMissing: (path) => spots.get(keyOf(path))?.missing ?? false,
  }

  function parse(): unknown {
    const bytes = Buffer.byteLength(text)
    if (bytes > bytesMax) {
      find(0, [], `the file has ${bytes} bytes; at most ${bytesMax} are read`, 'split it into several instances')
      return undefined
    }
    const document = parseDocument(text, { prettyErrors: false })
    const mistakes = [...document.errors, ...document.warnings]
    if (mistakes.some(({ message }) => /call stack/.test(message))) {
      find(0, [], `the file nests deeper than ${depthMax} levels`)
      return undefined
    }
    for (const { code, message, pos } of mistakes) find(pos[0], [], syntaxWords(code, message))
    // A key given twice still leaves a readable file; after other mistakes the rest may mean something else.
    if (document.errors.some(({ code }) => code !== 'DUPLICATE_KEY')) return undefined
    return valuesOf(document.contents)
  }

  function valuesOf(contents: Node | null): unknown {
    const anchors = new Map<string, Node>()
    const open = new Set<Node>()
    let values = 0
    let full = false

    const walk = (node: Node | null, path: Path, key?: number): unknown => {
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

    const overLimit = (path: Path, offset: number): boolean => {
      values += 1
      const limit = values > valuesMax ? `holds more than ${valuesMax} values` : `nests deeper than ${depthMax} levels`
      full = values > valuesMax || path.length > depthMax
      if (full) find(offset, [], `the file ${limit} once its aliases are followed`, 'use fewer aliases')
      return full
    }

    const follow = (name: string, path: Path, offset: number, key?: number): unknown => {
      const node = anchors.get(name)
      if (node && !open.has(node)) return walk(node, path, key)
      spots.set(keyOf(path), { value: offset, missing: true, ...(key !== undefined && { key }) })
      find(offset, path, node ? `the alias *${name} contains itself` : `there is no anchor &${name} above it`)
      return undefined
    }

    const listOf = ({ items }: YAMLSeq, path: Path) =>
      items.map((item, index) => walk(item as Node | null, [...path, index]))

    const mapOf = (map: YAMLMap, path: Path): Record<string, unknown> => {
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

    const merge = (value: Node | null, path: Path, into: Map<string, unknown>) => {
      const spot = spots.get(keyOf(path))!
      // The first of several merged maps wins, so it comes last.
      for (const node of isSeq(value) ? value.items.toReversed() : [value]) {
        const merged = walk(node as Node | null, path)
        if (isRecord(merged)) for (const [key, own] of Object.entries(merged)) into.set(key, own)
      }
      spots.set(keyOf(path), spot)
    }

    const scalarOf = (value: unknown, path: Path, offset: number): unknown => {
      if (typeof value !== 'string' || !value.includes('${')) return value
      const { text: replaced, used, referred, missing, malformed } = substitute(value, env)
      for (const name of missing) {
        find(offset, path, `the environment variable ${name} is not set`, `set it, or write \${${name}:-default}`)
      }
      if (malformed) find(offset, path, 'a reference is ${NAME} or ${NAME:-default}', 'for the characters ${ write $${')
      for (const [name, held] of used) {
        if (held.length >= secretLengthMin) secrets.push({ key: keyOf(path), name, value: held })
      }
      const spot = spots.get(keyOf(path))!
      if (referred || malformed)
        spots.set(keyOf(path), { ...spot, written: value, missing: missing.length > 0 || malformed })
      return replaced
    }

    const value = walk(contents, [])
    return full ? undefined : (value ?? {})
  }

  function spotOf(path: Path, atKey: boolean): number {
    for (let length = path.length; length >= 0; length -= 1) {
      const spot = spots.get(keyOf(path.slice(0, length)))
      if (!spot) continue
      // What is not there belongs to the thing it is missing from, which its key names best.
      const named = atKey || length < path.length
      return named ? (spot.key ?? spot.value) : spot.value
    }
    return 0
  }
}

const isMergeKey = (key: Node): boolean => isScalar(key) && key.value === '<<' && key.type === 'PLAIN'

const keyOf = (path: Path): string => path.map((part) => `\0${part}`).join('')

/** The parser's sentence without the piece of the file it quotes, which may be a password. */
const syntaxWords = (code: string, message: string): string =>
  ownWords[code] ?? `not valid YAML: ${message.replace(/: ".*/s, '')}`

const ownWords: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'this key is given twice',
  MULTIPLE_DOCS: 'a second document starts here; a config is one',
}
