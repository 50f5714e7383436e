import type { Probe } from '../checks/probe.ts'
import { nodeAt, type SchemaNode } from '../server/config/keys.ts'
import { commonKeys, configJsonSchema } from '../server/config/schema.ts'
import { tiers, tierTargets, type Tier } from '../server/evaluate/target.ts'

/** The tables of docs/configuration.md, by the name of the block they stand in. */
export function configTables(probes: readonly Probe[]): ReadonlyMap<string, string> {
  const schema = configJsonSchema(probes)
  const at = (...path: readonly (string | number)[]) => nodeAt(schema, undefined, path) ?? {}
  const pipeline = at('pipelines', 'any')
  const checks = pipeline.properties!['checks']!.items?.oneOf ?? []
  const isCommon = (key: string) => key !== 'probe' && commonKeys.includes(key)
  const only = (node: SchemaNode, isWanted: (key: string) => boolean): SchemaNode => ({
    ...node,
    properties: Object.fromEntries(Object.entries(node.properties ?? {}).filter(([key]) => isWanted(key))),
  })
  return new Map([
    ['top', table(only(schema, (key) => key === 'store'))],
    ['server', table(at('server'))],
    ['connections', table(at('connections', 'any'))],
    ['channels', table(at('channels', 'any'))],
    ['tiers', tiersTable()],
    ['pipelines', table(only(pipeline, (key) => key !== 'checks' && key !== 'pairs'))],
    ['checks', table(only(checks[0] ?? {}, isCommon))],
    ['probes', checks.map((check) => probeSection(only(check, (key) => !isCommon(key)))).join('\n\n')],
    ['rules', table(pipeline.properties!['rules']!.items!)],
    ['pairs', table(pipeline.properties!['pairs']!.items!)],
  ])
}

function tiersTable(): string {
  const row = (words: string, show: (tier: (typeof tierTargets)[Tier]) => string) =>
    `| ${words} | ${tiers.map((tier) => show(tierTargets[tier])).join(' | ')} |`
  return [
    `| | ${tiers.join(' | ')} |`,
    '|---|---|---|---|',
    row('lag', ({ lag }) => (lag < 60 ? `${lag} s` : lag < 3_600 ? `${lag / 60} min` : `${lag / 3_600} h`)),
    row('errors, of all handled', ({ errors }) => `${errors * 100} %`),
    row('dead letters', ({ deadLetters }) => `${deadLetters}`),
    row('duplicates', ({ duplicates }) => `${duplicates}`),
    row('match ratio, at least', ({ drift }) => `${drift * 100} %`),
  ].join('\n')
}

function probeSection(node: SchemaNode): string {
  const { probe, ...own } = node.properties!
  return `### \`probe: ${String(probe!.const)}\`\n\n${probe!.description}\n\n${table({ ...node, properties: own })}`
}

const table = (node: SchemaNode): string =>
  ['| key | takes | default | what it is |', '|---|---|---|---|', ...rows(node)].join('\n')

function rows({ properties = {}, required = [] }: SchemaNode, above = ''): readonly string[] {
  return Object.entries(properties).flatMap(([key, node]) => {
    const path = `${above}${key}`
    const fallback = required.includes(key) ? 'required' : node.default === undefined ? '' : shown(node.default)
    const own = `| \`${path}\` | ${takes(node)} | ${fallback} | ${node.description?.replaceAll('|', '\\|')} |`
    // Rules have a section of their own.
    if (key === 'rules') return [own]
    const named = typeof node.additionalProperties === 'object' ? rows(node.additionalProperties, `${path}.NAME.`) : []
    return [own, ...rows(node, `${path}.`), ...named, ...(node.items ? rows(node.items, `${path}[].`) : [])]
  })
}

const shown = (value: unknown): string => {
  const isEmpty = typeof value === 'object' && value !== null && Object.keys(value).length === 0
  return isEmpty ? '' : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``
}

function takes({ type, anyOf, oneOf, enum: choices, items, pattern, additionalProperties }: SchemaNode): string {
  if (choices) return choices.map((choice) => `\`${String(choice)}\``).join(', ')
  if (anyOf ?? oneOf) return [...new Set((anyOf ?? oneOf)!.map(takes))].join(' or ')
  if (type === 'array') return items?.type === 'object' ? 'list of maps' : `list of ${items ? takes(items) : 'values'}`
  if (type === 'object')
    return typeof additionalProperties === 'object' ? `map of ${takes(additionalProperties)}` : 'map'
  if (type === 'boolean') return '`true`, `false`'
  if (type === 'string') return pattern?.includes('(ms|s|m|h|d)') ? 'duration' : 'text'
  return type === 'integer' ? 'whole number' : 'number'
}
