import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { alike } from '../server/reconcile/loose.ts'
import type { ColumnPair } from '../server/reconcile/plan.ts'
import type { ColumnClass } from '../server/sides/side.ts'

const compared = (kind: ColumnClass, options: ColumnPair['options'], source: string | null, target: string | null) =>
  // Names and types do not matter here.
  alike({ class: kind, options } as ColumnPair, source, target)

describe('a number within a tolerance', () => {
  it.each([
    ['1.00', '1.01', true],
    ['1.00', '1.0100000000000000000001', false],
    ['-0.005', '0.005', true],
    ['100000000000000000000.01', '100000000000000000000.02', true],
    ['100000000000000000000.01', '100000000000000000000.03', false],
    ['1e300', '1E+300', true],
    ['NaN', 'NaN', true],
    ['NaN', '0', false],
    ['Infinity', '-Infinity', false],
  ])('of 0.01: %s and %s: %s', (source, target, equal) => {
    expect(compared('numeric', { tolerance: 0.01 }, source, target)).toBe(equal)
    expect(compared('float', { tolerance: 0.01 }, target, source)).toBe(equal)
  })

  it('is no nearer to NULL than any other', () => {
    expect(compared('numeric', { tolerance: 1 }, '0', null)).toBe(false)
    expect(compared('numeric', { tolerance: 1 }, null, null)).toBe(true)
  })

  it('is rounded half away from zero first', () => {
    const at = (source: string, target: string) => compared('float', { precision: 1 }, source, target)
    expect(at('0.25', '0.3')).toBe(true)
    expect(at('-0.25', '-0.3')).toBe(true)
    expect(at('0.24', '0.3')).toBe(false)
    expect(at('0.04', '-0.04')).toBe(true)
    expect(at('5', '5.04')).toBe(true)
  })
})

describe('a time within a tolerance', () => {
  const at = (source: string, target: string, ms = 1000) => compared('timestamp', { tolerance: { ms } }, source, target)

  it.each([
    ['2024-01-01 00:00:00', '2023-12-31 23:59:59+00', true],
    ['2024-01-01 00:00:00', '2023-12-31 23:59:58.999999', false],
    ['9999-12-31 23:59:59.999999', '9999-12-31 23:59:59', true],
    ['infinity', 'infinity', true],
    ['infinity', '9999-12-31 23:59:59', false],
    ['0000-00-00 00:00:00', '0000-00-00 00:00:01', false],
    ['2024-02-30 00:00:00', '2024-03-01 00:00:00', false],
    ['0044-03-15 00:00:00 BC', '0044-03-15 00:00:00', false],
  ])('of a second: %s and %s: %s', (source, target, equal) => {
    expect(at(source, target)).toBe(equal)
    expect(at(target, source)).toBe(equal)
  })

  it('may be of any length, negative, or a date', () => {
    expect(compared('time', { tolerance: { ms: 1 } }, '-838:59:59', '-838:59:59.001')).toBe(true)
    expect(compared('time', { tolerance: { ms: 1 } }, '-838:59:59', '838:59:59')).toBe(false)
    expect(compared('date', { tolerance: { ms: 86_400_000 } }, '2024-02-28', '2024-02-29')).toBe(true)
    expect(compared('date', { tolerance: { ms: 86_400_000 } }, '2024-02-28', '2024-03-01')).toBe(false)
  })
})

describe('a text', () => {
  it('may ignore its case, its blanks and its emptiness', () => {
    expect(compared('text', { case: 'ignore' }, 'ÉCOLE', 'école')).toBe(true)
    expect(compared('text', { case: 'ignore' }, 'ÉCOLE', 'ecole')).toBe(false)
    expect(compared('text', { case: 'ignore' }, 'a', 'A ')).toBe(false)
    expect(compared('text', { trim: true }, ' a ', 'a')).toBe(true)
    expect(compared('text', { trim: true }, 'a\t', 'a')).toBe(false)
    expect(compared('text', { trim: true, emptyAsNull: true }, '  ', null)).toBe(true)
    expect(compared('text', { emptyAsNull: true }, ' ', null)).toBe(false)
  })
})

describe('a document', () => {
  const same = (source: string, target: string) => compared('json', undefined, source, target)

  it.each([
    ['{"b": 1, "a": [1, 2.50]}', '{"a":[1.0,2.5],"b":1e0}'],
    ['"\\u00e9"', '"é"'],
    ['9007199254740993', '9007199254740993.0'],
    ['-0', '0.00'],
    ['{"a": 1, "a": 2}', '{"a": 2}'],
    ['not a document', 'not a document'],
  ])('%s means %s', (source, target) => expect(same(source, target)).toBe(true))

  it.each([
    ['9007199254740993', '9007199254740992'],
    ['{"a": "1"}', '{"a": 1}'],
    ['{"a": "n1/0"}', '{"a": 1}'],
    ['{"a": null}', '{}'],
    ['[1, [2]]', '[1, 2]'],
    ['[]', '{}'],
    ['{"of": []}', '[]'],
    ['0.1', '0.1000000000000000055511151231257827'],
    ['1e999999999', '2e999999999'],
    ['{"__proto__": 1}', '{}'],
    ['not a document', 'no document'],
    ['{"a":1', '{"a": 1'],
  ])('%s does not mean %s', (source, target) => expect(same(source, target)).toBe(false))

  it('of any shape means itself, however it is written', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => same(JSON.stringify(value), JSON.stringify(value, null, 3))),
      { numRuns: 300 },
    )
  })
})
