import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { createMetrics } from '../server/expose/metrics.ts'
import { readingName } from '../server/expose/metrics-probe.ts'
import { ago, alertStandingOf, checkOf, hopOf, now, pairStanding, pipelineOf, snapshotOf } from './expose-world.ts'
import { exposedIn, selectorsOf } from './promql.ts'
import { promtool, startPrometheus, type Prometheus } from './services/prometheus.ts'

const grafana = join(import.meta.dirname, '../grafana')
const read = (name: string) => readFile(join(grafana, name), 'utf8')

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly datasource?: { readonly uid: string }
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[]
}
interface Dashboard {
  readonly uid: string
  readonly editable: boolean
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] }
  readonly annotations: { readonly list: readonly { readonly expr?: string }[] }
}
interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
}

const files = (await readdir(join(grafana, 'dashboards'))).filter((name) => name.endsWith('.json'))
const dashboards = await Promise.all(
  files.map(async (name) => JSON.parse(await read(`dashboards/${name}`)) as Dashboard),
)
const panels = dashboards.flatMap((dashboard) => dashboard.panels)
const { groups } = parse(await read('alerts/tallyman.rules.yml')) as Rules

/** Every expression that is shipped, with where it stands. */
const expressions: readonly (readonly [where: string, expression: string])[] = [
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [`panel ${title}`, expr] as const)),
  ...dashboards.flatMap(({ templating, annotations }) => [
    ...templating.list.flatMap(({ name, definition }) =>
      definition ? [[`variable ${name}`, definition] as const] : [],
    ),
    ...annotations.list.flatMap(({ expr }) => (expr ? [['annotation', expr] as const] : [])),
  ]),
  ...groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => [`alert ${alert}`, expr] as const)),
]

/** What Prometheus itself adds to every scrape, and the labels it puts on every series. */
const fromPrometheus = { metrics: ['up'], labels: ['job', 'instance'] }

const { checks } = pipelineOf()
const duplicates = {
  ...checks[0]!,
  ...{ id: 'customers.duplicates', name: 'duplicates', probe: 'duplicates' },
  metrics: { surplus_records: { help: 'Surplus.', unit: 'records', signal: 'duplicates' } } as const,
}

/** /metrics of a server where everything that can be shown is: a run under way, a notice waiting, a limit reached. */
async function fullText(): Promise<string> {
  const surplus = [{ metric: 'surplus_records', value: 2 }]
  const snapshot = snapshotOf({
    pipelines: [pipelineOf('customers', { checks: [...checks, duplicates] })],
    checks: [...checks.map(({ id }) => checkOf(id)), checkOf(duplicates.id, { readings: surplus })],
    hops: [hopOf('customers', { etaSeconds: 90 })],
    alerts: [alertStandingOf()],
    pairs: [
      pairStanding(),
      pairStanding({
        pair: 'orders',
        running: {
          run: '1',
          progress: 0.5,
          waiting: { reason: 'window', why: 'It is outside of its window.', since: now },
        },
      }),
    ],
    monitor: { noticesWaiting: 1, oldestNoticeAt: ago(60) },
  })
  const metrics = createMetrics()
  metrics.ran({ system: 'postgresql', kind: 'table-lag' }, 0.02)
  await metrics.render(snapshot, now)
  return metrics.render(snapshot, now)
}

describe('what is shipped for Prometheus and Grafana', async () => {
  const text = await fullText()
  const exposed = exposedIn(text)

  it('is there', () => {
    expect(files).toContain('tallyman.json')
    expect(expressions.length).toBeGreaterThan(60)
  })

  it.each(expressions)('names only metrics and labels that are exposed: %s', (_where, expression) => {
    const selectors = selectorsOf(expression).filter(({ metric }) => !fromPrometheus.metrics.includes(metric))
    expect(selectors.map(({ metric }) => metric).filter((metric) => !exposed.has(metric))).toEqual([])
    for (const { metric, labels } of selectors) {
      const known = [...exposed.get(metric)!, ...fromPrometheus.labels]
      // A counter of what has never happened has no series to show its labels on.
      if (known.length > fromPrometheus.labels.length) expect(known).toEqual(expect.arrayContaining([...labels]))
    }
  })

  /** What is drawn by another name, or is there for joining, or only says what the config says. */
  const undrawn = [
    ...['tallyman_build_info', 'tallyman_rule_info', 'tallyman_probe_info', 'tallyman_lag_method_info'],
    ...['tallyman_source_records_total', 'tallyman_target_records_total'],
    ...['tallyman_probe_runs_total', 'tallyman_probe_last_run_timestamp_seconds', 'tallyman_probe_interval_seconds'],
    'tallyman_probe_run_duration_seconds',
    ...['tallyman_scrape_duration_seconds', 'tallyman_duplicate_check_last_success_timestamp_seconds'],
  ]
  const readings = [...pipelineOf().checks, duplicates].flatMap(({ probe, metrics: told }) =>
    Object.keys(told).map((metric) => readingName(probe, metric)),
  )
  const metrics = [...text.matchAll(/^# TYPE (tallyman_\w+)/gm)].flatMap(([, name]) =>
    readings.includes(name!) ? [] : [name!],
  )
  const drawn = new Set(
    panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => selectorsOf(expr).map(({ metric }) => metric))),
  )

  it.each(metrics.filter((name) => !undrawn.includes(name)))('draws %s', (name) => {
    expect(drawn).toContain(name)
  })

  it('leaves out nothing that reconciling tells', () => {
    const told = metrics.filter((name) => /_(reconcile|drift|corrections?|oldest_unverified)_/.test(name))
    expect(told.length).toBeGreaterThan(14)
    expect(told.filter((name) => undrawn.includes(name))).toEqual([])
    expect(undrawn.filter((name) => !metrics.includes(name))).toEqual([])
  })

  it('passes the check of Prometheus for metrics', async () => {
    // What Node's own collectors call their metrics is theirs to decide.
    const ours = text.replaceAll(/^(# (HELP|TYPE) )?(nodejs|process)_.*\n/gm, '')
    expect(await promtool(['check', 'metrics'], ours)).toEqual({ ok: true, output: '' })
  })
})

describe('the alert rules', () => {
  it('pass the check of Prometheus', async () => {
    expect(await promtool(['check', 'rules', join(grafana, 'alerts/tallyman.rules.yml')])).toMatchObject({ ok: true })
  })

  it('pass their unit tests', async () => {
    const { ok, output } = await promtool(['test', 'rules', join(grafana, 'alerts/tallyman.rules.test.yml')])
    expect(output).toContain('SUCCESS')
    expect(ok).toBe(true)
  })

  it('have a unit test each', async () => {
    const tests = await read('alerts/tallyman.rules.test.yml')
    const patterns = [...tests.matchAll(/alertname(?:=~?"|: )([\w.*]+)/g)].map(([, name]) => new RegExp(`^${name}$`))
    const names = groups.flatMap(({ rules }) => rules.map(({ alert }) => alert))
    const bySignal = names.filter((name) => name.startsWith('TallymanDeadLetters'))
    expect(names.filter((name) => !bySignal.includes(name) && !patterns.some((pattern) => pattern.test(name)))).toEqual(
      [],
    )
  })
})

describe('the dashboard', () => {
  const drawn = panels.filter(({ type }) => type !== 'row')

  it('has an address that never changes', () => expect(dashboards.map(({ uid }) => uid)).toEqual(['tallyman']))

  it.each(drawn.map((panel) => [panel.title, panel] as const))('says what to do about: %s', (_title, panel) => {
    expect(panel.description?.length).toBeGreaterThan(60)
    const sources = [panel.datasource, ...panel.targets!.map(({ datasource }) => datasource)]
    expect(new Set(sources.map((source) => source?.uid))).toEqual(new Set(['${datasource}']))
  })

  it('has panels that neither overlap nor share an id', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const overlap = (one: Panel['gridPos'], other: Panel['gridPos']) =>
      one.x < other.x + other.w && other.x < one.x + one.w && one.y < other.y + other.h && other.y < one.y + one.h
    for (const [index, { title, gridPos }] of panels.entries()) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24)
      const over = panels.slice(index + 1).filter((other) => overlap(gridPos, other.gridPos))
      expect(over.map((other) => `${title} / ${other.title}`)).toEqual([])
    }
  })
})

describe('what finds it', () => {
  it('is a configuration that Prometheus accepts', async () => {
    const checked = await promtool(['check', 'config', '--syntax-only', join(grafana, 'prometheus.yml')])
    expect(checked).toMatchObject({ ok: true })
  })

  it('lets nobody change the provisioned dashboard in the browser', async () => {
    const { providers } = parse(await read('provisioning/dashboards/tallyman.yaml')) as { providers: unknown[] }
    expect(providers).toEqual([expect.objectContaining({ type: 'file', allowUiUpdates: false })])
    expect(dashboards.every(({ editable }) => !editable)).toBe(true)
  })
})

describe('a real Prometheus', () => {
  let prometheus: Prometheus
  beforeAll(async () => {
    prometheus = await startPrometheus('{}')
  })
  afterAll(() => prometheus?.stop())

  const filledIn = (expression: string) =>
    expression.replaceAll('$pipeline', '.*').replaceAll(/\$__(rate_)?interval/g, '1m')

  it('understands every expression', async () => {
    for (const [where, expression] of expressions.filter(([, each]) => !each.startsWith('label_values'))) {
      await expect(prometheus.query(filledIn(expression)), where).resolves.toBeDefined()
    }
  })
})
