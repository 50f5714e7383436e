import { secondsOf } from './metrics-lag.ts'
import type { Snapshot } from './reads.ts'
import type { Sheet } from './sheet.ts'

const severities = ['warn', 'crit'] as const
const statuses = ['pending', 'firing', 'recovering'] as const

/** Alerts by severity and status, the rules behind them, and how telling people goes. */
export function writeAlerts(sheet: Sheet, { standing, monitor }: Snapshot): void {
  const alerts = sheet.gauge('tallyman_alerts', 'Alerts that are not quiet.', 'severity', 'state')
  for (const severity of severities) {
    for (const status of statuses) {
      alerts(
        { severity, state: status },
        standing.alerts.filter((alert) => alert.severity === severity && alert.status === status).length,
      )
    }
  }
  const info = sheet.gauge('tallyman_rule_info', 'The rules in force.', 'rule', 'severity', 'threshold', 'unit')
  for (const { id, severity, threshold, unit } of standing.rules)
    info({ rule: id, severity, threshold: String(threshold), unit }, 1)

  const { evaluations } = monitor
  sheet.counter('tallyman_alert_evaluations_total', 'Turns that judged rules.')({}, evaluations.total)
  sheet.counter('tallyman_alert_evaluation_failures_total', 'Turns that could not judge or remember.')(
    {},
    evaluations.failures,
  )
  sheet.gauge('tallyman_alert_last_evaluation_timestamp_seconds', 'When rules were last judged.')(
    {},
    secondsOf(evaluations.lastAt),
  )

  const sent = sheet.counter('tallyman_notifications_total', 'Notices that were delivered.', 'channel')
  const failed = sheet.counter('tallyman_notification_failures_total', 'Attempts at delivery that failed.', 'channel')
  for (const { channel, ...counts } of monitor.channels) {
    sent({ channel }, counts.sent)
    failed({ channel }, counts.failed)
  }
  sheet.gauge('tallyman_notification_outbox_messages', 'Notices that wait to be delivered.')({}, monitor.noticesWaiting)
  sheet.gauge(
    'tallyman_notification_outbox_oldest_timestamp_seconds',
    'When the oldest of them was written; absent when none waits.',
  )({}, secondsOf(monitor.oldestNoticeAt))
}

/** The monitor itself, whichever of several processes answers. */
export function writeSelf(sheet: Sheet, { standing, monitor }: Snapshot, nodejsVersion: string): void {
  sheet.gauge(
    'tallyman_build_info',
    'What runs here.',
    'version',
    'revision',
    'nodejs_version',
  )({ version: monitor.version, revision: monitor.revision, nodejs_version: nodejsVersion }, 1)
  sheet.gauge(
    'tallyman_config_last_reload_successful',
    '0 while the newest config file is wrong and the one before it is in force.',
  )({}, Number(monitor.configFault === undefined))
  sheet.gauge('tallyman_leader', '1 if this process exports the pipelines.')({}, Number(monitor.leader))
  sheet.gauge('tallyman_scheduler_lag_seconds', 'How late the newest turn began after it was due.')(
    {},
    monitor.schedulerLagMs === undefined ? undefined : monitor.schedulerLagMs / 1_000,
  )
  sheet.gauge('tallyman_snapshot_timestamp_seconds', 'When what is shown here was drawn up.')(
    {},
    secondsOf(standing.at),
  )
}
