import type { Mysql } from '../connect/mysql.ts'
import type { Writer } from '../connect/postgres.ts'
import { sentenceOf } from '../fault.ts'
import { inLanes } from './lanes.ts'
import { quoted } from './mysql-hash.ts'
import { baseOf, isExact, reads, sought } from './mysql-literal.ts'
import { names, shown } from './mysql-rows.ts'
import { tableOf } from './mysql-slice.ts'
import { written } from './mysql-written.ts'
import type { Applied, ApplyOutcome, Change, ComparedColumn, SidePlan } from './side.ts'

type Values = Readonly<Record<string, string | null>>
type Statement = { readonly text: string } | { readonly unfit: string }

/**
 * One guarded statement for one change, its values written in: it touches the row only while every observed column still
 * reads as it was judged, byte by byte.
 */
function statementOf(plan: SidePlan, change: Change): Statement {
  const table = tableOf(plan)
  const columns = new Map([...plan.key, ...plan.columns].map((column) => [column.name, column]))
  const columnOf = (name: string): ComparedColumn => columns.get(name)!
  // The key's own condition says as much of these.
  const named = new Set(
    plan.key.filter((column, place) => isExact(column) && sought(column, change.key[place]!) !== undefined),
  )
  const judged = (values: Values, row: string) =>
    Object.entries(values)
      .map(([name, value]) => ({ column: columnOf(name), value }))
      .filter(({ column }) => !named.has(column))
      .map(({ column, value }) => {
        const place = `${row}.${quoted(column.name)}`
        return value === null ? `${place} is null` : reads(column, place, shown(column, row), value)
      })
  const entries = change.action === 'delete' ? [] : Object.entries(change.values)
  const values = entries.map(([name, value]) => ({ name, value: written(columnOf(name), value) }))
  for (const { name, value } of values)
    if ('unfit' in value) return { unfit: `${name} cannot hold it: ${value.unfit}.` }
  const sqlOf = ({ value }: (typeof values)[number]) => ('sql' in value ? value.sql : '')

  // Without a unique key somebody may have added a second row of this name since: then neither is touched. The limit makes
  // a copy of what is found, which the engines want before they write to the table they looked into.
  const single = plan.unique
    ? []
    : [`(select count(*) from (select 1 from ${table} as u where ${names(plan, change.key, 'u')} limit 2) as c) = 1`]

  switch (change.action) {
    case 'insert': {
      const head = `insert into ${table} (${values.map(({ name }) => quoted(name)).join(', ')})`
      const row = values.map(sqlOf).join(', ')
      return plan.unique
        ? { text: `${head} values (${row})` }
        : {
            text: `${head} select ${row} from dual where not exists (select 1 from ${table} as t where ${names(plan, change.key, 't')})`,
          }
    }
    case 'update': {
      const sets = values.map((one) => `t.${quoted(one.name)} = ${sqlOf(one)}`)
      // A column that takes the time of every update keeps its own.
      const kept = [...columns.values()]
        .filter(({ cast, name }) => cast.includes(' touched') && !(name in change.values))
        .map(({ name }) => `t.${quoted(name)} = t.${quoted(name)}`)
      const conditions = [names(plan, change.key, 't'), ...judged(change.judged, 't'), ...single]
      return { text: `update ${table} as t set ${[...sets, ...kept].join(', ')} where ${conditions.join(' and ')}` }
    }
    case 'delete': {
      // An alias is not had by every version here; a limit is what spares the other copies.
      const conditions = [names(plan, change.key, table), ...judged(change.judged, table)]
      return change.copy
        ? { text: `delete from ${table} where ${conditions.join(' and ')} limit 1` }
        : { text: `delete from ${table} where ${[...conditions, ...single].join(' and ')}` }
    }
  }
}

/**
 * The statement for people, on one line. It means the same in any session but for moments, which are read in the session's
 * own zone: where the table has some, the zone is set first.
 */
export function scriptOf(plan: SidePlan, change: Change): string {
  const statement = statementOf(plan, change)
  if ('unfit' in statement) return `-- ${JSON.stringify(change.key)}: ${statement.unfit.replaceAll(/\s+/g, ' ')}`
  const zoned = [...plan.key, ...plan.columns].some((column) => baseOf(column) === 'timestamp')
  return `${zoned ? "set time_zone = '+00:00'; " : ''}${statement.text};`
}

/** Sends changes side by side; outcomes stand in their order. After a lost connection nothing more is sent. */
export function applyAll(
  client: Mysql,
  plan: SidePlan,
  changes: readonly Change[],
  maySend?: () => boolean,
): Promise<readonly Applied[]> {
  const writer = client.writable()
  return inLanes(writer.connections, changes, (change) => applyOne(client, writer, plan, change), maySend)
}

// A row of another table that refers to this one, or that this one refers to.
const references = new Set([1216, 1217, 1451, 1452])
const duplicates = new Set([1062, 1586])
// The statement was done, and how its transaction ended was not heard.
const halfway = new Set([1180, 1181])

async function applyOne(client: Mysql, writer: Writer, plan: SidePlan, change: Change): Promise<ApplyOutcome> {
  const statement = statementOf(plan, change)
  if ('unfit' in statement) return { state: 'failed', message: statement.unfit }
  try {
    const rows = await writer.write(statement.text, [])
    return rows === 1 ? { state: 'applied' } : { state: 'stale' }
  } catch (thrown) {
    const { errno = 0, code = '', fatal = false } = thrown as { errno?: number; code?: string; fatal?: boolean }
    const failed = { state: 'failed', message: sentenceOf(thrown) } as const
    // Only an error that the server sent says that nothing was written; a lost connection says nothing at all.
    if (fatal || errno === 0 || !code.startsWith('ER_') || halfway.has(errno)) return { ...failed, unsure: true }
    if (duplicates.has(errno) && change.action === 'insert' && (await isThere(client, plan, change))) {
      return { state: 'stale' }
    }
    return references.has(errno) || duplicates.has(errno) ? { ...failed, early: true } : failed
  }
}

/** Whether the row that was to be added is what refused itself. When it cannot be told it is another. */
async function isThere(client: Mysql, plan: SidePlan, { key }: Change): Promise<boolean> {
  const text = `select 1 as found from ${tableOf(plan)} as t where ${names(plan, key, 't')} limit 1`
  return client.ask(text).then(
    (rows) => rows.length > 0,
    () => false,
  )
}
