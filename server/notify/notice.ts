import { z } from 'zod'
import { signals } from '../../checks/probe.ts'

/** Pairs a notice speaks of; the worst are named. */
const comparedMax = 20

/** What the newest verdict of one pair is of. */
const comparedSchema = z.object({
  pair: z.string(),
  /** The run that told it. */
  run: z.string(),
  /** What was done in fact: `full` also where an incremental run could not go on from an earlier one. */
  mode: z.enum(['full', 'incremental', 'sample', 'scrub']),
  /** Share of the keys that was compared, 0 to 1. */
  share: z.number(),
  /** The match ratio stands for more than was compared. */
  estimated: z.boolean(),
  /** In a sentence, for people. */
  says: z.string(),
  /** Absent where the run could not tell. */
  matchRatio: z.number().optional(),
})
export type Compared = Readonly<z.output<typeof comparedSchema>>

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
  /** Of a notice about drift: how much its numbers are of, the worst pair first. */
  compared: z.array(comparedSchema).optional(),
  /** Pairs of the pipeline that are not named in `compared`. */
  comparedLeftOut: z.int().optional(),
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

/** The pairs of a pipeline as a notice names them: those that could not tell first, then the worst. Pure. */
export function comparedOf(pairs: readonly Compared[]): Pick<NoticeContent, 'compared' | 'comparedLeftOut'> {
  if (pairs.length === 0) return {}
  const compared = pairs
    .toSorted((one, other) => (one.matchRatio ?? -1) - (other.matchRatio ?? -1))
    .slice(0, comparedMax)
  const leftOut = pairs.length - compared.length
  return { compared, ...(leftOut > 0 ? { comparedLeftOut: leftOut } : {}) }
}

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
