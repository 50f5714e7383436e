import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { differenceCsv } from '../server/reconcile/csv.ts'
import type { Difference } from '../server/reconcile/records.ts'

/** A reader of RFC 4180 that knows nothing of ours. */
function records(text: string): string[][] {
  const rows: string[][] = [[]]
  for (let at = 0; at < text.length;) {
    let cell = ''
    if (text[at] === '"') {
      for (at++; text[at] !== '"' || text[at + 1] === '"'; at++) cell += text[at] === '"' ? text[at++] : text[at]
      at++
    }
    rows.at(-1)!.push(cell)
    if (text.startsWith('\r\n', at)) {
      rows.push([])
      at += 2
    } else if (text[at] === ',') at++
    else throw new Error(`no separator at ${at} of ${text}`)
  }
  return rows.slice(0, -1)
}

const changed = (values: { source: string | null; target: string | null }, key = ['7']): Difference => ({
  kind: 'changed',
  key,
  fields: ['note'],
  source: { id: key[0]!, note: values.source },
  target: { id: key[0]!, note: values.target },
  duplicated: false,
  copy: false,
})
const linesOf = (difference: Difference) => differenceCsv(['id']).lines(difference)

describe('differences as CSV', () => {
  it('have a record a differing field, under a header', () => {
    const csv = differenceCsv(['id', 'part'])
    expect(csv.head()).toBe('"row","kind","key.id","key.part","column","source","source_is","target","target_is"\r\n')
    const text = csv.lines({
      ...changed({ source: null, target: null }, ['1', 'a']),
      fields: ['name', 'n'],
      source: { id: '1', part: 'a', name: 'x', n: null },
      target: { id: '1', part: 'a', name: null, n: '2' },
    })
    expect(text).toBe(
      '"1","changed","1","a","name","x","value",,"null"\r\n"1","changed","1","a","n",,"null","2","value"\r\n',
    )
    expect(csv.lines(changed({ source: 'a', target: 'b' }, ['2', 'b']))).toMatch(/^"2","changed","2","b","note"/)
  })

  it('tell NULL from an empty text, and both from a row that is not there', () => {
    expect(linesOf(changed({ source: null, target: '' }))).toBe('"1","changed","7","note",,"null","","value"\r\n')
    const alone = { key: ['7'], fields: [], duplicated: false, copy: false } as const
    expect(linesOf({ ...alone, kind: 'missing', source: { id: '7', a: null, b: '' } })).toBe(
      '"1","missing","7","a",,"null",,"no row"\r\n"1","missing","7","b","","value",,"no row"\r\n',
    )
    expect(linesOf({ ...alone, kind: 'extra', target: { id: '7' } })).toBe('"1","extra","7",,,"no row",,"row"\r\n')
  })

  it.each([
    ['=1+1', "'=1+1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['+49 40 123', "'+49 40 123"],
    ['-cmd|calc', "'-cmd|calc"],
    ['\t=1', "'\t=1"],
    [' =1', "' =1"],
    ['＝1', "'＝1"],
    ["'quoted", "''quoted"],
    ['-5', '-5'],
    ['+1.5e-7', '+1.5e-7'],
    ['-5\n=1', "'-5\n=1"],
    ['a=b', 'a=b'],
  ])('are no formula to a spreadsheet: %j is %j', (value, shown) => {
    expect(records(linesOf(changed({ source: value, target: null })))[0]![4]).toBe(shown)
  })

  it('give every value back, whatever is in it', () => {
    const text = fc.oneof(
      fc.string({ unit: fc.constantFrom('=', '-', '+', '@', "'", '"', ',', '\r', '\n', '\t', ' ', '1', 'x', 'é') }),
      fc.string({ unit: 'grapheme' }),
    )
    const read = (cell: string, is: string) => (is === 'value' ? cell.replace(/^'/, '') : null)
    fc.assert(
      fc.property(fc.option(text), fc.option(text), text, (source, target, key) => {
        const [cells, ...more] = records(linesOf(changed({ source, target }, [key])))
        expect(more).toEqual([])
        const [, , name, , ours, oursIs, theirs, theirsIs] = cells as [string, ...string[]]
        expect([read(name!, 'value'), read(ours!, oursIs!), read(theirs!, theirsIs!)]).toEqual([key, source, target])
        for (const cell of cells!) expect(cell).not.toMatch(/^\s*[=@]|^[\t\r\n]|^\s*[+-](?!\d+$)/)
      }),
      { numRuns: 2_000 },
    )
  })
})
