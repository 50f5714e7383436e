import { Registry } from 'prom-client'
import { derived } from '../evaluate/derived.ts'
import type { CheckStanding } from '../evaluate/standing.ts'
import { readingName } from './metrics-probe.ts'
import { byReason, reasonOf } from './reason.ts'
import type { CatalogCheck } from './reads.ts'
import { Sheet } from './sheet.ts'

interface Outcome {
  readonly standing: CheckStanding
  readonly trace: readonly string[]
}

/** One run of one check as Prometheus text. Without an outcome it was too late for the scrape that asked. */
export async function probeText(
  check: CatalogCheck,
  outcome: Outcome | undefined,
  debug: boolean,
  limitMs: number | undefined,
): Promise<string> {
  const registry = new Registry()
  const sheet = new Sheet(registry)
  const answered = outcome?.standing.answered === true
  sheet.gauge('probe_success', '1 if the check answered.')({}, Number(answered))
  sheet.gauge('probe_duration_seconds', 'How long it took.')(
    {},
    outcome ? (outcome.standing.tookMs ?? 0) / 1_000 : (limitMs ?? 0) / 1_000,
  )
  sheet.gauge('probe_timeout_seconds', 'How long it may take.')({}, check.timeoutMs / 1_000)
  if (!answered) {
    const failed = sheet.gauge('probe_failed_due_to', 'Why it did not answer.', 'reason')
    const reason = reasonOf(outcome?.standing.fault?.code ?? 'timeout')
    for (const [each] of byReason([])) failed({ reason: each }, Number(each === reason))
  }
  for (const { metric, value } of answered ? outcome.standing.readings : []) {
    const about = check.metrics[metric]
    if (!about) continue
    const name = metric in derived ? `tallyman_${metric}` : readingName(check.probe, metric)
    const open = metric.endsWith('_total') ? 'counter' : 'gauge'
    sheet[open](name, about.help)({}, value)
  }
  const text = await registry.metrics()
  return debug ? `${told(check, outcome)}\n${text}` : text
}

/** As comments, so that the text stays what a scraper reads. */
const told = (check: CatalogCheck, outcome: Outcome | undefined) =>
  [
    `Check ${check.id}, probe ${check.probe}.`,
    ...(outcome?.trace ?? ['It had not answered when the scrape was about to give up; it goes on.']),
    ...(outcome?.standing.answered === false && outcome.standing.fault
      ? [`${outcome.standing.fault.code}: ${outcome.standing.fault.message}`, outcome.standing.fault.hint]
      : []),
  ]
    .flatMap((line) => line.split('\n'))
    .map((line) => `# ${line}`)
    .join('\n')
