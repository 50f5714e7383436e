import type { Probe } from '../../checks/probe.ts'
import type { Config, Pipeline } from '../config/schema.ts'
import { tableName } from '../connect/table.ts'
import { metricsOf } from '../evaluate/derived.ts'
import { targetsOf } from '../evaluate/target.ts'
import type { Catalog, CatalogCheck, CatalogPair } from '../expose/reads.ts'
import type { PairSpec } from '../reconcile/pair.ts'

/** What the pages and the metrics know of the config: names and numbers, no address and no secret. */
export function catalogOf(config: Config, probes: readonly Probe[], timezone: string): Catalog {
  return {
    timezone,
    pipelines: Object.entries(config.pipelines).map(([id, pipeline]) => ({
      id,
      title: pipeline.title,
      owner: pipeline.owner,
      tier: pipeline.tier,
      pattern: pipeline.pattern,
      route: pipeline.route ?? routeOf(pipeline),
      paused: pipeline.paused,
      targets: targetsOf(pipeline.tier, pipeline.targets),
      checks: pipeline.checks.map((check) => catalogCheck(id, pipeline, check, probes)),
      pairs: pipeline.pairs.map(catalogPair),
      ...(pipeline.runbook ? { runbook: pipeline.runbook } : {}),
    })),
  }
}

function catalogCheck(
  pipeline: string,
  { paused }: Pipeline,
  check: Pipeline['checks'][number],
  probes: readonly Probe[],
): CatalogCheck {
  // The config was parsed by these same probes, so every check has its own.
  const probe = probes.find(({ name }) => name === check.probe)!
  const [need] = probe.needs(check.target)
  return {
    id: `${pipeline}.${check.id}`,
    name: check.id,
    probe: check.probe,
    system: need?.system === 'postgres' ? 'postgresql' : (need?.system ?? 'http'),
    metrics: metricsOf(probe, check.target),
    everyMs: check.everyMs,
    timeoutMs: check.timeoutMs,
    paused: paused || check.paused,
  }
}

const catalogPair = (pair: PairSpec): CatalogPair => ({
  id: pair.id,
  source: tableName(pair.source.table),
  target: tableName(pair.target.table),
  key: pair.key ?? [],
  timezone: pair.timezone,
  runMode: pair.mode,
  mode: pair.corrections.mode,
  deletes: pair.deletes,
  authority: authorityWords(pair),
  ...(pair.schedule ? { schedule: pair.schedule } : {}),
  ...(pair.full.schedule ? { fullSchedule: pair.full.schedule } : {}),
  ...(pair.scrub.every ? { scrubEveryMs: pair.scrub.every } : {}),
})

const authorityWords = ({ authority }: PairSpec): string =>
  [authority.default, ...Object.entries(authority.fields).map(([field, owner]) => `${field} from ${owner}`)].join(', ')

/** The systems a pipeline passes, where the config does not say: the two connections of its first pair. */
const routeOf = ({ pairs }: Pipeline): readonly string[] => {
  const [pair] = pairs
  return pair ? [...new Set([pair.source.table.connection, pair.target.table.connection])] : []
}
