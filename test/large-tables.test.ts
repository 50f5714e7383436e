import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fillSql, plantedIn, someIds, type Kind } from './bench/data.ts'
import type { Engine } from './bench/servers.ts'
import { mariadbPlace, postgresPlace, type OwnPlace } from './places.ts'
import { compare } from './two-copies.ts'

const rows = 250_000
/** Ids in a row, all but those of gaps: rows that differ together. */
const clump = (from: number, count: number) =>
  Array.from({ length: count }, (_, at) => from + at).filter((id) => id % 11)
const changed = (ids: readonly number[]) => new Map(ids.map((id): [number, Kind] => [id, 'name']))

const drifts: Readonly<Record<string, Map<number, Kind>>> = {
  'one row': changed([140_001]),
  'forty rows here and there': plantedIn(rows, { changed: 20, missing: 10, extra: 10 }),
  'one row in a hundred': plantedIn(rows, { changed: 1_250, missing: 625, extra: 625 }),
  'a clump and some far from it': changed([...clump(100_000, 9_000), ...someIds(rows, 30, 5)]),
  'a hole': new Map(clump(20_000, 30_000).map((id): [number, Kind] => [id, 'missing'])),
}
const reported: Readonly<Record<Kind, string>> = {
  name: 'changed',
  amount: 'changed',
  note: 'changed',
  missing: 'missing',
  extra: 'extra',
}

const pairs: readonly (readonly ['postgres' | 'mariadb', 'postgres' | 'mariadb'])[] = [
  ['postgres', 'postgres'],
  ['postgres', 'mariadb'],
]

async function fill(engine: Engine, place: OwnPlace, planted: ReadonlyMap<number, Kind>) {
  for (const statement of fillSql(engine, { table: 'copies', rows, planted })) await place.ask(statement)
}

describe.each(pairs)('tables of %s and %s too large to be listed', (of, to) => {
  let source: OwnPlace
  let target: OwnPlace
  beforeAll(async () => {
    const open = { postgres: postgresPlace, mariadb: mariadbPlace }
    source = await open[of]('source')
    target = await open[to]('target')
    await fill(of, source, new Map())
  }, 120_000)
  afterAll(() => Promise.all([source?.drop(), target?.drop()]))

  it.each(Object.keys(drifts))('differ in exactly what was planted: %s', { timeout: 120_000 }, async (name) => {
    const planted = drifts[name]!
    await fill(to, target, planted)
    const { verdict, items } = await compare({ source: source.side, target: target.side }, 'copies')
    expect(verdict).toBe('drift')
    const found = items.map(({ kind, key }) => `${kind} ${key.join()}`)
    expect(found.toSorted()).toEqual([...planted].map(([id, kind]) => `${reported[kind]} ${id}`).toSorted())
  })
})
