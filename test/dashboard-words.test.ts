import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { differingStretches, withVisibleEnds } from '../web/difference-text.ts'
import { headline, lead } from '../web/headline.ts'
import { numberSpans } from '../web/number-spans.ts'
import { heldOrder, misplaced } from '../web/order.ts'
import { addressOf, pageOf, pipelineHref, withChoices } from '../web/page.ts'
import { covers, lookOf, modeWords, runHeadline, runLead, writesOf } from '../web/run-words.ts'
import { cellNote, cellValue, spokenValue, tallyLabel, tileLines } from '../web/signals.ts'
import type { Run, Signal, State } from '../web/api.ts'

const now = Date.parse('2026-11-21T02:12:00Z')
const plain = (text: string) => text.replaceAll('\u202f', ' ')

describe('the headline', () => {
  const row = (title: string, state: State, signal: Signal['signal'] = 'lag') => ({
    title,
    state,
    signals: [{ signal, state }],
  })

  it.each<[string, State[]]>([
    ['No pipelines yet.', []],
    ['1 pipeline is failing.', ['crit', 'warn', 'ok']],
    ['2 pipelines are failing.', ['crit', 'crit', 'nodata']],
    ['1 pipeline misses a target.', ['warn', 'nodata']],
    ['1 pipeline cannot be told.', ['nodata', 'ok']],
    ['Everything holds its targets.', ['ok', 'paused']],
    ['Everything is paused.', ['paused']],
    ['Nothing is measured yet.', ['unmeasured']],
  ])('answers "%s"', (said, states) => {
    expect(headline(states.map((state) => row('x', state)))).toBe(said)
  })

  it('names what is wrong and counts the rest', () => {
    const rows = [
      row('Orders', 'crit'),
      row('Invoices', 'crit', 'dead-letters'),
      row('Stock', 'warn'),
      row('Prices', 'nodata'),
      row('People', 'ok'),
    ]
    expect(lead(rows)).toBe(
      'Orders runs late, Invoices piles up dead letters. 1 more misses a target, 1 cannot be told, 1 is well.',
    )
    expect(lead([row('People', 'ok')])).toBe('')
  })
})

describe('a cell', () => {
  const signal = (of: Partial<Signal> = {}): Signal => ({
    signal: 'lag',
    state: 'ok',
    value: 41,
    unit: 'seconds',
    floor: false,
    lower: null,
    upper: null,
    method: null,
    target: 900,
    alert: 1800,
    better: 'lower',
    at: new Date(now - 3000).toISOString(),
    note: null,
    why: null,
    spark: [],
    ...of,
  })
  const note = (of: Partial<Signal>) => plain(cellNote(signal(of), now, 'UTC'))

  it('never shows a number for what is not known, and says why', () => {
    expect(cellValue(signal({ value: null }))).toBe('–')
    expect(note({ state: 'unmeasured', value: null, note: 'no pair' })).toBe('no pair')
    expect(note({ state: 'nodata', value: null, at: null })).toBe('no answer')
  })

  it('shows the age of a value that is no longer measured', () => {
    expect(note({ state: 'nodata', at: new Date(now - 1_860_000).toISOString() })).toBe('31 m old')
  })

  it('marks a lower bound and says it', () => {
    expect(plain(cellValue(signal({ value: 240, floor: true })))).toBe('≥ 4 m')
    expect(plain(spokenValue(signal({ value: 240, floor: true })))).toBe('at least 4 m')
  })

  it('holds the value against its target', () => {
    expect(note({})).toBe('of 15 m')
    expect(note({ note: 'growing' })).toBe('of 15 m, growing')
    expect(note({ signal: 'dead-letters', unit: 'records', alert: 10, target: 0, value: 3 })).toBe('of 10')
    expect(note({ signal: 'drift', unit: 'ratio', at: new Date(now - 7_200_000).toISOString() })).toBe('2 h ago')
  })

  it('in large says how its value is known', () => {
    const lines = tileLines(
      signal({ lower: 408, upper: 426, method: 'offset-time', target: 300, alert: 300 }),
      now,
      'UTC',
    )
    expect(lines.map(plain)).toEqual(['6.8 to 7.1 m, by offset time', 'target 5 m'])
  })

  it('is one word of the tally', () => {
    expect(tallyLabel([signal({ state: 'crit' }), signal({ signal: 'drift', state: 'unmeasured' })])).toBe(
      'lag crit, drift not measured',
    )
  })
})

describe('numbers in a sentence', () => {
  const numbers = (text: string) =>
    numberSpans(text)
      .filter(({ number }) => number)
      .map((span) => span.text)

  it.each([
    ['Lag 6.9 m, target 5 m. Growing 0.25 s each second.', ['6.9 m', '5 m', '0.25 s']],
    ['1 577 of 184 244 rows differ, match 99.14 %.', ['1 577', '184 244', '99.14 %']],
    ['erp-sync-2 on orders.v2 takes 28 /s of 38 /s.', ['28 /s', '38 /s']],
    ['since 03:03, 12 new each hour', ['03:03', '12']],
    ['no numbers here', []],
  ])('are found, names are not: %s', (text, found) => expect(numbers(text)).toEqual(found))

  it('leave the sentence as it was', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(
          numberSpans(text)
            .map((span) => span.text)
            .join(''),
        ).toBe(text)
      }),
    )
  })
})

describe('two values side by side', () => {
  const marked = (source: string, target: string) => {
    const parts = differingStretches(source, target)
    const show = (side: typeof parts.source) => side.map(({ text, differs }) => (differs ? `[${text}]` : text)).join('')
    return [show(parts.source), show(parts.target)]
  }

  it('mark the letters that differ', () => {
    expect(marked('anna.meyer@x', 'anna.meier@x')).toEqual(['anna.me[y]er@x', 'anna.me[i]er@x'])
    expect(marked('DE•••417', 'DE•••471')).toEqual(['DE•••4[17]', 'DE•••4[71]'])
    expect(marked('Hamburg', 'Bremen')).toEqual(['[Hamburg]', '[Bremen]'])
    expect(marked('12', '123')).toEqual(['12', '12[3]'])
  })

  it('can be put together again, and share what is not marked', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'ü', '💧', ' '), maxLength: 20 })
    fc.assert(
      fc.property(text, text, (source, target) => {
        const parts = differingStretches(source, target)
        expect(parts.source.map((part) => part.text).join('')).toBe(source)
        expect(parts.target.map((part) => part.text).join('')).toBe(target)
        const shared = (side: typeof parts.source) =>
          side
            .filter(({ differs }) => !differs)
            .map((part) => part.text)
            .join('')
        expect(shared(parts.source)).toBe(shared(parts.target))
        if (source !== target) expect([...parts.source, ...parts.target].some(({ differs }) => differs)).toBe(true)
      }),
    )
  })

  it('stay cheap when they are long', () => {
    const long = 'x'.repeat(50_000)
    expect(marked(`${long}a${long}`, `${long}b${long}`)[0]).toBe(`${long}[a]${long}`)
  })

  it('show the spaces nobody sees', () => expect(withVisibleEnds(' Okafor  ')).toBe('·Okafor··'))
})

describe('rows under the pointer', () => {
  it('keep their places; the gone leave, the new come last', () => {
    expect(heldOrder(['a', 'b', 'c'], ['c', 'd', 'a'])).toEqual(['a', 'c', 'd'])
    expect(misplaced(['a', 'c', 'd'], ['c', 'd', 'a'])).toBe(3)
    expect(misplaced(['a', 'b'], ['a', 'b'])).toBe(0)
  })
})

describe('an address', () => {
  it.each([
    ['/', { name: 'overview' }],
    ['/pipelines/crm%2Fbilling', { name: 'pipeline', id: 'crm/billing' }],
    ['/runs', { name: 'runs' }],
    ['/runs/', { name: 'runs' }],
    ['/runs/2291', { name: 'run', id: '2291' }],
    ['/alerts', { name: 'alerts' }],
    ['/nope', { name: 'unknown', path: '/nope' }],
    ['/runs/1/2', { name: 'unknown', path: '/runs/1/2' }],
    ['/pipelines/%E0%A4%A', { name: 'pipeline', id: '%E0%A4%A' }],
  ])('leads to its page: %s', (path, page) => expect(pageOf(path)).toEqual(page))

  it('holds what is chosen on the page', () => {
    const href = withChoices('http://x/?state=crit', { q: 'a b', state: undefined })
    expect(href).toBe('http://x/?q=a+b')
    expect(addressOf(href).query.get('q')).toBe('a b')
    expect(pageOf(pipelineHref('a/b'))).toEqual({ name: 'pipeline', id: 'a/b' })
  })
})

describe('a run in words', () => {
  const run = (of: Partial<Run>) =>
    ({
      state: 'done',
      verdict: 'drift',
      differences: { missing: 611, extra: 24, changed: 942 },
      matchRatio: 0.9914,
      matchTarget: 0.995,
      inFlight: 37,
      unsettled: 0,
      slices: [],
      progress: { slicesDone: 48, slicesTotal: 48, rowsDone: 0, rowsEstimate: 0 },
      ...of,
    }) as Run

  it('answers first, and says how complete the answer is', () => {
    expect(plain(runHeadline(run({})))).toBe('1 577 rows differ.')
    expect(plain(runLead(run({})))).toBe(
      'Match 99.14 %, target 99.5 %. Every slice was compared; 37 more were in flight and healed while we looked twice.',
    )
    expect(runHeadline(run({ verdict: 'match', differences: { missing: 0, extra: 0, changed: 0 } }))).toBe(
      'Both copies agree.',
    )
  })

  it('never calls an incomplete comparison a match', () => {
    const slices = [
      {
        ordinal: 0,
        from: '1',
        to: '9',
        state: 'unknown' as const,
        message: 'timeout',
        hint: 'wait',
        code: 'system_timeout',
      },
    ]
    const incomplete = run({ verdict: 'unknown', differences: null, matchRatio: null, slices })
    expect(runHeadline(incomplete)).toBe('Could not be told.')
    expect(runLead(incomplete)).toBe('1 of 48 slices failed; nothing will be written.')
    expect(lookOf(incomplete)).toEqual({ state: 'nodata', word: 'could not be told' })
  })

  it('says what a verdict speaks for, where that is not everything', () => {
    const coverage = { mode: 'sample' as const, share: 0.0104, estimated: true, says: '12 of 1,200 parts' }
    const sampled = run({ mode: 'sample', coverage, inFlight: 0 })
    expect([modeWords(sampled), covers(sampled)].map((text) => plain(text!))).toEqual([
      'sample of 1.04 %',
      '12 of 1,200 parts.',
    ])
    expect(plain(runLead(sampled))).toBe('Match 99.14 %, target 99.5 %. All that was to be looked at was compared.')
    const whole = { ...coverage, mode: 'full' as const, share: 1 }
    expect(modeWords(run({ mode: 'incremental', coverage: whole }))).toBe('full instead of incremental')
    expect(covers(run({ mode: 'full', coverage: whole }))).toBeNull()
  })

  it('says that a run waits, and that it reached its budget', () => {
    const waiting = { reason: 'sessions' as const, why: 'crm has 40 sessions.', since: '', until: null }
    expect(lookOf(run({ state: 'running', waiting }))).toEqual({ state: 'paused', word: 'holds back' })
    expect(runHeadline(run({ state: 'running', waiting: { ...waiting, reason: 'paused' } }))).toBe('Paused.')
    const message = 'The time budget of 60 s is spent; the rest was not compared.'
    const slices = [
      { ordinal: 0, from: '1', to: '9', state: 'unknown' as const, message, hint: 'x', code: 'limit_reached' },
    ]
    expect(runLead(run({ verdict: 'unknown', matchRatio: null, slices }))).toBe(
      'It reached its budget, and the rest is unknown; nothing will be written.',
    )
  })

  it('names every kind of write, also at none', () => {
    expect(writesOf({ update: 3, insert: 1, delete: 0 })).toBe('3 updates, 1 insert, 0 deletes')
  })
})
