import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { PairInput } from '../server/reconcile/pair.ts'
import type { ApplyOutcome, Side } from '../server/sides/side.ts'
import { kinds, literalOf, type Engine } from './kinds.ts'
import type { OwnPlace } from './places.ts'
import { routes, type Ends } from './routes.ts'
import { run } from './two-copies.ts'
import { shapesOf, type Shape } from './worlds.ts'

/** A side whose writes are done, or are not, and which hears of none of them. */
const deaf = (side: Side, isDone: boolean): Side => ({
  ...side,
  async apply(plan, changes) {
    const outcomes = isDone ? await side.apply(plan, changes) : changes.map((): ApplyOutcome => ({ state: 'applied' }))
    return outcomes.map((outcome) =>
      outcome !== 'unsent' && outcome.state === 'applied'
        ? { state: 'failed', message: 'connection lost', unsure: true }
        : outcome,
    )
  },
})

/** A type and a value of each engine. */
type Cell = Readonly<Record<Engine, readonly [type: string, value: string]>>

const pair: Omit<PairInput, 'id'> = {
  ...{ source: { table: 'source.t' }, target: { table: 'target.t' }, key: ['id'], deletes: 'hard' },
  corrections: { mode: 'auto', limit: { rows: 1_000, ratio: 1, deletes: 1_000 } },
}

/** One column for each two types that hold a kind; the rows are its values in turn, from a place of the alphabet on. */
async function fill(place: OwnPlace, side: 'source' | 'target', shapes: readonly Shape[], ids: readonly number[]) {
  const columns = shapes.map((shape, at) => `c${at} ${shape[side].type}`)
  const shift = side === 'source' ? 0 : 1
  const lines = ids.map((id) => {
    const cells = shapes.map((shape) => literalOf(shape[side], shape.values[(id + shift) % shape.values.length]!))
    return `(${[id, ...cells].join(', ')})`
  })
  await place.run([
    'drop table if exists t',
    `create table t (id int primary key, ${columns.join(', ')})`,
    `insert into t values ${lines.join(', ')}`,
  ])
}

describe.each(routes)('a correction whose outcome is lost, $title', ({ open }) => {
  let ends: Ends
  beforeAll(async () => void (ends = await open()))
  afterAll(() => ends.drop())

  it('is taken for written whatever the row computes from what was written', async () => {
    for (const [place, a] of [
      [ends.source, 2],
      [ends.target, 1],
    ] as const) {
      await place.run([
        'drop table if exists t',
        'create table t (id int primary key, a int, doubled int generated always as (a * 2) stored)',
        `insert into t (id, a) values (1, ${a})`,
      ])
    }
    const target = { side: deaf(ends.target.side, true) }
    const { result } = await run({ source: ends.source, target }, pair)
    expect(result).toMatchObject({ corrections: { applied: 1 }, after: { verdict: 'match' } })
  })

  const kept: readonly (readonly [of: string, source: Cell, target: Cell])[] = [
    [
      'doubles of half the digits',
      { postgres: ['real', '0.1'], mysql: ['float', '0.1'] },
      { postgres: ['real', '0.3'], mysql: ['float', '0.3'] },
    ],
    [
      'texts kept as bytes',
      { postgres: ['text', `'é'`], mysql: ['varbinary(20)', `'é'`] },
      { postgres: ['text', `'a'`], mysql: ['varbinary(20)', `'a'`] },
    ],
    [
      'truths kept as numbers',
      { postgres: ['boolean', 'true'], mysql: ['tinyint(1)', 'true'] },
      { postgres: ['smallint', '0'], mysql: ['smallint', '0'] },
    ],
    [
      'whole numbers kept as decimals',
      { postgres: ['numeric(9,2)', '7'], mysql: ['decimal(9,2)', '7'] },
      { postgres: ['int', '6'], mysql: ['int', '6'] },
    ],
  ]
  it.each(kept)('is taken for written where it was, of %s', async (_, ...cells) => {
    for (const [at, place] of [ends.source, ends.target].entries()) {
      const [type, value] = cells[at]![place.engine]
      await place.run([
        'drop table if exists t',
        `create table t (id int primary key, v ${type})`,
        `insert into t values (1, ${value})`,
      ])
    }
    const target = { side: deaf(ends.target.side, true) }
    const { result } = await run({ source: ends.source, target }, pair)
    expect(result).toMatchObject({ corrections: { applied: 1 }, after: { verdict: 'match' } })
  })

  it('never rounds what does not fit', async () => {
    await ends.source.run(['drop table if exists t', 'create table t (id int primary key, v decimal(9,2))'])
    await ends.target.run(['drop table if exists t', 'create table t (id int primary key, v int)'])
    await ends.source.run(['insert into t values (1, 7.50)'])
    await ends.target.run(['insert into t values (1, 6)'])
    const { result } = await run(ends, pair)
    expect(result).toMatchObject({ corrections: { failed: 1 }, after: { verdict: 'drift' } })
  })

  describe.each(Object.entries(kinds))('of values of kind %s', (name, kind) => {
    const filled = async () => {
      const shapes = shapesOf(name, kind, ends.source.engine, ends.target.engine)
      const rows = Math.max(0, ...shapes.map(({ values }) => values.length))
      const all = Array.from({ length: rows }, (_, id) => id)
      if (rows === 0) return false
      await fill(ends.source, 'source', shapes, all)
      // Some rows are missing in the target, and one is extra.
      await fill(ends.target, 'target', shapes, [...all.filter((id) => id % 3 > 0), rows])
      return true
    }
    const corrected = async (isDone: boolean) => {
      const target = { side: deaf(ends.target.side, isDone) }
      return run({ source: ends.source, target }, pair)
    }

    it('is taken for written where it was', async () => {
      if (!(await filled())) return
      const { result, journal } = await corrected(true)
      const doubtful = await journal.corrections('interrupted', 'update', 100)
      const lost = [...doubtful, ...(await journal.corrections('interrupted', 'insert', 100))]
      expect(lost.map(({ difference, decision }) => [difference.source, decision.values])).toEqual([])
      expect(journal.audit().filter(({ event }) => event === 'failed')).toEqual([])
      expect(result).toMatchObject({ verdict: 'drift', after: { verdict: 'match' } })
      expect(Object.keys(result.corrections)).toEqual(['applied'])
    })

    it('is not where it was not', async () => {
      if (!(await filled())) return
      const { result } = await corrected(false)
      expect(result).toMatchObject({ verdict: 'drift', after: { verdict: 'drift' } })
      expect(Object.keys(result.corrections)).toEqual(['interrupted'])
    })
  })
})
