import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Fault } from '../server/fault.ts'
import { memoryJournal } from '../server/reconcile/memory-journal.ts'
import type { Journal } from '../server/reconcile/journal.ts'
import type { PairInput } from '../server/reconcile/pair.ts'
import type { RunInput } from '../server/reconcile/run.ts'
import type { Scope, Verified } from '../server/reconcile/scope.ts'
import { sliceFrom } from '../server/reconcile/intervals.ts'
import { walked } from '../server/reconcile/walk.ts'
import { routes, words, type Ends } from './routes.ts'
import { inWords, run, steadyVerbs } from './two-copies.ts'

let copies: Ends
const fill = async () => {
  for (const place of [copies.source, copies.target]) {
    const { series, analyze } = words[place.engine]
    await place.run([
      'drop table if exists t',
      'create table t (id int primary key, a varchar(40))',
      `insert into t select i, concat('a', i) from ${series(1, 20_000)}`,
      analyze,
    ])
  }
}
const target = (text: string) => copies.target.run([text])
const pair: Omit<PairInput, 'id'> = { source: { table: 'source.t' }, target: { table: 'target.t' }, key: ['id'] }

type Ran = Awaited<ReturnType<typeof run>>
const wordsOf = ({ journal }: Ran) =>
  journal
    .kept()
    .map(({ difference }) => inWords(difference))
    .toSorted()

describe.each(routes)('a sample, $title', ({ open }) => {
  beforeAll(async () => void (copies = await open()))
  afterAll(() => copies.drop())
  beforeEach(fill)

  const sample = (seed: string, share: number, more: Partial<PairInput> = {}) =>
    run(copies, { ...pair, ...more, sample: { share } }, { scope: { mode: 'sample', seed } })

  it('compares a share of the keys, another each time, the same again by its seed', async () => {
    await target(`update t set a = 'x' where id % 7 = 0`)
    const [one, again, other] = [await sample('one', 0.05), await sample('one', 0.05), await sample('other', 0.05)]
    expect(one.result.rows).toEqual({ source: 1_000, target: 1_000 })
    expect(wordsOf(again)).toEqual(wordsOf(one))
    expect(wordsOf(other)).not.toEqual(wordsOf(one))
    expect(one.result).toMatchObject({ verdict: 'drift', coverage: { mode: 'sample', share: 0.05, estimated: true } })
    expect(one.result.coverage.says).toBe('a random 5 % of the key space (seed one); the match ratio is an estimate')
    expect(one.result.matchRatio).toBeCloseTo(6 / 7, 2)
  })

  it('finds what a full run finds in the rows it compares, and corrects nothing else', async () => {
    await target(`update t set a = 'x' where id % 10 = 0`)
    const corrections = { mode: 'auto', limit: { rows: 10_000, ratio: 1, deletes: 0 } } as const
    const { result } = await sample('s', 0.1, { corrections })
    expect(result.corrections).toEqual({ applied: 200 })
    const [left] = await copies.target.ask(`select count(*) as n from t where a = 'x'`)
    expect(Number(left!['n'])).toBe(1_800)
  })

  it('takes parts of keys that are no numbers', async () => {
    for (const place of [copies.source, copies.target]) {
      await place.run([`alter table t ${place.engine === 'mysql' ? 'modify id varchar(20)' : 'alter id type text'}`])
    }
    const { result } = await sample('s', 0.25)
    expect(result.coverage).toMatchObject({ mode: 'sample', share: 0.25 })
    expect(result.rows.source).toBeGreaterThan(4_000)
    expect(result.rows.source).toBeLessThan(6_000)
  })
})

/** A store of what was verified, in a variable, and a clock that each slice moves on by a second. */
function walker(spec: Omit<PairInput, 'id'>) {
  let known: readonly Verified[] = []
  let runs = 0
  return {
    known: () => known,
    async scrub(journal = memoryJournal('run'), more: Partial<RunInput> = {}) {
      let nowMs = 0
      const ticking: Journal = {
        ...journal,
        async slice(...told) {
          await journal.slice(...told)
          nowMs += 1_000
        },
      }
      const scope: Scope = { mode: 'scrub', verified: async () => known }
      const ran = await run(copies, spec, {
        scope,
        verbs: { ...steadyVerbs, now: () => nowMs },
        journal: ticking,
        ...more,
      })
      const { planned } = (await journal.recall())!
      const slices = ran.result.slices.filter(({ state }) => state !== 'unknown')
      known = walked(
        known,
        planned.intervals.map((ends) => sliceFrom(planned.strategy, ends)),
        slices.map((one) => ({ ...one, slice: sliceFrom(planned.strategy, one) })),
        { run: String(++runs), at: new Date(runs * 60_000) },
      )
      return { ...ran, journal }
    },
  }
}

describe.each(routes)('a scrub, $title', ({ open }) => {
  beforeAll(async () => void (copies = await open()))
  afterAll(() => copies.drop())
  beforeEach(fill)

  const little = { ...pair, slice: { rows: 1_000, target: '1h' }, scrub: { budget: '3s' } } as const

  it('compares a part each time, all of it in turn, and what was longest ago first', async () => {
    await target(`update t set a = 'x' where id in (1, 9999, 20000)`)
    const { scrub, known } = walker(little)
    const [found, shares] = [new Set<string>(), [] as number[]]
    let runs = 0
    do {
      const ran = await scrub()
      shares.push(ran.result.coverage.share)
      wordsOf(ran).forEach((words) => found.add(words))
      runs += 1
    } while (runs < 100 && known().reduce((keys, { from, to }) => keys + Number(to - from) + 1, 0) < 20_000)
    expect(runs).toBeGreaterThan(2)
    expect([...found].toSorted()).toEqual(['changed 1 a', 'changed 20000 a', 'changed 9999 a'])
    expect(Math.max(...shares)).toBeLessThan(0.7)
    // Then it begins again with what it began with.
    const oldest = Math.min(...known().map(({ at }) => at.getTime()))
    const longest = known().find(({ at }) => at.getTime() === oldest)!
    const next = await scrub()
    expect(next.result.slices[0]!.from).toBe(String(longest.from))
    const says = /^[\d.]+ % of the key space, of what had not been compared for the longest time$/
    expect(next.result.coverage.says).toMatch(says)
  })

  it('compares new keys beyond the ends before anything again', async () => {
    const { scrub } = walker({ ...little, scrub: { budget: '1h' } })
    const first = await scrub()
    expect(first.result).toMatchObject({ verdict: 'match', coverage: { share: 1, says: 'all rows' } })
    await copies.source.run([
      `insert into t select i, 'new' from ${words[copies.source.engine].series(20_001, 20_100)}`,
      `insert into t values (-5, 'new')`,
    ])
    const { result } = await scrub()
    expect(result.slices.slice(0, 2).map(({ from, to }) => [from, to])).toEqual([
      ['-5', '0'],
      ['20001', '20100'],
    ])
    expect(result.differences).toEqual({ missing: 101, extra: 0, changed: 0 })
  })

  it('goes on in the same order when it is interrupted', async () => {
    const { scrub } = walker(little)
    await scrub()
    const journal = memoryJournal('second')
    const stop = new AbortController()
    const killed: RunInput['journal'] = {
      ...journal,
      async slice(...told) {
        await journal.slice(...told)
        stop.abort(new Error('killed'))
      },
    }
    await expect(scrub(journal, { journal: killed, signal: stop.signal })).rejects.toThrow('killed')
    const told = (await journal.recall())!.slices
    const { result } = await scrub(journal)
    expect(result.slices).toEqual(expect.arrayContaining([...told]))
    const keys = result.slices.flatMap(({ from, to }) => [[BigInt(from), BigInt(to)] as const])
    for (const [place, [from]] of keys.entries()) {
      expect(keys.some(([start, end], other) => other !== place && start <= from && from <= end)).toBe(false)
    }
  })

  it('does not call verified what it could not read', async () => {
    const { scrub, known } = walker(little)
    const broken = {
      ...copies.target.side,
      snapshot: async () => {
        throw new Fault('system_error', 'target: no', { hint: 'x' })
      },
    }
    const { result } = await run({ source: copies.source, target: { side: broken } }, little, {
      scope: { mode: 'scrub', verified: async () => [] },
    })
    expect(result).toMatchObject({ verdict: 'unknown', coverage: { share: 0 } })
    await scrub()
    expect(known().length).toBeGreaterThan(0)
  })
})
