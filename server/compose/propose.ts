import { stringify } from 'yaml'
import { tableName, type TableRef } from '../connect/table.ts'
import type { Table } from '../sides/side.ts'

/** A source table and the target table that looks like its copy. */
interface Match {
  readonly source: Table
  readonly target: Table
  readonly key: readonly string[]
  /** A column both have that tells when a row was last written. */
  readonly written?: { readonly source: string; readonly target: string }
}

export interface Proposal {
  readonly matches: readonly Match[]
  /** What was found and cannot be proposed, and why, a sentence each. */
  readonly notes: readonly string[]
}

const plain = (name: string) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
/** The likeliest first. */
const writtenNames = ['updatedat', 'modifiedat', 'lastmodified', 'updated', 'modified', 'changedat', 'createdat']

/** Matches tables by name, whatever their case and underscores, and finds the key both sides can be told apart by. */
export function propose(sources: readonly Table[], targets: readonly Table[]): Proposal {
  const notes: string[] = []
  const matches = sources.flatMap((source): Match[] => {
    const target = targets.find(({ ref }) => plain(ref.table) === plain(source.ref.table))
    if (!target) {
      notes.push(`${tableName(source.ref)} has no table of that name in the target.`)
      return []
    }
    const has = new Set(target.columns.map(({ name }) => plain(name)))
    const key = source.uniqueKeys.find((columns) => columns.every((name) => has.has(plain(name))))
    if (!key) {
      notes.push(`${tableName(source.ref)} has no unique key whose columns are all in ${tableName(target.ref)}.`)
      return []
    }
    const written = writtenIn(source, target)
    return [{ source, target, key, ...(written ? { written } : {}) }]
  })
  return { matches, notes }
}

function writtenIn(source: Table, target: Table): Match['written'] {
  // The probe that reads it asks PostgreSQL on both ends.
  if (source.engine !== 'postgres' || target.engine !== 'postgres') return undefined
  for (const likely of writtenNames) {
    const [ours, theirs] = [source, target].map(({ columns }) =>
      columns.find(({ name, class: kind }) => kind === 'timestamp' && plain(name) === likely),
    )
    if (ours && theirs) return { source: ours.name, target: theirs.name }
  }
  return undefined
}

/** The schema is part of a name only where there are several. */
const slugOf = ({ schema, table }: TableRef, several: boolean) =>
  slug(schema === 'public' || !several ? table : `${schema}-${table}`)

const slug = (name: string) =>
  name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-|-$/g, '')

/** The config of a proposal, with a comment for what a person has to decide. URLs stay in the environment. */
export function proposalText({ matches, notes }: Proposal): string {
  const several = new Set(matches.map(({ source }) => source.ref.schema)).size > 1
  const pipelines = Object.fromEntries(
    matches.map(({ source, target, key, written }) => [
      slugOf(source.ref, several),
      {
        title: source.ref.table,
        pattern: 'event-driven',
        tier: 'operational',
        owner: 'unknown',
        checks: written
          ? [
              {
                probe: 'table-lag',
                every: '30s',
                source: tableName(source.ref),
                target: tableName(target.ref),
                column: written.source,
                ...(written.target === written.source ? {} : { target_column: written.target }),
              },
            ]
          : [],
        pairs: [
          {
            id: slugOf(source.ref, several),
            source: { table: tableName(source.ref) },
            target: { table: tableName(target.ref) },
            key: [...key],
            schedule: '0 2 * * *',
            corrections: { mode: 'propose' },
          },
        ],
      },
    ]),
  )
  const head = [
    '# Proposed from what both databases hold. Set SOURCE_URL and TARGET_URL in the environment, then:',
    '#   tallyman validate tallyman.yaml',
    '#   tallyman serve --config tallyman.yaml',
    '# Decide for each pipeline: its title, owner, pattern (request-reply, fire-and-forget, pub-sub, saga, batch,',
    '# event-driven) and tier (realtime 5 s, operational 15 min, reference 2 h). Nothing is written to either database',
    '# before a person approves it; corrections: { mode: off } never even proposes.',
    ...notes.map((note) => `# Left out: ${note}`),
  ]
  const connections = { source: { url: '${SOURCE_URL}' }, target: { url: '${TARGET_URL}' } }
  return `${head.join('\n')}\n${stringify({ connections, pipelines }, { lineWidth: 0 })}`
}
