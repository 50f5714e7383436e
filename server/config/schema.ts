import { z } from 'zod'
import type { Probe } from '../../checks/probe.ts'
import { connectionSchema, storeUrl, type Connection } from '../connect/connection.ts'
import { duration } from '../connect/duration.ts'
import { ruleSchema, type WrittenRule } from '../evaluate/rule.ts'
import { targetsSchema, tiers, type Tier } from '../evaluate/target.ts'
import { channelSchema, type ConfiguredChannel } from '../notify/channel.ts'
import { pairSchema, type PairSpec } from '../reconcile/pair.ts'
import type { SchemaNode } from './keys.ts'

/** A config file, parsed. Past this point nobody checks or defaults anything again. */
export interface Config {
  readonly store: string
  readonly server: Server
  readonly connections: Readonly<Record<string, Connection>>
  readonly channels: Readonly<Record<string, ConfiguredChannel>>
  readonly pipelines: Readonly<Record<string, Pipeline>>
}

interface Server {
  readonly host: string
  readonly port: number
  readonly externalUrl?: string | undefined
}

export interface Pipeline {
  readonly title: string
  readonly pattern: (typeof patterns)[number]
  readonly tier: Tier
  readonly owner: string
  readonly runbook?: string | undefined
  readonly route?: readonly string[] | undefined
  readonly paused: boolean
  readonly targets: z.output<typeof targetsSchema>
  readonly notify?: readonly string[] | undefined
  /** On the verdicts of its pairs. */
  readonly rules: readonly WrittenRule[]
  readonly checks: readonly WrittenCheck[]
  readonly pairs: readonly PairSpec[]
}

/** A check as the config writes it, its target parsed by its probe's own schema. */
export interface WrittenCheck {
  /** Unique in its pipeline. */
  readonly id: string
  readonly probe: string
  readonly everyMs: number
  readonly timeoutMs: number
  readonly paused: boolean
  readonly rules: readonly WrittenRule[]
  readonly target: Readonly<Record<string, unknown>>
}

const patterns = ['request-reply', 'fire-and-forget', 'pub-sub', 'saga', 'batch', 'event-driven'] as const

const everyMsMin = 1_000

const slug = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'use at most 63 lower case letters, digits, hyphens and underscores')

/** The times of a check, by themselves: one is held against the other even when the rest of the check is wrong. */
export const timing = z.object({
  every: duration
    .prefault('30s')
    .refine((ms) => ms >= everyMsMin, 'must be 1s or longer')
    .describe('How often it runs, from start to start.'),
  timeout: duration
    .prefault('10s')
    .refine((ms) => ms > 0, 'must be longer than 0')
    .describe('It is given up after this long, which counts as no answer. Shorter than `every`.'),
})

const common = {
  id: slug
    .optional()
    .describe('Its name in the pipeline. The name of the probe when left out, numbered when repeated.'),
  ...timing.shape,
  paused: z.boolean().default(false).describe('Whether it is not run for now.'),
  rules: z.array(ruleSchema).default([]).describe('What is expected of its numbers, beside the rules of its tier.'),
}

/** The keys every check has, whatever its probe. */
export const commonKeys: readonly string[] = ['probe', ...Object.keys(common)]

const server = z
  .strictObject({
    host: z.string().min(1).default('127.0.0.1').describe('The address to listen on; 0.0.0.0 is every one.'),
    port: z.int().min(0).max(65_535).default(8420).describe('The port to listen on; 0 is any free one.'),
    externalUrl: z
      .url({ protocol: /^https?$/, error: 'write an http:// or https:// URL' })
      .optional()
      .describe('Where people reach the dashboard, for the links in notices.'),
  })
  .prefault({})
  .describe('The dashboard, the API and the metrics.')

/** The one schema of the config file, assembled from what each room and each probe says of its own part. */
export function configSchema(probes: readonly Probe[]) {
  return z.strictObject({
    store: storeUrl
      .default('pglite://.tallyman/store')
      .describe(
        'Our own database: an embedded one in a directory (pglite:), or PostgreSQL, which production is to use.',
      ),
    server,
    connections: z
      .record(slug, connectionSchema)
      .default({})
      .describe('The systems that are looked at, each under the name the rest of the file calls it by.'),
    channels: z.record(slug, channelSchema).default({}).describe('The ways people are told, each under its name.'),
    pipelines: z.record(slug, pipelineSchema(probes)).describe('The flows that are watched, each under its id.'),
  })
}

const pipelineSchema = (probes: readonly Probe[]) =>
  z
    .strictObject({
      title: z.string().min(1).describe('What people call it.'),
      pattern: z.enum(patterns).describe('How its data travels.'),
      tier: z.enum(tiers).describe('How fast it has to be: sets the targets of all five signals.'),
      owner: z.string().min(1).describe('The team that is told and asked.'),
      runbook: z
        .url({ protocol: /^https?$/, error: 'write an http:// or https:// URL' })
        .optional()
        .describe('What to do when it breaks, one click away from every alert.'),
      route: z.array(z.string().min(1)).min(1).optional().describe('The systems it passes, source first, for display.'),
      paused: z.boolean().default(false).describe('Whether none of its checks and schedules run for now.'),
      targets: targetsSchema.prefault({}).describe('What it promises instead of what its tier does, signal by signal.'),
      notify: z.array(z.string()).optional().describe('The channels that are told of it; all when left out.'),
      rules: z.array(ruleSchema).default([]).describe('What is expected of the verdicts of its pairs.'),
      checks: z.array(checkSchema(probes)).default([]).describe('What is measured, and how often.'),
      pairs: z.array(pairSchema).default([]).describe('The tables that should agree.'),
    })
    .transform((pipeline) => ({ ...pipeline, checks: named(pipeline.checks) }))

function checkSchema(probes: readonly Probe[]) {
  const [first, ...others] = probes.map(keysOf)
  if (!first) return z.never('this build has no probes')
  return z.discriminatedUnion('probe', [first, ...others])
}

function keysOf({ name, summary, target }: Probe) {
  const clash = Object.keys(target.shape).find((key) => commonKeys.includes(key))
  if (clash) throw new TypeError(`the probe ${name} has a key "${clash}", which every check has`)
  return z
    .strictObject({ probe: z.literal(name).describe(summary), ...common, ...target.shape })
    .transform(({ probe, id, every, timeout, paused, rules, ...target }) => ({
      ...{ probe, id, everyMs: every, timeoutMs: timeout, paused, rules },
      target: target as Readonly<Record<string, unknown>>,
    }))
}

/** Gives every check without an id the name of its probe: `table-lag`, `table-lag-2`, … */
export function named<C extends { readonly probe: string; readonly id?: string | undefined }>(checks: readonly C[]) {
  const count = new Map<string, number>()
  return checks.map((check) => {
    if (check.id !== undefined) return { ...check, id: check.id }
    const nth = (count.get(check.probe) ?? 0) + 1
    count.set(check.probe, nth)
    return { ...check, id: nth === 1 ? check.probe : `${check.probe}-${nth}` }
  })
}

/** JSON Schema (2020-12) of the file as people write it, for editors: completion, descriptions, red underlines. */
export const configJsonSchema = (probes: readonly Probe[]): SchemaNode & Record<string, unknown> =>
  z.toJSONSchema(configSchema(probes), { io: 'input', target: 'draft-2020-12' }) as SchemaNode & Record<string, unknown>
