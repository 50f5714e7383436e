/** What a login may do with one table. */
export interface Grants {
  readonly insert: boolean
  readonly update: boolean
  readonly delete: boolean
  /** Whether it is shown the triggers of the table. */
  readonly trigger: boolean
}

const name = '`((?:[^`]|``)+)`'
const form = new RegExp(`^(GRANT|REVOKE) (.+?) ON (?:TABLE )?(?:\\*|${name})\\.(?:\\*|${name}) (?:TO|FROM) `)

/**
 * Reads the lines of SHOW GRANTS, of the login itself and of its roles: the only place where either engine tells what comes by
 * a role. A grant on any column counts, as for whoever describes a table; a revoked part of a wider grant counts against it.
 */
export function grantsOn(lines: readonly string[], schema: string, table: string): Grants {
  const given = new Set<string>()
  const taken = new Set<string>()
  for (const line of lines) {
    const [, verb, privileges, onSchema, onTable] = form.exec(line) ?? []
    if (!privileges || !reaches(onSchema, onTable, schema, table)) continue
    // A list of columns in brackets narrows a privilege, and holds commas of its own.
    for (const privilege of privileges.replaceAll(/\((?:`(?:[^`]|``)*`|[^)`])*\)/g, '').split(',')) {
      const into = verb === 'GRANT' ? given : taken
      into.add(privilege.trim().toUpperCase())
    }
  }
  const may = (privilege: string) =>
    (given.has(privilege) || given.has('ALL PRIVILEGES') || given.has('ALL')) && !taken.has(privilege)
  return { insert: may('INSERT'), update: may('UPDATE'), delete: may('DELETE'), trigger: may('TRIGGER') }
}

function reaches(onSchema: string | undefined, onTable: string | undefined, schema: string, table: string): boolean {
  if (onSchema === undefined) return true
  const bare = onSchema.replaceAll('``', '`')
  // Only a grant on a whole schema reads its name as a pattern.
  if (onTable === undefined) return patternOf(bare).test(schema)
  return bare === schema && onTable.replaceAll('``', '`') === table
}

/** `%` any letters, `_` any letter, unless a backslash stands before it. */
function patternOf(text: string): RegExp {
  const source = text.replaceAll(/\\[%_\\]|[%_]|[^\\%_]+|\\/g, (part) => {
    if (part === '%') return '.*'
    if (part === '_') return '.'
    return unescaped(part).replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&')
  })
  return new RegExp(`^${source}$`, 's')
}

const unescaped = (part: string) => part.replace(/^\\([%_\\])$/, '$1')
