import { z } from 'zod'
import type { LagMethod } from '../../checks/probe.ts'
import type { HopStanding } from './standing.ts'

/** The source end as it was seen: it stood at `position` from `firstSeen` to `lastSeen` (epoch milliseconds). */
export interface LagPoint {
  readonly position: bigint
  readonly firstSeen: number
  readonly lastSeen: number
}

/** Both ends at one instant, for rates and for telling how a hop moves. */
export interface PositionPair {
  readonly at: number
  readonly source: bigint
  readonly target: bigint
  /** Cumulative records passed, where they are known. */
  readonly sourceTotal?: bigint | undefined
  readonly targetTotal?: bigint | undefined
  readonly lagSeconds?: number | undefined
}

/** What is remembered of one hop from turn to turn. */
export interface HopMemory {
  readonly epoch?: string | undefined
  /** Oldest first; positions strictly ascend. */
  readonly points: readonly LagPoint[]
  /** Oldest first, thinned to one every 15 s, reaching back 30 minutes. */
  readonly pairs: readonly PositionPair[]
  readonly firstAt: number
  readonly targetMovedAt: number
  readonly caughtUpAt?: number | undefined
  /** The highest the target has been, while it is below that. */
  readonly rewoundFrom?: bigint | undefined
  readonly watermark?: number | undefined
}

const position = z.codec(z.string(), z.bigint(), { decode: (text) => BigInt(text), encode: (value) => String(value) })
const instant = z.codec(z.number(), z.date(), { decode: (ms) => new Date(ms), encode: (at) => at.getTime() })
const methods = [
  'heartbeat', 'record_timestamp', 'offset_by_time', 'interpolated', 'id_timestamp', 'reported',
] as const satisfies readonly LagMethod[] // prettier-ignore

const hopState = z.object({
  memory: z.object({
    epoch: z.string().optional(),
    points: z.array(z.object({ position, firstSeen: z.number(), lastSeen: z.number() })),
    pairs: z.array(
      z.object({
        at: z.number(),
        source: position,
        target: position,
        sourceTotal: position.optional(),
        targetTotal: position.optional(),
        lagSeconds: z.number().optional(),
      }),
    ),
    firstAt: z.number(),
    targetMovedAt: z.number(),
    caughtUpAt: z.number().optional(),
    rewoundFrom: position.optional(),
    watermark: z.number().optional(),
  }),
  standing: z.object({
    pipeline: z.string(),
    check: z.string(),
    hop: z.string(),
    at: instant,
    unit: z.enum(['records', 'bytes', 'microseconds']).optional(),
    sourcePosition: position.optional(),
    targetPosition: position.optional(),
    lag: z
      .object({
        seconds: z.number().optional(),
        lowerSeconds: z.number(),
        upperSeconds: z.number().optional(),
        method: z.enum(methods),
        explained: z.array(z.string()),
      })
      .optional(),
    records: position.optional(),
    watermark: instant.optional(),
    sourceTotal: position.optional(),
    targetTotal: position.optional(),
    inPerSecond: z.number().optional(),
    outPerSecond: z.number().optional(),
    etaSeconds: z.number().optional(),
    motion: z.enum(['ok', 'lagging', 'stalled', 'stopped', 'rewound', 'no_data', 'paused', 'unknown']),
  }),
})

/** JSON as it stands: positions as decimal text, times in epoch milliseconds. At most 60 kB, usually under 4. */
export type HopStateJson = z.input<typeof hopState>

/** One hop of one check, as it is stored: one row by (check, hop), replaced every turn. */
export interface HopRecord {
  readonly check: string
  readonly hop: string
  readonly at: Date
  readonly state: HopStateJson
}

export interface Hop {
  readonly memory: HopMemory
  readonly standing: HopStanding
}

export const freeze = ({ memory, standing }: Hop): HopStateJson =>
  z.encode(hopState, { memory, standing } as z.output<typeof hopState>)

/** Undefined when the stored state is of another build: history is then begun anew. */
export function thaw(state: unknown): Hop | undefined {
  const parsed = hopState.safeDecode(state as HopStateJson)
  return parsed.success ? (parsed.data as Hop) : undefined
}
