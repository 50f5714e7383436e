import type { ColumnClass, ComparedColumn } from './side.ts'

/**
 * How the values of a row become one text, the same on every engine.
 *
 * Fields are joined by commas: first the columns whose text never holds a comma, `~` for NULL, which none of them prints;
 * then the others, empty for NULL; then their lengths in bytes of UTF-8, empty for NULL. No two rows share a text: from the left
 * the commas cut off the known number of plain columns, from the right the known number of lengths, and these cut what is
 * between. A last one that is never NULL needs no length: it is what is left.
 */
export interface Frame {
  readonly plain: readonly ComparedColumn[]
  readonly lengthy: readonly ComparedColumn[]
  /** Those of `lengthy` whose lengths are told. */
  readonly measured: readonly ComparedColumn[]
}

export const separator = ','
export const nullMark = '~'

const commaFree: ReadonlySet<ColumnClass> = new Set([
  'boolean',
  'integer',
  'numeric',
  'float',
  'bytes',
  'bits',
  'uuid',
  'date',
  'time',
  'timestamp',
  'interval',
])

/** A text that stands for a UUID may be anything. */
const isPlain = ({ class: kind, wide }: ComparedColumn) => commaFree.has(kind) && !(kind === 'uuid' && wide)

/** An empty text may count as NULL. */
export const mayBeNull = ({ nullable, fold }: ComparedColumn): boolean => nullable || fold?.emptyAsNull === true

export function frameOf(columns: readonly ComparedColumn[]): Frame {
  const plain = columns.filter(isPlain)
  const lengthy = columns.filter((column) => !isPlain(column))
  const last = lengthy.at(-1)
  return { plain, lengthy, measured: last && !mayBeNull(last) ? lengthy.slice(0, -1) : lengthy }
}
