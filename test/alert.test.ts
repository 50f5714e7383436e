import { describe, expect, it } from 'vitest'
import { advance, type AlertState, type Hold } from '../server/evaluate/alert.ts'
import type { Verdict } from '../server/evaluate/judge.ts'

const hold: Hold = { holdMs: 60_000, recoverMs: 60_000 }

/** Plays verdicts, one every 30 s, and tells what was sent: `fired@60` means fired at 60 s. */
function play(verdicts: readonly Verdict[], { holdMs, recoverMs } = hold, everyMs = 30_000): string[] {
  let state: AlertState = { status: 'quiet' }
  return verdicts.flatMap((verdict, turn) => {
    const step = advance(state, verdict, turn * everyMs, { holdMs, recoverMs })
    state = step.state
    return step.event ? [`${step.event}@${(turn * everyMs) / 1_000}`] : []
  })
}

/** `b` breach, `p` pass, `-` between, `?` unknown. */
const words = { b: 'breach', p: 'pass', '-': 'between', '?': 'unknown' } as const
const say = (text: string) => [...text].map((letter) => words[letter as keyof typeof words])

describe('an alert that holds for 60 s', () => {
  it.each([
    ['stays quiet while everything passes', 'pppp', []],
    ['forgives a breach that ends before the hold does', 'bbpb', []],
    ['fires once when the breach has lasted the hold', 'bbbbb', ['fired@60']],
    ['resolves when it has been well for as long', 'bbbppp', ['fired@60', 'resolved@150']],
    ['tells nobody of a relapse while it recovers', 'bbbppbppp', ['fired@60', 'resolved@240']],
    ['begins a new hold after it has resolved', 'bbbpppbbb', ['fired@60', 'resolved@150', 'fired@240']],
    ['neither fires nor resolves on what it cannot see', '????', []],
    ['stays as it was while it cannot see', 'bbb????', ['fired@60']],
    ['counts the hold from the first breach, across a gap in sight', 'b?b', ['fired@60']],
    ['keeps firing between threshold and recovery', 'bbb-----', ['fired@60']],
    ['keeps waiting between threshold and recovery', 'b-b', ['fired@60']],
    ['does not fire on a value between threshold and recovery', 'b---', []],
    ['goes on recovering across a gap in sight', 'bbbp?p', ['fired@60', 'resolved@150']],
  ])('%s', (_, told, sent) => {
    expect(play(say(told))).toEqual(sent)
  })
})

describe('the samples of an alert', () => {
  it('are at least two, however long apart', () => {
    expect(play(say('bb'), { holdMs: 15_000, recoverMs: 0 }, 900_000)).toEqual(['fired@900'])
    expect(play(say('bbppp'), { holdMs: 15_000, recoverMs: 15_000 }, 900_000)).toEqual(['fired@900', 'resolved@2700'])
  })

  it('may be one when the hold is nothing', () => {
    expect(play(say('bpb'), { holdMs: 0, recoverMs: 0 })).toEqual(['fired@0', 'resolved@30', 'fired@60'])
  })
})

describe('the state of an alert', () => {
  it('is JSON as it is, so that a restart goes on where it was', () => {
    let state: AlertState = { status: 'quiet' }
    const sent = say('bbbppp').map((verdict, turn) => {
      const step = advance(JSON.parse(JSON.stringify(state)) as AlertState, verdict, turn * 30_000, hold)
      state = step.state
      return step.event
    })
    expect(sent).toEqual([undefined, undefined, 'fired', undefined, undefined, 'resolved'])
  })
})
