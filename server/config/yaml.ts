import { parseDocument } from 'yaml'
import type { Finding, Path } from './problem.ts'
import type { Environment } from './reference.ts'
import { depthMax, keyOf, readValues, type Spot } from './values.ts'

export const bytesMax = 1_048_576

interface Place {
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
  // Counted here, because the parser's own counter loses lines inside what it cannot parse.
  const placeOf = (offset: number): Place => {
    const line = starts.findLastIndex((start) => start <= offset)
    return { line: line + 1, column: Math.min(offset, text.length) - starts[line]! + 1 }
  }
  const find = (offset: number, path: Path, message: string, hint = '') =>
    void findings.push({ place: placeOf(offset), path, message, hint })

  const value = parse()
  const secretSpots = [...spots].filter(([, { secrets }]) => secrets?.size)

  return {
    value,
    findings,
    place: (path, atKey = false) => placeOf(spotOf(path, atKey)),
    written: (path) => spots.get(keyOf(path))?.written,
    withoutSecrets: (path, about) =>
      secretSpots
        .filter(([key]) => keyOf(path).startsWith(key) || key.startsWith(keyOf(path)))
        .flatMap(([, { secrets }]) => [...secrets!])
        .reduce((clean, [name, held]) => clean.replaceAll(held, `\${${name}}`), about),
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
    return readValues(document.contents, { env, spots, find })
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

/** The parser's sentence without the piece of the file it quotes, which may be a password. */
const syntaxWords = (code: string, message: string): string =>
  ownWords[code] ?? `not valid YAML: ${message.replace(/: ".*/s, '')}`

const ownWords: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'this key is given twice',
  MULTIPLE_DOCS: 'a second document starts here; a config is one',
}
