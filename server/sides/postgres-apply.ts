import type { Writer } from '../connect/postgres.ts'
import { sentenceOf } from '../fault.ts'
import { inLanes } from './lanes.ts'
import { given, printed, quoted, read } from './postgres-hash.ts'
import { matches } from './postgres-rows.ts'
import type { Applied, ApplyOutcome, Change, SidePlan } from './side.ts'

type Values = Readonly<Record<string, string | null>>

/** A statement and its parameters, all of them texts that the statement casts. */
interface Statement {
  readonly text: string
  readonly parameters: readonly (string | null)[]
}

/**
 * One guarded statement for one change: it touches the row only while every observed column still reads as it was judged.
 * The conditions stand in the outermost WHERE, where the engine checks them again after waiting for another writer.
 */
function statementOf(plan: SidePlan, change: Change): Statement {
  const parameters: (string | null)[] = []
  const put = (value: string | null) => `$${parameters.push(value)}::text`
  const table = `${quoted(plan.ref.schema)}.${quoted(plan.ref.table)}`
  const columns = new Map([...plan.key, ...plan.columns].map((column) => [column.name, column]))

  const named = (alias: string) =>
    plan.key.map((column, place) => matches(column, alias, put(change.key[place]!))).join(' and ')
  const judged = (alias: string, values: Values) =>
    Object.entries(values).map(
      ([name, value]) => `${printed(columns.get(name)!, alias)} collate "C" is not distinct from ${put(value)}`,
    )
  const value = ([name, value]: [string, string | null]) => {
    const column = columns.get(name)!
    return read(column, put(given(column, value)))
  }

  // Without a unique key somebody may have added a second row of this name since: then neither is touched.
  const single = (alias: string) =>
    plan.unique ? [] : [`(select count(*) from ${table} as ${alias} where ${named(alias)}) = 1`]

  switch (change.action) {
    case 'insert': {
      const entries = Object.entries(change.values)
      const text = `insert into ${table} (${entries.map(([name]) => quoted(name)).join(', ')}) overriding system value
        select ${entries.map(value).join(', ')}
        where not exists (select 1 from ${table} as t where ${named('t')})`
      return { text, parameters }
    }
    case 'update': {
      const sets = Object.entries(change.values).map((entry) => `${quoted(entry[0])} = ${value(entry)}`)
      const conditions = [named('t'), ...judged('t', change.judged), ...single('u')]
      return { text: `update ${table} as t set ${sets.join(', ')} where ${conditions.join(' and ')}`, parameters }
    }
    case 'delete': {
      const conditions = [named('t'), ...judged('t', change.judged)]
      if (change.copy) {
        const one = [named('u'), ...judged('u', change.judged)].join(' and ')
        const place = `(t.tableoid, t.ctid) = (select u.tableoid, u.ctid from ${table} as u where ${one} limit 1)`
        conditions.push(place)
      } else conditions.push(...single('u'))
      return { text: `delete from ${table} as t where ${conditions.join(' and ')}`, parameters }
    }
  }
}

const literal = (value: string | null) => (value === null ? 'null' : `'${value.replaceAll("'", "''")}'`)

/** The same statement with its values written in, on one line, for people. Reads right with standard strings, the default. */
export function scriptOf(plan: SidePlan, change: Change): string {
  const { text, parameters } = statementOf(plan, change)
  const parts = text.split(/\$(\d+)::text/)
  return `${parts.map((part, place) => (place % 2 === 0 ? part.replaceAll(/\s+/g, ' ') : `${literal(parameters[Number(part) - 1]!)}::text`)).join('')};`
}

// Foreign key, unique and exclusion violations: another row of the same run may clear the way.
const early = new Set(['23503', '23505', '23P01'])

/** Sends changes side by side; outcomes stand in their order. After a lost connection nothing more is sent. */
export const applyAll = (
  writer: Writer,
  plan: SidePlan,
  changes: readonly Change[],
  maySend?: () => boolean,
): Promise<readonly Applied[]> =>
  inLanes(writer.connections, changes, (change) => applyOne(writer, plan, change), maySend)

/** Sends one change and says what became of it. */
async function applyOne(writer: Writer, plan: SidePlan, change: Change): Promise<ApplyOutcome> {
  const { text, parameters } = statementOf(plan, change)
  try {
    return (await writer.write(text, parameters)) === 1 ? { state: 'applied' } : { state: 'stale' }
  } catch (thrown) {
    const { code = '', severity } = thrown as { code?: string; severity?: string }
    const failed = { state: 'failed', message: sentenceOf(thrown) } as const
    // Only an ERROR of the server says that nothing was written; a lost connection says nothing at all.
    if (severity !== 'ERROR') return { ...failed, unsure: true }
    return early.has(code) ? { ...failed, early: true } : failed
  }
}
