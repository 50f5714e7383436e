import { measuredOf } from './measured.ts'
import { cached } from './metrics-lag.ts'
import { narrowed } from './narrow.ts'
import type { Snapshot } from './reads.ts'
import type { Sheet } from './sheet.ts'

/** The other signals that probes read: errors, dead letters, duplicates, the same for every system. */
export function writeSignals(sheet: Sheet, snapshot: Snapshot, now: Date): void {
  const only = narrowed(snapshot)
  const errors = sheet.gauge(
    'tallyman_error_ratio',
    `Failed of all handled records; the worst check of the pipeline. ${cached}`,
    'pipeline',
  )
  const dead = sheet.gauge(
    'tallyman_dlq_messages',
    `Records in the dead-letter queue a check reads. ${cached}`,
    'pipeline',
    'dlq',
  )
  const oldest = sheet.gauge(
    'tallyman_dlq_oldest_message_timestamp_seconds',
    'When the oldest record of the dead-letter queue came there; absent when it is empty.',
    'pipeline',
    'dlq',
  )
  const duplicates = sheet.gauge(
    'tallyman_duplicate_records',
    `Surplus records found by the last complete check. ${cached}`,
    'pipeline',
  )
  const checkedAt = sheet.gauge(
    'tallyman_duplicate_check_last_success_timestamp_seconds',
    'When duplicates were last looked for.',
    'pipeline',
  )

  for (const pipeline of snapshot.catalog.pipelines.filter(({ paused }) => !paused)) {
    const who = { pipeline: pipeline.id }
    const { standing } = only(pipeline.id)
    const read = (signal: 'errors' | 'dead-letters' | 'duplicates', unit: string) =>
      measuredOf(standing, pipeline, signal, now).filter(({ about }) => about.unit === unit)
    const fresh = (signal: 'errors' | 'dead-letters' | 'duplicates', unit: string) =>
      read(signal, unit).filter((each) => each.fresh)
    const ratios = fresh('errors', 'ratio')
    if (ratios.length > 0) errors(who, Math.max(...ratios.map(({ value }) => value)))
    for (const { check, value } of fresh('dead-letters', 'records')) dead({ ...who, dlq: check.name }, value)
    for (const { check, value, at } of read('dead-letters', 'seconds')) {
      if (value > 0) oldest({ ...who, dlq: check.name }, at.getTime() / 1_000 - value)
    }
    const surplus = read('duplicates', 'records')
    if (surplus.length === 0) continue
    // A sum over some of the checks would be smaller than the truth: all of them, or none.
    if (surplus.every((each) => each.fresh))
      duplicates(
        who,
        surplus.reduce((sum, { value }) => sum + value, 0),
      )
    checkedAt(who, Math.min(...surplus.map(({ at }) => at.getTime())) / 1_000)
  }
}
