import { writeSync } from 'node:fs'
import type { TableRef } from '../connect/table-name.ts'
import { Fault } from '../fault.ts'
import { columnList, diff as compare, type DiffResult } from '../reconcile/diff.ts'
import type { Difference } from '../reconcile/records.ts'
import { fixOf, itemOf, reportOf } from '../reconcile/report.ts'
import { postgresSide } from '../sides/postgres.ts'
import { timers } from '../compose/timers.ts'
import { countArgument, readArguments } from './arguments.ts'
import { openDatabase } from './database.ts'

const flags = {
  table: { type: 'string' },
  'target-table': { type: 'string' },
  key: { type: 'string' },
  columns: { type: 'string' },
  where: { type: 'string' },
  json: { type: 'boolean', default: false },
  limit: { type: 'string' },
  format: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const

const usage = `tallyman diff SOURCE_URL TARGET_URL --table T --key k[,k2]

  --table T           the source's table: customers, or sales.customers
  --target-table T2   the target's, when it has another name
  --key k[,k2]        the source columns that name a row
  --columns a,b=c     compare only these; b is called c in the target
  --where SQL         only rows for which this holds, on both sides
  --json              one JSON object (the same as --format json)
  --format json|ndjson|sql
                      ndjson prints every difference as it is found; sql prints what would make the target like the source
  --limit N           differences listed (1000 in JSON, 20 in text); all are counted

  A URL may be given as env:NAME. Nothing is written to either database.
  Exit code: 0 they agree, 1 they differ, 2 usage, 3 it could not be told.
`
const line = 'diff SOURCE_URL TARGET_URL --table T --key k[,k2]   (diff --help for all flags)'

type Format = 'text' | 'json' | 'ndjson' | 'sql'
const formats: readonly string[] = ['json', 'ndjson', 'sql']

/** Compares two tables once: no config, no store, no writes. */
export async function diff(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, flags, line)
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  const [source, target, ...rest] = positionals
  if (!source || !target || rest.length > 0 || !values.table) {
    const missing = values.table ? 'Give two URLs, the source first.' : 'Say which --table to compare.'
    throw new Fault('usage', missing, { hint: `Usage: tallyman ${line}` })
  }
  if (values.format !== undefined && !formats.includes(values.format)) {
    throw new Fault('usage', `There is no format "${values.format}".`, { hint: 'Use json, ndjson or sql.' })
  }
  const format = (values.format ?? (values.json ? 'json' : 'text')) as Format
  const limit = countArgument('limit', values.limit ?? (format === 'text' ? '20' : '1000'), 0)

  const [ours, theirs] = await Promise.all([openDatabase('source', source), openDatabase('target', target)])
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort(new Fault('cancelled', 'Interrupted.', { hint: 'Nothing was written.' })))
  try {
    const kept: Difference[] = []
    const targetSide = postgresSide(theirs.client)
    const streamed = format === 'ndjson' || format === 'sql'
    const columns = values.columns === undefined ? undefined : columnList(values.columns)
    const result = await compare({
      source: postgresSide(ours.client),
      target: targetSide,
      tables: {
        source: tableArgument('source', values.table),
        target: tableArgument('target', values['target-table'] ?? values.table),
      },
      matching: {
        key: values.key?.split(',').map((name) => name.trim()),
        map: columns?.map ?? {},
        include: columns?.include,
        exclude: [],
        where: { source: values.where, target: values.where },
      },
      limit: streamed ? Infinity : limit,
      verbs: { now: () => performance.now(), sleep: timers.sleep },
      signal: stop.signal,
      take(differences, plan) {
        if (!streamed) return void kept.push(...differences)
        const lines = differences.map((one) =>
          format === 'sql' ? fixOf(plan, one, targetSide) : JSON.stringify(itemOf(plan, one)),
        )
        print(lines.map((text) => `${text}\n`).join(''))
      },
    })
    for (const { message, hint } of result.faults) process.stderr.write(`${message}\n${hint}\n`)
    if (format === 'json') print(`${JSON.stringify(reportOf(result, result.plan, kept, limit), null, 2)}\n`)
    if (format === 'text') print(textOf(result, kept))
    return { match: 0, drift: 1, unknown: 3 }[result.verdict]
  } finally {
    await Promise.all([ours.close(), theirs.close()])
  }
}

/** Waits until it is written: a pipe that is slower than we are must not fill our memory. */
function print(text: string): void {
  for (let rest = Buffer.from(text); rest.length > 0;) {
    try {
      rest = rest.subarray(writeSync(1, rest))
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'EPIPE') process.exit(0)
      if ((thrown as NodeJS.ErrnoException).code !== 'EAGAIN') throw thrown
    }
  }
}

const tableForm = /^(?:("(?:[^"]|"")+"|[^".]+)\.)?("(?:[^"]|"")+"|[^".]+)$/

function tableArgument(connection: string, text: string): TableRef {
  const [, schema, table] = tableForm.exec(text) ?? []
  const bare = (name: string) => (name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name)
  if (table) return { connection, schema: schema ? bare(schema) : 'public', table: bare(table) }
  throw new Fault('usage', `"${text}" is not a table.`, { hint: 'Write customers, or sales.customers.' })
}

function textOf(
  { verdict, rows, differences, matchRatio, timingsMs, plan, unsettled }: DiffResult,
  kept: readonly Difference[],
) {
  const { missing, extra, changed } = differences
  const total = missing + extra + changed
  const heads: Readonly<Record<DiffResult['verdict'], string>> = {
    match: 'They agree.',
    drift: `${total} rows differ: ${missing} missing, ${extra} extra, ${changed} changed.`,
    unknown: `It could not be told. Known so far: ${missing} missing, ${extra} extra, ${changed} changed.`,
  }
  const lines = kept.map((one) => {
    const item = itemOf(plan, one)
    const key = Object.entries(item.key).map(([name, value]) => `${name}=${value}`)
    const fields = item.kind === 'changed' ? Object.entries(item.fields) : []
    const values = fields.map(
      ([name, { source, target }]) => `${name}: ${JSON.stringify(source)} → ${JSON.stringify(target)}`,
    )
    return `  ${item.kind.padEnd(8)}${key.join(' ')}${values.length > 0 ? `  ${values.join(', ')}` : ''}`
  })
  return [
    heads[verdict],
    `source ${rows.source} rows, target ${rows.target} rows${matchRatio === null ? '' : `, match ratio ${matchRatio}`}, ${Math.round(timingsMs.total ?? 0)} ms`,
    ...plan.notes.map((note) => `note: ${note}`),
    ...(unsettled > 0 ? [`${unsettled} rows kept changing while they were read.`] : []),
    ...lines,
    ...(kept.length < total ? [`  … and ${total - kept.length} more; --limit lists more, --format ndjson all.`] : []),
    '',
  ].join('\n')
}
