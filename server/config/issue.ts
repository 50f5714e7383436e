import type { z } from 'zod'
import { nodeAt, type SchemaNode } from './keys.ts'
import { listed, nearest, suggest, type Finding, type Path } from './problem.ts'
import { isRecord, valueAt } from './raw.ts'

type Issue = z.core.$ZodIssue

/** What the issues of a parse are read against. */
export interface Parsed {
  /** As it was parsed, whole. */
  readonly value: unknown
  readonly schema: SchemaNode
  /** How a value may be shown: as the file has it where the environment was put in, so that no secret is. */
  show(path: Path): string
}

/** Words for what the schema refused, one finding a mistake. */
export const findingsOf = (issues: readonly Issue[], parsed: Parsed, above: Path = []): readonly Finding[] =>
  issues.flatMap((issue) => wordsOf(issue, [...above, ...(issue.path as Path)], parsed))

function wordsOf(issue: Issue, path: Path, parsed: Parsed): readonly Finding[] {
  const given = valueAt(parsed.value, path)
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = Object.keys(nodeAt(parsed.schema, parsed.value, path)?.properties ?? {})
      // A key that is there already was not meant again.
      const free = known.filter((name) => !isRecord(given) || !Object.hasOwn(given, name))
      const unknown = (key: string): Finding => {
        return {
          path: [...path, key],
          atKey: true,
          message: 'unknown key',
          hint: suggest(key, known, 'known here', free),
        }
      }
      return issue.keys.map(unknown)
    }
    case 'invalid_key':
      return [{ path, atKey: true, message: `not a name: ${limitWords(issue.issues[0] ?? issue)}` }]
    case 'invalid_union':
      return unionWords(issue, path, parsed)
    case 'invalid_type':
      return [{ path, ...typeWords(issue, given, nodeAt(parsed.schema, parsed.value, path)) }]
    case 'invalid_value': {
      const known = issue.values.map(String)
      if (given === undefined) return [{ path, message: 'is missing', hint: `one of ${listed(known)}` }]
      const near = nearest(parsed.show(path), known)
      return [{ path, message: `must be one of ${listed(known)}`, ...(near && { hint: `did you mean "${near}"?` }) }]
    }
    default:
      return [{ path, message: limitWords(issue) }]
  }
}

function unionWords(issue: Issue & { code: 'invalid_union' }, path: Path, parsed: Parsed): readonly Finding[] {
  if ('discriminator' in issue && issue.discriminator !== undefined) {
    const known = ('options' in issue ? (issue.options ?? []) : []).map(String)
    const word = issue.discriminator
    if (valueAt(parsed.value, path) === undefined)
      return [{ path, message: 'is missing', hint: `one of ${listed(known)}` }]
    const shown = parsed.show(path)
    return [{ path, message: `there is no ${word} "${shown}"`, hint: suggest(shown, known, 'there are') }]
  }
  // The alternative that got furthest is the one that was meant; those refused outright were not.
  const meant = issue.errors
    .filter((issues) => !issues.some(({ code, path }) => code === 'invalid_type' && path.length === 0))
    .toSorted((one, other) => one.length - other.length)[0]
  if (meant) return findingsOf(meant, parsed, path)
  const types = issue.errors.flatMap((issues) =>
    issues.map((each) => ('expected' in each ? String(each.expected) : '')),
  )
  const expected = [...new Set(types.filter(Boolean).map((type) => typeNames[type] ?? type))].join(' or ')
  const given = valueAt(parsed.value, path)
  return [{ path, message: given === undefined ? 'is missing' : `expected ${expected}, not ${nameOf(given)}` }]
}

const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map of keys',
  record: 'a map of names',
  array: 'a list',
}

function typeWords(issue: Issue & { code: 'invalid_type' }, given: unknown, node: SchemaNode | undefined) {
  const hint = node?.description ?? ''
  if (given === undefined) return { message: 'is missing', hint }
  if (!issue.message.startsWith('Invalid input')) return { message: issue.message }
  const expected = typeNames[issue.expected] ?? issue.expected
  if (issue.expected === 'int' && typeof given === 'number') return { message: `expected ${expected}` }
  return { message: `expected ${expected}, not ${nameOf(given)}`, hint }
}

const nameOf = (value: unknown): string =>
  value === null ? 'nothing' : Array.isArray(value) ? 'a list' : (typeNames[typeof value] ?? typeof value)

function limitWords(issue: Issue): string {
  const own = !/^(Invalid|Too )/.test(issue.message)
  if (own) return issue.message
  if (issue.code === 'too_small' || issue.code === 'too_big') {
    const [word, limit] = issue.code === 'too_small' ? ['at least', issue.minimum] : ['at most', issue.maximum]
    const things = { string: ' characters', array: ' entries', record: ' entries' }[issue.origin as string]
    return things ? `must have ${word} ${limit}${things}` : `must be ${word} ${limit}`
  }
  return 'format' in issue && issue.format !== 'regex'
    ? `is not a valid ${issue.format}`
    : 'is not written as it must be'
}
