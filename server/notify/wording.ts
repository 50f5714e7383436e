import type { Notice } from './notice.ts'
import type { Outgoing } from './kind.ts'

const steps = [
  { unit: 'd', ms: 86_400_000 },
  { unit: 'h', ms: 3_600_000 },
  { unit: 'min', ms: 60_000 },
  { unit: 's', ms: 1_000 },
] as const

/** A length of time in its largest whole unit: `3 min`, `2 h`. */
function lengthOf(ms: number): string {
  const step = steps.find((step) => ms >= step.ms) ?? steps[3]
  return `${Math.max(0, Math.floor(ms / step.ms))} ${step.unit}`
}

/** What a channel puts in its subject or first line. */
export function headline({ notice, collapsed }: Outgoing): string {
  const { event, severity, pipelineTitle, at, since } = notice
  const lasted = lengthOf(at.getTime() - since.getTime())
  if (collapsed) return `Fired and resolved (${lasted}): ${pipelineTitle}`
  return event === 'fired' ? `${spoken[severity]}: ${pipelineTitle}` : `Resolved after ${lasted}: ${pipelineTitle}`
}

/** `orders (sample): a random 5 % of the key space …; lines (full): all rows`; undefined when it is not about drift. */
export function comparedLine({ compared, comparedLeftOut }: Notice): string | undefined {
  if (!compared) return undefined
  const more = comparedLeftOut === undefined ? [] : [`and ${comparedLeftOut} more`]
  return [...compared.map(({ pair, mode, says }) => `${pair} (${mode}): ${says}`), ...more].join('; ')
}

const spoken = { crit: 'Critical', warn: 'Warning' } as const
const suffix = { seconds: ' s', records: ' records', ratio: '', per_second: ' per second' } as const

/** `412 s, fires above 300 s`; undefined when the value is not known. */
export function valueLine({ value, threshold, when, unit }: Notice): string | undefined {
  if (value === undefined) return undefined
  const shown = (number: number) => `${Number(number.toPrecision(6))}${unit ? suffix[unit] : ''}`
  return threshold === undefined ? shown(value) : `${shown(value)}, fires ${when ?? 'above'} ${shown(threshold)}`
}
