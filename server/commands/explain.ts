import { tableName } from '../connect/table-name.ts'
import { explain, type ExplainRequest, type Explanation } from '../reconcile/explain.ts'
import { endsOf } from '../reconcile/intervals.ts'
import type { ColumnPair } from '../reconcile/plan.ts'

/**
 * Prints what a comparison would do, and reads no row. Resolves to the exit code: 2 when an engine would scan a table that
 * it was asked a part of, or what was written to it lately.
 */
export async function printExplanation(request: ExplainRequest, json: boolean): Promise<number> {
  const explained = await explain(request)
  const text = json ? `${JSON.stringify(explanationJson(explained), null, 2)}\n` : explanationText(explained)
  process.stdout.write(text)
  for (const { message, hint } of explained.scans) process.stderr.write(`${message}\n${hint}\n`)
  return explained.scans.length > 0 ? 2 : 0
}

const columnOf = ({ source, target, class: kind, options, loose }: ColumnPair) => ({
  source: source.name,
  target: target.name,
  class: kind,
  ...(options ? { options } : {}),
  ...(loose ? { loose } : {}),
})

const explanationJson = ({ plan, notes, rowsEstimate, slices, first, boundsKnown, explained, scans }: Explanation) => ({
  tables: { source: tableName(plan.source.ref), target: tableName(plan.target.ref) },
  strategy: plan.strategy,
  method: plan.method,
  key: plan.key.map(columnOf),
  columns: plan.columns.map(columnOf),
  notes,
  rowsEstimate,
  slices,
  firstSlice: { ...endsOf(first), boundsKnown },
  source: explained.source,
  target: explained.target,
  refused: scans.map(({ message, hint }) => ({ message, hint })),
})

const named = ({ source, target }: ColumnPair) =>
  source.name === target.name ? source.name : `${source.name} = ${target.name}`

const counted = (count: number, thing: string) => `${count} ${thing}${count === 1 ? '' : 's'}`

function explanationText(explanation: Explanation): string {
  const { plan, notes, rowsEstimate, explained } = explanation
  const width = Math.max(...[...plan.key, ...plan.columns].map((pair) => named(pair).length), 0)
  const how = { native: "the engine's own hash, the same on both sides", canonical: 'a text both engines print alike' }
  const columnLine = (pair: ColumnPair) => {
    const options = pair.options ? `, ${JSON.stringify(pair.options)}` : ''
    return `  ${named(pair).padEnd(width)}  ${pair.class}${options}${pair.loose ? ', values compared once fetched' : ''}`
  }
  return [
    `${tableName(plan.source.ref)} → ${tableName(plan.target.ref)}, about ${counted(rowsEstimate, 'row')}`,
    `key: ${plan.key.map((pair) => `${named(pair)} (${pair.class})`).join(', ') || 'none, rows are told apart by their hash'}`,
    `compared by ${how[plan.method]}:`,
    ...plan.columns.map(columnLine),
    ...notes.map((note) => `note: ${note}`),
    sliceLine(explanation),
    ...(['source', 'target'] as const).flatMap((side) => {
      const { statement, cost, rows, scans } = explained[side]
      const told = [
        ...(cost === null ? [] : [`estimated cost ${cost}`]),
        ...(rows === null ? [] : [`about ${counted(rows, 'row')} read`]),
        ...(scans ? ['the whole table is scanned'] : []),
      ]
      return ['', `${side}: ${told.join(', ')}`, statement.replaceAll(/\s*\n\s*/g, '\n  ')]
    }),
    '',
  ].join('\n')
}

function sliceLine({ plan, slices, first, boundsKnown }: Explanation): string {
  const about = `${counted(slices, 'slice')}, about`
  if (first.kind === 'hash') {
    const parts = first.parts === 1 ? 'one scan of each table' : `each a scan of both tables`
    return `${about}, by the hash of the key: ${parts}`
  }
  const known = boundsKnown ? '' : ', at a guess: there are no statistics of the key'
  return `${about}; the first is ${plan.key[0]!.source.name} from ${first.from} to ${first.to}${known}`
}
