import type { Overview } from './api.ts'
import type { Page } from './page.ts'

/** The places the frame leads to; only pages that exist. */
export const places = [
  { href: '/', title: 'Overview', short: 'Overview', glyph: 'overview', pages: ['overview', 'pipeline'] },
  { href: '/alerts', title: 'Alerts', short: 'Alerts', glyph: 'alerts', pages: ['alerts'] },
  { href: '/runs', title: 'Reconciliation', short: 'Runs', glyph: 'runs', pages: ['runs', 'run'] },
] as const satisfies readonly { href: string; title: string; short: string; glyph: string; pages: Page['name'][] }[]

export type Place = (typeof places)[number]

export const isAt = ({ pages }: Place, page: Page): boolean => (pages as readonly string[]).includes(page.name)

/** How many pipelines have an open alert that nobody has taken on. */
export const unattended = (overview: Overview | undefined): number =>
  overview?.pipelines.filter(({ incident, acknowledgedBy }) => incident !== null && acknowledgedBy === null).length ?? 0
