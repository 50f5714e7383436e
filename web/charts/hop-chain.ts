import type { Hop } from '../api.ts'

/** Hops in a row, each starting where the one before it ends. */
export type Chain = readonly Hop[]

/** Joins hops whose ends meet into chains, in the order given; a hop that meets no other is a chain of its own. */
export function chainsOf(hops: readonly Hop[]): Chain[] {
  const chains: Hop[][] = []
  for (const hop of hops) {
    const before = chains.find((chain) => chain.at(-1)!.target.name === hop.source.name)
    if (before) before.push(hop)
    else chains.push([hop])
  }
  return chains
}

const badness: Record<Hop['state'], number> = { crit: 4, warn: 3, nodata: 2, ok: 0, paused: 0, unmeasured: 0 }

/** The hop that carries the trouble: the worst, and among the worst the slowest. Undefined when all is well. */
export function bottleneckOf(hops: readonly Hop[]): Hop | undefined {
  const [worst] = hops
    .filter(({ state }) => state === 'crit' || state === 'warn')
    .toSorted((a, b) => badness[b.state] - badness[a.state] || slowness(b) - slowness(a))
  return worst
}

const slowness = ({ lagSeconds, lowerSeconds, records }: Hop): number =>
  lagSeconds ?? lowerSeconds ?? (records ?? 0) / 1e9
