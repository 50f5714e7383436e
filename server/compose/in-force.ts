import { probes } from '../../checks/registry.ts'
import type { Config } from '../config/schema.ts'
import type { Catalog } from '../expose/reads.ts'
import type { Channel } from '../notify/kind.ts'
import { catalogOf } from './catalog.ts'
import { pairsOf, type PlacedPair } from './pairs.ts'

/** The config in force and what follows from it; replaced whole by a reload. */
export interface InForce {
  readonly config: Config
  readonly pairs: readonly PlacedPair[]
  readonly catalog: Catalog
  readonly channels: ReadonlyMap<string, Channel>
  /** Why the newest file was not taken; the one before it is in force. */
  readonly fault?: string
}

const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone

export const inForce = (config: Config): InForce => ({
  config,
  pairs: pairsOf(config),
  catalog: catalogOf(config, probes, timezone),
  channels: new Map(Object.entries(config.channels).map(([name, channel]) => [name, channel.open(name)])),
})
