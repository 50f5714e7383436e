import type { Probe } from './probe.ts'

/**
 * Every probe this build can run, in the order the docs list them.
 * A new probe is one new file and one new line here; nothing else changes.
 */
export const probes: readonly Probe[] = []
