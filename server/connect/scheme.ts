/** The systems a connection can lead to, by the scheme of its URL. A new system is one new line here. */
const systemByScheme = {
  'postgres:': 'postgres',
  'postgresql:': 'postgres',
  'pglite:': 'postgres',
  'mysql:': 'mysql',
  'mariadb:': 'mysql',
} as const

export type ConnectionSystem = (typeof systemByScheme)[keyof typeof systemByScheme]

/** How URLs of a system begin. */
export const schemesOf = (system: ConnectionSystem): readonly string[] =>
  Object.entries(systemByScheme).flatMap(([scheme, own]) => (own === system ? [`${scheme}//`] : []))

/** How URLs of all of them begin. */
export const schemes = Object.keys(systemByScheme).map((scheme) => `${scheme}//`)

/** The system a URL leads to, by its scheme; undefined for one this build does not know. */
export function systemOf(url: string): ConnectionSystem | undefined {
  const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(url)?.[0].toLowerCase() ?? ''
  return Object.hasOwn(systemByScheme, scheme) ? systemByScheme[scheme as keyof typeof systemByScheme] : undefined
}
