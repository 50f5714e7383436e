import type { z } from 'zod'
import type { Metric, Need, Probe } from '../../checks/probe.ts'
import { metricsOf } from '../evaluate/derived.ts'
import { ruleProblems } from '../evaluate/rule.ts'
import { nearest, type Finding, type Path } from './problem.ts'
import { recordOf, type Entry, type Surroundings } from './raw.ts'
import { timing } from './schema.ts'

type Target = Parameters<Probe['run']>[0]

/** What is wrong with one check beyond its own keys. A part of it that does not parse hides nothing in the others. */
export function checkFindings(check: Entry, path: Path, around: Surroundings): readonly Finding[] {
  const probe = around.probes.find(({ name }) => name === check['probe'])
  const target = probe && targetOf(probe, check)
  return [
    ...timingFindings(check, path, around),
    ...(target?.issues ?? []).map(({ path: at, message }) => ({ path: [...path, ...(at as Path)], message })),
    ...(probe && target ? needsOf(probe, target.parsed) : []).flatMap((need) =>
      around.connection(need.connection, need.system, [...path, ...need.path]),
    ),
    ...(probe && target ? metricFindings(metricsFor(probe, target), check['rules'], [...path, 'rules'], around) : []),
  ]
}

function timingFindings(check: Entry, path: Path, around: Surroundings): readonly Finding[] {
  const times = timing.safeParse(check)
  const unknown = around.isMissing([...path, 'every']) || around.isMissing([...path, 'timeout'])
  if (!times.success || unknown || times.data.timeout < times.data.every) return []
  // Said of the key that was written: the other is a default.
  const key = Object.hasOwn(check, 'timeout') ? 'timeout' : 'every'
  const { every, timeout } = times.data
  const message = `timeout (${seconds(timeout)}) must be shorter than every (${seconds(every)})`
  return [{ path: [...path, key], message, hint: 'or a late answer would meet the next run' }]
}

const seconds = (ms: number): string => `${ms / 1_000}s`

interface ParsedTarget {
  /** What parses of it, key by key: whole only when `whole`. */
  readonly parsed: Target
  readonly whole: boolean
  /** What only the probe's own schema sees: its keys held against each other. */
  readonly issues: readonly z.core.$ZodIssue[]
}

function targetOf({ target }: Probe, check: Readonly<Record<string, unknown>>): ParsedTarget {
  const own = Object.fromEntries(
    Object.keys(target.shape).flatMap((key) => (Object.hasOwn(check, key) ? [[key, check[key]]] : [])),
  )
  const whole = target.safeParse(own)
  if (whole.success) return { parsed: whole.data, whole: true, issues: [] }
  const parts = Object.entries(target.shape).flatMap(([key, schema]) => {
    const part = (schema as z.ZodType).safeParse(own[key])
    return part.success ? [[key, part.data]] : []
  })
  const issues = whole.error.issues.filter(({ code }) => code === 'custom')
  return { parsed: Object.fromEntries(parts), whole: false, issues }
}

/** The connections of a target that may lack keys: what a probe cannot tell of such a one, it need not. */
function needsOf(probe: Probe, target: Target): readonly Need[] {
  try {
    return probe.needs(target).filter(({ connection }) => typeof connection === 'string')
  } catch {
    return []
  }
}

/** The numbers this check reports; undefined when that hangs on a part of its target that does not parse. */
const metricsFor = (probe: Probe, { parsed, whole }: ParsedTarget): Readonly<Record<string, Metric>> | undefined =>
  whole || !probe.declares ? metricsOf(probe, parsed) : undefined

/** Rules on numbers nobody reports, and second rules on the same number. */
export function metricFindings(
  metrics: Readonly<Record<string, Metric>> | undefined,
  rules: unknown,
  path: Path,
  { isMissing, show }: Surroundings,
): readonly Finding[] {
  if (!metrics || !Array.isArray(rules)) return []
  const written = rules.map((rule: unknown) => {
    const { metric, severity } = recordOf(rule)
    return { metric: String(metric ?? ''), severity: severity === 'crit' ? ('crit' as const) : ('warn' as const) }
  })
  return ruleProblems(metrics, written).flatMap(({ path: [index, key], message }) => {
    const { metric } = written[index]!
    const at = [...path, index, key]
    if (!metric || isMissing(at)) return []
    const shown = show(at, metric)
    const near = Object.hasOwn(metrics, metric) ? undefined : nearest(shown, Object.keys(metrics))
    return [{ path: at, message: message.replace(metric, shown), ...(near && { hint: `did you mean "${near}"?` }) }]
  })
}
