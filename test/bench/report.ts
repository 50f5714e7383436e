import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Heat } from './cases.ts'
import { median, type Outcome, type Standing } from './measure.ts'

const page = fileURLToPath(new URL('../../docs/performance.md', import.meta.url))

/** The table of a case: one row a contender and kind of drift, ratios to the quickest limit of the same rounds. */
export function tableOf(heats: readonly Heat[], about: readonly string[]): string {
  const head = [
    'differences',
    '',
    'median s',
    'best to worst',
    '÷ L',
    'client MB',
    'client CPU s',
    'statements',
    'MB read',
  ]
  const lines = heats.flatMap(({ title, standings }) => {
    const limits = standings.filter(({ is, failed }) => is === 'limit' && failed === undefined)
    const limit = Math.min(...limits.map(({ outcomes }) => median(outcomes.map(({ seconds }) => seconds))))
    return standings.map((standing) => [title, ...cellsOf(standing, limit)])
  })
  const rows = [head, head.map((_, place) => (place < 2 ? '---' : '---:')), ...lines]
  const remarks = heats.flatMap(({ remark }) => (remark === undefined ? [] : ['', remark]))
  return [...about, '', ...rows.map((cells) => `| ${cells.join(' | ')} |`), ...remarks].join('\n')
}

function cellsOf({ name, is, outcomes, wrong, failed }: Standing, limit: number): string[] {
  if (failed !== undefined)
    return [`${name}: ${failed.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|')}`, ...Array<string>(7).fill('–')]
  const [took, best, worst] = [
    median,
    (some: number[]) => Math.min(...some),
    (some: number[]) => Math.max(...some),
  ].map((of) => of(outcomes.map(({ seconds }) => seconds))) as [number, number, number]
  const label = is === 'ours' ? `**${name}**` : name
  return [
    wrong === undefined ? label : `${label} (wrong: ${wrong})`,
    took.toFixed(2),
    `${best.toFixed(2)} – ${worst.toFixed(2)}`,
    Number.isFinite(limit) ? (took / limit).toFixed(2) : '–',
    cell(
      outcomes,
      ({ peakBytes }) => peakBytes,
      (bytes) => (Math.max(...bytes) / 1e6).toFixed(0),
    ),
    cell(
      outcomes,
      ({ cpuSeconds }) => cpuSeconds,
      (some) => median(some).toFixed(2),
    ),
    cell(
      outcomes,
      ({ statements }) => statements,
      (some) => `${Math.max(...some)}`,
    ),
    cell(
      outcomes,
      ({ bytesRead }) => bytesRead,
      (bytes) => (Math.max(...bytes) / 1e6).toFixed(1),
    ),
  ]
}

function cell(
  outcomes: readonly Outcome[],
  of: (outcome: Outcome) => number | undefined,
  told: (values: number[]) => string,
): string {
  const values = outcomes.map(of).filter((value) => value !== undefined)
  return values.length === 0 ? '' : told(values)
}

/** Puts a table between its marks in docs/performance.md. A case without a place there is only printed. */
export async function writeTable(name: string, table: string): Promise<void> {
  const [start, end] = [`<!-- bench:${name} -->`, `<!-- bench:${name}:end -->`]
  const text = await readFile(page, 'utf8')
  const [from, to] = [text.indexOf(start), text.indexOf(end)]
  if (from === -1 || to === -1) return console.log(`docs/performance.md has no place for ${name}.`)
  await writeFile(page, `${text.slice(0, from)}${start}\n${table}\n${text.slice(to)}`)
}
