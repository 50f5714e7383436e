import type { Config } from '../config/schema.ts'
import type { Notice as Turned } from '../evaluate/alert.ts'
import type { Rule } from '../evaluate/rule.ts'
import {
  addressed,
  comparedOf,
  dedupKeyOf,
  receivers,
  type Compared,
  type Notice,
  type NoticeContent,
} from '../notify/notice.ts'

interface Addressing {
  readonly config: Config
  readonly rules: readonly Rule[]
  readonly dashboard: string
  /** What the newest verdicts of the pipeline are of; none for what is not told by runs. */
  readonly compared: readonly Compared[]
}

/** Puts what a turn wants told into the words and onto the channels of the config in force. */
export function addressNotice(
  { id, event, at, alert }: Turned,
  firedTo: readonly string[],
  { config, rules, dashboard, compared }: Addressing,
): readonly Notice[] {
  const pipeline = config.pipelines[alert.pipeline]
  const rule = rules.find(({ id }) => id === alert.rule)
  const page = `${dashboard}/pipelines/${encodeURIComponent(alert.pipeline)}`
  const content: NoticeContent = {
    incident: alert.incident,
    rule: alert.rule,
    pipeline: alert.pipeline,
    pipelineTitle: pipeline?.title ?? alert.pipeline,
    check: alert.check,
    kind: alert.kind,
    event,
    severity: alert.severity,
    dedupKey: dedupKeyOf(alert),
    at,
    since: alert.since,
    what: alert.why,
    ...comparedOf(compared),
    owner: pipeline?.owner ?? 'nobody: the pipeline has left the config',
    links: { pipeline: page, incident: `${dashboard}/alerts` },
    ...(alert.signal ? { signal: alert.signal } : {}),
    ...(alert.value === undefined ? {} : { value: alert.value }),
    ...(alert.threshold === undefined ? {} : { threshold: alert.threshold }),
    ...(alert.unit ? { unit: alert.unit } : {}),
    ...(rule ? { when: rule.when } : {}),
    ...(pipeline?.runbook ? { runbook: pipeline.runbook } : {}),
  }
  const routes = Object.entries(config.channels).map(([name, { severities }]) => ({ name, severities }))
  return addressed(content, receivers(content, { routes, notify: pipeline?.notify, muted: false, firedTo }), id)
}
