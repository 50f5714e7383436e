/** Where something stands in a config: keys and positions in lists, outermost first; the whole file is `[]`. */
export type Path = readonly (string | number)[]

/** One mistake in a config file, at its place. Never holds what an environment variable was replaced by. */
export interface Problem {
  readonly file: string
  /** Both count from 1. */
  readonly line: number
  readonly column: number
  /** Dotted, such as `pipelines.customers.checks.0.every`; empty for the file as a whole. */
  readonly path: string
  readonly message: string
  /** What would be right; empty when the message says it. */
  readonly hint: string
}

/** What a reader of the config found, before it is known where in the file it stands. */
export interface Finding {
  readonly path: Path
  /** Points at the name of the key instead of at its value. */
  readonly atKey?: boolean
  readonly message: string
  readonly hint?: string
}

/** One line a problem, as compilers print them: `file:line:column: path: message; hint`. */
export const problemsText = (problems: readonly Problem[]): string =>
  problems
    .map(({ file, line, column, path, message, hint }) => {
      const place = `${file}:${line}:${column}: ${path && `${path}: `}`
      return `${place}${message}${hint && `; ${hint}`}`
    })
    .join('\n')

/** Names in the order given, ready for a sentence. */
export const listed = (names: Iterable<string>): string => [...names].join(', ') || 'none'

/** The hint for a name that is not among those known: the nearest of the likely ones, when one is near, and all. */
export function suggest(name: string, known: readonly string[], word: string, likely = known): string {
  const near = nearest(name, likely)
  const all = `${word}: ${listed(known)}`
  return near === undefined ? all : `did you mean "${near}"? ${all}`
}

/** The known name a typing mistake away; undefined when none is. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const editsMax = Math.max(1, Math.floor(name.length / 3))
  const ranked = known
    .map((candidate) => ({ candidate, edits: editsBetween(name.toLowerCase(), candidate.toLowerCase()) }))
    .filter(({ edits }) => edits <= editsMax)
    .sort((one, other) => one.edits - other.edits)
  return ranked[0]?.candidate
}

/** Letters to insert, drop or replace. Cost: the product of both lengths. */
function editsBetween(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (const [index, letter] of [...from].entries()) {
    const next = [index + 1]
    for (let at = 1; at <= to.length; at += 1) {
      const replaced = row[at - 1]! + (to[at - 1] === letter ? 0 : 1)
      next.push(Math.min(replaced, row[at]! + 1, next[at - 1]! + 1))
    }
    row = next
  }
  return row[to.length]!
}
