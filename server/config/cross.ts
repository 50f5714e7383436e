import { systemOf } from '../connect/scheme.ts'
import { reconcileMetrics } from '../evaluate/derived.ts'
import { checkFindings, metricFindings } from './check-findings.ts'
import { pairFindings } from './pair-findings.ts'
import { listed, suggest, type Finding, type Path } from './problem.ts'
import { listOf, recordOf, textOf, type Entry, type Surroundings } from './raw.ts'
import { named } from './schema.ts'

/**
 * What the schema cannot see, because it takes two places of the file to see it: names that lead nowhere, ids given
 * twice, rules on numbers nobody reports. Looks at the file before the schema, so that a mistake elsewhere hides none.
 */
export function crossFindings(file: unknown, known: Omit<Surroundings, 'connection'>): readonly Finding[] {
  const root = recordOf(file)
  const around: Surroundings = { ...known, connection: connectionFinding(recordOf(root['connections']), known) }
  const pipelines = Object.entries(recordOf(root['pipelines']))
  return [
    ...pipelines.flatMap(([id, pipeline]) => pipelineFindings(['pipelines', id], recordOf(pipeline), root, around)),
    ...pairIdFindings(pipelines, around),
  ]
}

function pipelineFindings(path: Path, pipeline: Entry, root: Entry, around: Surroundings): readonly Finding[] {
  const checks = listOf(pipeline['checks'])
  return [
    ...channelFindings(pipeline['notify'], root, [...path, 'notify'], around),
    ...metricFindings(reconcileMetrics, pipeline['rules'], [...path, 'rules'], around),
    ...checkIdFindings(checks, [...path, 'checks'], around),
    ...checks.flatMap((check, index) => checkFindings(recordOf(check), [...path, 'checks', index], around)),
    ...listOf(pipeline['pairs']).flatMap((pair, index) => [
      ...pairFindings(recordOf(pair), [...path, 'pairs', index], around),
      ...settleFindings(recordOf(pair), checks, [...path, 'pairs', index], around),
    ]),
  ]
}

function channelFindings(names: unknown, root: Entry, path: Path, around: Surroundings): readonly Finding[] {
  const { show, isMissing } = around
  const known = Object.keys(recordOf(root['channels']))
  return listOf(names).flatMap((name, index) => {
    const at = [...path, index]
    if (typeof name !== 'string' || known.includes(name) || isMissing(at)) return []
    const shown = show(at, name)
    return [{ path: at, message: `there is no channel "${shown}"`, hint: suggest(shown, known, 'there are') }]
  })
}

const connectionFinding =
  (connections: Entry, { show, isMissing }: Omit<Surroundings, 'connection'>) =>
  (name: string, wanted: string | readonly string[], path: Path): readonly Finding[] => {
    const systems: readonly (string | undefined)[] = typeof wanted === 'string' ? [wanted] : wanted
    const systemNamed = (connection: string) => {
      const { url } = recordOf(connections[connection])
      return typeof url === 'string' && !isMissing(['connections', connection, 'url']) ? systemOf(url) : undefined
    }
    if (isMissing(path)) return []
    const names = Object.keys(connections)
    const shown = show(path, name)
    if (!Object.hasOwn(connections, name)) {
      return [{ path, message: `there is no connection "${shown}"`, hint: suggest(shown, names, 'there are') }]
    }
    const found = systemNamed(name)
    if (found === undefined || systems.includes(found)) return []
    const fitting = listed(names.filter((other) => systems.includes(systemNamed(other))))
    const system = systems.join(' or ')
    return [
      { path, message: `the connection "${shown}" is ${found}, not ${system}`, hint: `those to ${system}: ${fitting}` },
    ]
  }

/** A pair settles by positions: of a check there is, and that tells some. */
function settleFindings(pair: Entry, checks: readonly unknown[], path: Path, around: Surroundings): readonly Finding[] {
  const { check } = recordOf(pair['settle'])
  const at = [...path, 'settle', 'check']
  if (typeof check !== 'string' || around.isMissing(at)) return []
  const shown = around.show(at, check)
  const found = idsOf(checks)
  const measuring = found.filter(({ probe }) =>
    around.probes.some(({ name, positions }) => name === probe && positions),
  )
  if (measuring.some(({ id }) => id === check)) return []
  const known = measuring.map(({ id }) => id)
  return found.some(({ id }) => id === check)
    ? [
        {
          path: at,
          message: `the check "${shown}" does not measure positions`,
          hint: suggest(shown, known, 'those that do'),
        },
      ]
    : [
        {
          path: at,
          message: `this pipeline has no check "${shown}"`,
          hint: suggest(shown, known, 'those that measure positions'),
        },
      ]
}

/** The ids of checks, whatever else may be wrong with them. */
const idsOf = (checks: readonly unknown[]) =>
  named(
    checks
      .map((check) => recordOf(check))
      .map(({ probe, id }) => ({ probe: textOf(probe), id: textOf(id) || undefined })),
  )

/** The pseudo check that carries the verdicts of a pipeline's pairs. */
const reserved = 'reconcile'

function checkIdFindings(checks: readonly unknown[], path: Path, around: Surroundings): readonly Finding[] {
  const ids = idsOf(checks)
  return ids.flatMap(({ id }, index) => {
    const at = [...path, index, 'id']
    if (around.isMissing(at)) return []
    const shown = around.show(at, id)
    if (id === reserved) {
      return [
        { path: at, message: `"${shown}" is taken by the verdicts of the pairs`, hint: 'give the check another id' },
      ]
    }
    const first = ids.findIndex((other) => other.id === id)
    if (!id || first === index) return []
    const message = `the id "${shown}" is taken by checks.${first} of this pipeline`
    return [{ path: at, message, hint: 'ids are unique in a pipeline' }]
  })
}

function pairIdFindings(pipelines: readonly (readonly [string, unknown])[], around: Surroundings): readonly Finding[] {
  const taken = new Map<string, string>()
  return pipelines.flatMap(([pipeline, value]) =>
    listOf(recordOf(value)['pairs']).flatMap((pair, index) => {
      const at = ['pipelines', pipeline, 'pairs', index, 'id']
      const id = textOf(recordOf(pair)['id'])
      if (!id || around.isMissing(at)) return []
      const by = taken.get(id)
      if (by === undefined) {
        taken.set(id, `pipelines.${pipeline}.pairs.${index}`)
        return []
      }
      const hint = 'ids of pairs are unique in the whole file, because the command line names a pair by its id alone'
      return [{ path: at, message: `the id "${around.show(at, id)}" is taken by ${by}`, hint }]
    }),
  )
}
