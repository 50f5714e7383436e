import type { RunDetailRow } from './reads.ts'

const rows = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`

/**
 * Why the kept differences of a run are not all there are, in one line of plain characters without a quote; undefined when
 * they are all.
 */
export function shortfallOf({ state, slices, counts, kept }: RunDetailRow): string | undefined {
  const going = state === 'queued' || state === 'running'
  const unread = slices.filter((slice) => slice.state === 'unknown').length
  const counted = counts ? counts.missing + counts.extra + counts.changed : 0
  const why = [
    ...(going ? ['the run is still under way'] : []),
    ...(state === 'failed' || state === 'cancelled'
      ? [`the run was ${state === 'failed' ? 'cut off by an error' : state}`]
      : []),
    ...(unread > 0 ? [`${rows(unread, 'slice')} could not be read`] : []),
    ...(kept.items < counted ? [`${kept.items} of ${rows(counted, 'difference')} were kept with their values`] : []),
  ]
  return why.length === 0 ? undefined : `Not all differences: ${why.join('; ')}.`
}
