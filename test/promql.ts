/** One metric an expression asks for, and the labels it is chosen by. */
export interface Selector {
  readonly metric: string
  readonly labels: readonly string[]
}

const tokens =
  /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|#[^\n]*|\$\{?\w+\}?|\d[\w.]*|[a-zA-Z_:][\w:]*|[=!]~|[=!<>]=|[^\s]/g
const listed = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right'])
const words = new Set(['and', 'or', 'unless', 'bool', 'offset', 'atan2', 'inf', 'nan'])
const aggregators = new Set('sum min max avg group stddev stdvar count count_values bottomk topk quantile'.split(' '))

/**
 * The metrics a PromQL expression names; functions, aggregators, keywords, labels and strings are not among them.
 * Reads Grafana's variables and its `label_values(metric, label)` too.
 */
export function selectorsOf(expression: string): Selector[] {
  const found: Selector[] = []
  const all = expression.match(tokens)?.filter((token) => !token.startsWith('#')) ?? []
  for (let at = 0; at < all.length; at++) {
    const token = all[at]!
    const next = all[at + 1]
    const lower = token.toLowerCase()
    if (token === '[') at = all.indexOf(']', at)
    else if (token === '{') at = all.indexOf('}', at)
    else if (listed.has(lower) && next === '(') at = all.indexOf(')', at)
    else if (token === ',' && isLabelValues(all)) return found
    else if (!/^[a-zA-Z_:]/.test(token) || words.has(lower) || listed.has(lower)) continue
    else if (next === '(' || aggregators.has(lower)) continue
    else found.push({ metric: token, labels: next === '{' ? labelsFrom(all, at + 2) : [] })
  }
  return found
}

const isLabelValues = (all: readonly string[]) => all[0] === 'label_values'

function labelsFrom(all: readonly string[], from: number): string[] {
  const inside = all.slice(from, all.indexOf('}', from))
  return inside.filter((_, index) => ['=', '!=', '=~', '!~'].includes(inside[index + 1] ?? ''))
}

/** What a text in the Prometheus exposition format offers: each metric with the labels seen on it. */
export function exposedIn(text: string): Map<string, Set<string>> {
  const exposed = new Map<string, Set<string>>()
  const add = (metric: string) => exposed.get(metric) ?? exposed.set(metric, new Set()).get(metric)!
  for (const line of text.split('\n')) {
    const [, declared, type] = /^# TYPE (\S+) (\S+)/.exec(line) ?? []
    if (declared && type === 'histogram') for (const part of ['_bucket', '_sum', '_count']) add(declared + part)
    else if (declared) add(declared)

    const [, metric, labels = ''] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$/.exec(line) ?? []
    if (!metric) continue
    for (const [, label] of labels.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)) add(metric).add(label!)
  }
  return exposed
}
