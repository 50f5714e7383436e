import { completeness } from './completeness.ts'
import { duplicates } from './duplicates.ts'
import { outbox } from './outbox.ts'
import type { Probe } from './probe.ts'
import { sqlProbe } from './sql.ts'
import { tableLag } from './table-lag.ts'

/**
 * Every probe this build can run, in the order the docs list them.
 * A new probe is one new file and one new line here; nothing else changes.
 */
export const probes: readonly Probe[] = [tableLag, completeness, duplicates, outbox, sqlProbe]
