import { z } from 'zod'
import { signals } from '../../checks/probe.ts'

/** What a notice says, the same for every channel. Dates come back from JSON as Dates. */
const noticeContentSchema = z.object({
  /** New each time an alert leaves quiet. */
  incident: z.string(),
  rule: z.string(),
  pipeline: z.string(),
  pipelineTitle: z.string(),
  check: z.string().optional(),
  signal: z.enum(signals).optional(),
  kind: z.enum(['value', 'no-data', 'motion']),
  event: z.enum(['fired', 'resolved']),
  severity: z.enum(['warn', 'crit']),
  /** The same for the fire and the resolve of one incident, for receivers that pair them. */
  dedupKey: z.string(),
  /** When the alert fired or resolved. */
  at: z.coerce.date(),
  /** When the breach began; before `at`. */
  since: z.coerce.date(),
  /** What is wrong, in a sentence a person would say. */
  what: z.string(),
  /** Absent when it is not known. */
  value: z.number().optional(),
  threshold: z.number().optional(),
  when: z.enum(['above', 'below']).optional(),
  unit: z.enum(['seconds', 'records', 'ratio', 'per_second']).optional(),
  owner: z.string(),
  runbook: z.string().optional(),
  /** Absolute URLs of our own pages, by what they show: `pipeline`, `incident`, `run`. */
  links: z.record(z.string(), z.string()),
})

/** One notice to one channel: one row of the outbox. */
export const noticeSchema = noticeContentSchema.extend({
  /** Stable over every retry, so that a receiver can drop repeats. */
  id: z.string(),
  channel: z.string(),
})

export type NoticeContent = Readonly<z.output<typeof noticeContentSchema>>
export type Notice = Readonly<z.output<typeof noticeSchema>>

/** Whom a channel is for; absent means every severity. */
interface Route {
  readonly name: string
  readonly severities?: readonly ('warn' | 'crit')[] | undefined
}

export interface Reach {
  readonly routes: readonly Route[]
  /** The channels the pipeline names in `notify`; absent means every channel. */
  readonly notify?: readonly string[] | undefined
  /** A silence, maintenance or an inhibition is in force. It holds back fires, never resolves. */
  readonly muted: boolean
  /** Channels that have a fire of this incident in the outbox, whatever became of it. */
  readonly firedTo: readonly string[]
}

/**
 * Names of the channels a notice goes to. A resolve goes to every channel that got the fire, whatever is muted or
 * configured by now: a receiver that heard the alarm must hear its end. A failed fire counts as heard, since a
 * receiver may have acted before its answer was lost.
 */
export function receivers(
  { event, severity }: Pick<NoticeContent, 'event' | 'severity'>,
  { routes, notify, muted, firedTo }: Reach,
): readonly string[] {
  if (event === 'resolved') return [...new Set(firedTo)]
  if (muted) return []
  return routes
    .filter(({ name, severities }) => (notify?.includes(name) ?? true) && (severities?.includes(severity) ?? true))
    .map(({ name }) => name)
}

/** One notice a receiver, ready for the outbox. Its id is the same however often the same turn is told again. */
export const addressed = (content: NoticeContent, names: readonly string[], told: string): readonly Notice[] =>
  names.map((channel) => ({ ...content, id: `${told}.${channel}`, channel }))

/** Pairs the fire and the resolve of one incident for receivers: rule, start and severity, no numbers or words. */
export const dedupKeyOf = ({ rule, since, severity }: Pick<NoticeContent, 'rule' | 'since' | 'severity'>): string =>
  `${rule}:${since.toISOString()}:${severity}`
