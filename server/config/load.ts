import type { Probe } from '../../checks/probe.ts'
import { crossFindings } from './cross.ts'
import { findingsOf } from './issue.ts'
import type { Finding, Path, Problem } from './problem.ts'
import { isRecord, valueAt } from './raw.ts'
import type { Environment } from './reference.ts'
import { configJsonSchema, configSchema, type Config } from './schema.ts'
import { readYaml, type PlacedFinding, type Yaml } from './yaml.ts'

export type Loaded = { readonly config: Config } | { readonly problems: readonly Problem[] }

export interface LoadOptions {
  /** As it is named in problems. */
  readonly file: string
  readonly env: Environment
  readonly probes: readonly Probe[]
}

/**
 * Parses a config file, or says everything that is wrong with it at once, in the order of the file. Bad luck is an
 * answer here: nothing is thrown. No problem ever shows what the environment put in.
 */
export function loadConfig(text: string, { file, env, probes }: LoadOptions): Loaded {
  const yaml = readYaml(text, env)
  const problemsOf = (findings: readonly (Finding | PlacedFinding)[]) => placed(findings, yaml, file)
  if (yaml.value === undefined) return { problems: problemsOf(yaml.findings) }

  const schema = configSchema(probes)
  const asWritten = schema.safeParse(yaml.value)
  const value = retyped(yaml.value, asWritten.error?.issues ?? [], yaml)
  const parsed = value === yaml.value ? asWritten : schema.safeParse(value)
  const show = (path: Path) => yaml.written(path) ?? String(valueAt(value, path) ?? '')
  const issues = parsed.error?.issues ?? []
  const own = issues.length ? findingsOf(issues, { value, schema: configJsonSchema(probes), show }) : []
  const around = { probes, isMissing: yaml.isMissing, show: (path: Path, shown: string) => yaml.written(path) ?? shown }
  const findings = [...own, ...crossFindings(value, around)].filter(({ path }) => !yaml.isMissing(path))

  const problems = problemsOf([...yaml.findings, ...findings])
  return problems.length || !parsed.success ? { problems } : { config: parsed.data }
}

type Issue = NonNullable<ReturnType<ReturnType<typeof configSchema>['safeParse']>['error']>['issues'][number]

/** What the environment puts in is text: where a number or true or false belongs, it is read as one. */
function retyped(value: unknown, issues: readonly Issue[], yaml: Yaml): unknown {
  return issues.reduce((whole, issue) => {
    const path = issue.path as Path
    const text = valueAt(whole, path)
    if (issue.code !== 'invalid_type' || typeof text !== 'string' || yaml.written(path) === undefined) return whole
    if (issue.expected === 'boolean' && /^(true|false)$/.test(text)) return withValue(whole, path, text === 'true')
    const isNumber = text.trim() !== '' && Number.isFinite(Number(text))
    return issue.expected === 'number' && isNumber ? withValue(whole, path, Number(text)) : whole
  }, value)
}

function withValue(whole: unknown, [part, ...rest]: Path, value: unknown): unknown {
  if (part === undefined) return value
  if (Array.isArray(whole)) return whole.map((item, index) => (index === part ? withValue(item, rest, value) : item))
  return isRecord(whole) ? { ...whole, [part]: withValue(whole[part], rest, value) } : whole
}

/** Each finding at its line, in the order of the file; what two readers found alike is told once. */
function placed(findings: readonly (Finding | PlacedFinding)[], yaml: Yaml, file: string): readonly Problem[] {
  const problems = findings.map((finding): Problem => {
    const { path, message, hint = '' } = finding
    const clean = (text: string) => yaml.withoutSecrets(path, text)
    const place = 'place' in finding ? finding.place : yaml.place(path, finding.atKey)
    return { file, ...place, path: path.join('.'), message: clean(message), hint: clean(hint) }
  })
  // An anchor's mistake is found again under every alias of it.
  const told = new Set<string>()
  const isNew = ({ line, column, path, message }: Problem) => {
    const what = JSON.stringify([line, column, path.split('.').at(-1), message])
    return told.has(what) ? false : told.add(what).has(what)
  }
  return problems.filter(isNew).toSorted((one, other) => one.line - other.line || one.column - other.column)
}
