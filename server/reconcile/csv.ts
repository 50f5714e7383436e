import type { Difference } from './records.ts'

type Cell = string | null
type Values = NonNullable<Difference['source']>

/**
 * Text that a spreadsheet would take for a formula, and text that begins as our mark does: an apostrophe goes before it.
 * Taking one leading apostrophe off gives every value back.
 */
const formula = /^\s*[=+\-@＝＋－＠]|^[\t\r\n']/u
const plainNumber = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/

const safe = (text: string) => (formula.test(text) && !plainNumber.test(text) ? `'${text}` : text)
/** What is there is always quoted, so that an empty text and nothing are told apart as PostgreSQL's own CSV does. */
const cell = (value: Cell) => (value === null ? '' : `"${safe(value).replaceAll('"', '""')}"`)
const record = (cells: readonly Cell[]) => `${cells.map(cell).join(',')}\r\n`

export interface DifferenceCsv {
  /** The names of the columns. */
  head(): string
  /** A record a differing field; a row only one side has has one a field of it, and at least one. */
  lines(difference: Difference): string
}

/** Differences as RFC 4180, for spreadsheets and programs. @param keyNames the source columns that name a row, in order. */
export function differenceCsv(keyNames: readonly string[]): DifferenceCsv {
  let row = 0
  return {
    head: () =>
      record([
        'row',
        'kind',
        ...keyNames.map((name) => `key.${name}`),
        ...['column', 'source', 'source_is', 'target', 'target_is'],
      ]),
    lines({ kind, key, fields, source, target }) {
      row += 1
      const start = [String(row), kind, ...keyNames.map((_, place) => key[place] ?? null)]
      const all = Object.keys(source ?? target ?? {}).filter((column) => !keyNames.includes(column))
      const shown: readonly Cell[] = kind === 'changed' ? fields : all.length > 0 ? all : [null]
      const line = (column: Cell) => record([...start, column, ...sideOf(source, column), ...sideOf(target, column)])
      return shown.map(line).join('')
    },
  }
}

/** A value, and what it is: spreadsheets and most readers do not keep NULL and empty text apart. */
function sideOf(values: Values | undefined, column: Cell): readonly [Cell, Cell] {
  if (!values) return [null, 'no row']
  if (column === null) return [null, 'row']
  const value = values[column] ?? null
  return [value, value === null ? 'null' : 'value']
}
