import { writeSync } from 'node:fs'
import type { TableRef } from '../connect/table-name.ts'
import { Fault } from '../fault.ts'
import { differenceCsv } from '../reconcile/csv.ts'
import { columnList, diff as compare, diffSlicing, type DiffResult } from '../reconcile/diff.ts'
import type { PairPlan } from '../reconcile/plan.ts'
import type { Difference } from '../reconcile/records.ts'
import { fixOf, itemOf, reportOf } from '../reconcile/report.ts'
import { openSide } from '../sides/open.ts'
import type { Side } from '../sides/side.ts'
import { timers } from '../compose/timers.ts'
import { countArgument, durationArgument, readArguments, shareArgument } from './arguments.ts'
import { openDatabase } from './database.ts'
import { printExplanation } from './explain.ts'

const flags = {
  table: { type: 'string' },
  'target-table': { type: 'string' },
  key: { type: 'string' },
  columns: { type: 'string' },
  where: { type: 'string' },
  json: { type: 'boolean', default: false },
  limit: { type: 'string' },
  'max-time': { type: 'string' },
  'max-ratio': { type: 'string' },
  format: { type: 'string' },
  for: { type: 'string' },
  explain: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const

const usage = `tallyman diff SOURCE_URL TARGET_URL --table T [--key k[,k2]]

  --table T           the source's table: customers, or sales.customers
  --target-table T2   the target's, when it has another name
  --key k[,k2]        the source columns that name a row; the source's primary key when left out, and where it has none,
                      rows are counted: what stands more often on one side
  --columns a,b=c     compare only these; b is called c in the target
  --where SQL         only rows for which this holds, on both sides
  --json              one JSON object (the same as --format json)
  --format json|ndjson|csv|sql
                      ndjson, csv and sql print every difference as it is found; sql as statements, each doing
                      nothing when its row has changed since
  --for target|source the side that the statements are for; they make it like the other (target)
  --explain           say what would be compared and how, and what the first statements cost; nothing is read
  --limit N           differences listed (1000 in JSON, 20 in text); all are counted
  --max-time 10m      give up after this long; what is known so far is printed
  --max-ratio 0.1     give up once more than this share of the rows differ, 0 to 1

  A URL may be given as env:NAME. Nothing is written to either database.
  Exit code: 0 they agree, 1 they differ, 2 usage, 3 it could not be told.
`
const line = 'diff SOURCE_URL TARGET_URL --table T [--key k[,k2]]   (diff --help for all flags)'

const formats = ['json', 'ndjson', 'csv', 'sql'] as const
type Format = 'text' | (typeof formats)[number]

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
  const format = formatOf(values)
  const on = sideOf(values.for, format)
  const limit = countArgument('limit', values.limit ?? (format === 'text' ? '20' : '1000'), 0)
  const budget = {
    timeMs: values['max-time'] === undefined ? undefined : durationArgument('max-time', values['max-time']),
    ratio: values['max-ratio'] === undefined ? undefined : shareArgument('max-ratio', values['max-ratio']),
  }

  const [ours, theirs] = await Promise.all([openDatabase('source', source), openDatabase('target', target)])
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort(new Fault('cancelled', 'Interrupted.', { hint: 'Nothing was written.' })))
  try {
    const kept: Difference[] = []
    let told: Told | undefined
    const sides = { source: openSide(ours.client), target: openSide(theirs.client) }
    const streamed = streamedFormat(format)
    const columns = values.columns === undefined ? undefined : columnList(values.columns)
    const asked = {
      ...sides,
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
      signal: stop.signal,
    }
    if (values.explain) return await printExplanation({ ...asked, slicing: diffSlicing }, format === 'json')
    const result = await compare({
      ...asked,
      limit: streamed ? Infinity : limit,
      budget,
      verbs: { now: () => performance.now(), sleep: timers.sleep },
      planned(plan) {
        if (streamed) told = streamed(plan, sides, on)
        print(told?.head ?? '')
      },
      take(differences) {
        if (told) print(differences.map(told.text).join(''))
        else kept.push(...differences)
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

interface Told {
  readonly head: string
  text(difference: Difference): string
}
type SideName = 'source' | 'target'
type Telling = (plan: PairPlan, sides: Readonly<Record<SideName, Side>>, on: SideName) => Told

/** How differences are printed as they are found; undefined for a format that waits for the end. */
function streamedFormat(format: Format): Telling | undefined {
  switch (format) {
    case 'ndjson':
      return (plan) => ({ head: '', text: (one) => `${JSON.stringify(itemOf(plan, one))}\n` })
    case 'sql':
      return (plan, sides, on) => ({ head: '', text: (one) => `${fixOf(plan, one, sides[on], on)}\n` })
    case 'csv':
      return ({ key }) => {
        const csv = differenceCsv(key.map(({ source }) => source.name))
        return { head: csv.head(), text: csv.lines }
      }
    default:
      return undefined
  }
}

function formatOf({ format, json }: { format?: string | undefined; json: boolean }): Format {
  const known = formats.find((one) => one === format)
  if (format === undefined) return json ? 'json' : 'text'
  if (known) return known
  throw new Fault('usage', `There is no format "${format}".`, { hint: 'Use json, ndjson, csv or sql.' })
}

function sideOf(name: string | undefined, format: Format): SideName {
  if (name !== undefined && format !== 'sql') {
    throw new Fault('usage', '--for says which side statements are for.', { hint: 'Add --format sql.' })
  }
  if (name === undefined || name === 'target' || name === 'source') return name ?? 'target'
  throw new Fault('usage', `--for has no side "${name}".`, { hint: 'Use source or target.' })
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
