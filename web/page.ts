/** The pages there are, each with its own address. */
export type Page =
  | { readonly name: 'overview' }
  | { readonly name: 'pipeline'; readonly id: string }
  | { readonly name: 'runs' }
  | { readonly name: 'run'; readonly id: string }
  | { readonly name: 'alerts' }
  | { readonly name: 'unknown'; readonly path: string }

export function pageOf(path: string): Page {
  const [room = '', id, ...rest] = path.split('/').slice(1).map(decoded)
  if (rest.length === 0) {
    if (room === '' && id === undefined) return { name: 'overview' }
    if (room === 'alerts' && !id) return { name: 'alerts' }
    if (room === 'runs') return id ? { name: 'run', id } : { name: 'runs' }
    if (room === 'pipelines') return id ? { name: 'pipeline', id } : { name: 'overview' }
  }
  return { name: 'unknown', path }
}

/** A malformed escape is taken as it stands: it names nothing, and the page will say so. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

export interface Address {
  readonly path: string
  readonly query: Pick<URLSearchParams, 'get'>
}

export function addressOf(href: string): Address {
  const { pathname, searchParams } = new URL(href)
  return { path: pathname, query: searchParams }
}

/** The same address with other choices in its query; an undefined or empty value removes its key. */
export function withChoices(href: string, values: Readonly<Record<string, string | undefined>>): string {
  const url = new URL(href)
  for (const [key, value] of Object.entries(values)) {
    if (value === undefined || value === '') url.searchParams.delete(key)
    else url.searchParams.set(key, value)
  }
  return url.href
}

export const pipelineHref = (id: string): string => `/pipelines/${encodeURIComponent(id)}`
export const runHref = (id: string): string => `/runs/${encodeURIComponent(id)}`
