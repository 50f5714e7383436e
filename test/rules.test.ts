import { describe, expect, it } from 'vitest'
import type { Metric } from '../checks/probe.ts'
import { derived, reconcileMetrics } from '../server/evaluate/derived.ts'
import { judge, type Judged } from '../server/evaluate/judge.ts'
import { ruleProblems, ruleSchema, rulesOf, type RuleSource } from '../server/evaluate/rule.ts'
import { targetsOf, targetsSchema, type Tier } from '../server/evaluate/target.ts'

const metrics: Record<string, Metric> = {
  error_ratio: { help: 'x', unit: 'ratio', signal: 'errors' },
  dead_letters: { help: 'x', unit: 'records', signal: 'dead-letters' },
  oldest_dead_letter_seconds: { help: 'x', unit: 'seconds', signal: 'dead-letters' },
  duplicate_records: { help: 'x', unit: 'records', signal: 'duplicates' },
  complete_ratio: { help: 'x', unit: 'ratio', signal: 'drift' },
  pending_records: { help: 'x', unit: 'records' },
  ...derived,
}

const source = (tier: Tier, more: Partial<RuleSource> = {}): RuleSource => ({
  pipeline: 'orders',
  check: 'orders.queue',
  metrics,
  tier,
  targets: targetsOf(tier),
  rules: [],
  ...more,
})

const said = (rules: ReturnType<typeof rulesOf>) =>
  rules.map(({ metric, severity, when, threshold }) => `${metric} ${severity} ${when} ${threshold}`)

describe('the rules a check has by default', () => {
  it('come from its signals and the targets of its tier', () => {
    expect(said(rulesOf(source('operational')))).toEqual([
      'error_ratio warn above 0.001',
      'error_ratio crit above 0.01',
      'dead_letters warn above 0',
      'dead_letters crit above 10',
      'oldest_dead_letter_seconds crit above 86400',
      'duplicate_records warn above 0',
      'complete_ratio warn below 0.995',
      'lag_seconds warn above 900',
      'lag_seconds crit above 1800',
    ])
  })

  it.each([
    ['realtime', 5, 15_000],
    ['operational', 900, 120_000],
    ['reference', 7_200, 600_000],
  ] as const)('of tier %s warn beyond %i s of lag held for %i ms', (tier, threshold, holdMs) => {
    const [warn] = rulesOf(source(tier)).filter(({ metric }) => metric === 'lag_seconds')
    expect(warn).toMatchObject({ id: 'orders.queue.lag_seconds.warn', threshold, holdMs, target: threshold })
  })

  it('follow what the pipeline promises for itself', () => {
    const own = targetsSchema.parse({ lag: '5m', errors: 0.05, 'dead-letters': 20, duplicates: 3, drift: 1 })
    const rules = said(rulesOf(source('realtime', { targets: targetsOf('realtime', own) })))
    expect(rules).toContain('lag_seconds crit above 600')
    expect(rules).toContain('error_ratio crit above 0.05')
    expect(rules).toContain('dead_letters crit above 20')
    expect(rules).toContain('duplicate_records warn above 3')
    expect(rules).toContain('complete_ratio warn below 1')
  })

  it('judge the verdict of a run at once, because the next one is a day away', () => {
    const [rule] = rulesOf(source('reference', { check: 'orders.reconcile', metrics: reconcileMetrics }))
    expect(rule).toMatchObject({ id: 'orders.reconcile.match_ratio.warn', holdMs: 0, recoverMs: 0, threshold: 0.995 })
  })
})

describe('a rule written in the config', () => {
  const written = (rule: object) => rulesOf(source('realtime', { rules: [ruleSchema.parse(rule)] }))

  it('replaces the default one of the same metric and severity', () => {
    const rules = written({ metric: 'lag_seconds', above: '1m', for: '10s', recoverFor: '0s', severity: 'crit' })
    expect(rules.find(({ id }) => id === 'orders.queue.lag_seconds.crit')).toMatchObject({
      threshold: 60,
      recover: 48,
      holdMs: 10_000,
      recoverMs: 0,
      target: 5,
    })
    expect(said(rules)).toContain('lag_seconds warn above 5')
  })

  it('may judge a number without a signal', () => {
    expect(written({ metric: 'out_per_second', below: 2 }).at(-1)).toMatchObject({
      id: 'orders.queue.out_per_second.warn',
      when: 'below',
      threshold: 2,
      recover: 2.5,
      target: 2,
      unit: 'per_second',
    })
  })

  it.each([
    [{ metric: 'lag_seconds' }, 'write either `above` or `below`'],
    [{ metric: 'lag_seconds', above: 1, below: 2 }, 'write either `above` or `below`'],
    [{ metric: 'lag_seconds', above: 10, recover: 11 }, 'must lie on the well side of the threshold'],
    [{ metric: 'lag_seconds', below: 10, recover: 9 }, 'must lie on the well side of the threshold'],
    [{ metric: 'lag_seconds', above: 10, fro: '1s' }, 'Unrecognized key: "fro"'],
  ])('%j is refused', (rule, message) => {
    const { error } = ruleSchema.safeParse(rule)
    expect(error?.issues.map((issue) => issue.message)).toContain(message)
  })

  it('on a number nobody reports is a problem, and so is a second one on the same', () => {
    const rules = [
      { metric: 'lag', above: 1 },
      { metric: 'error_ratio', above: 1 },
      { metric: 'error_ratio', below: 1 },
    ].map((rule) => ruleSchema.parse(rule))
    expect(ruleProblems({ error_ratio: metrics.error_ratio! }, rules)).toEqual([
      { path: [0, 'metric'], message: 'no metric "lag" here; have: error_ratio' },
      { path: [2, 'metric'], message: 'a second warn rule on error_ratio' },
    ])
  })
})

describe('a value is judged', () => {
  const above = { when: 'above', threshold: 300, recover: 240 } as const
  const below = { when: 'below', threshold: 0.995, recover: 0.996 } as const
  const of = (value: number, floor = false): Judged => ({ value, floor })

  it.each([
    ['beyond the threshold', above, of(301), 'breach'],
    ['on the threshold', above, of(300), 'between'],
    ['on the recovery', above, of(240), 'pass'],
    ['of exactly nothing', above, of(0), 'pass'],
    ['below what is asked', below, of(0.9949), 'breach'],
    ['hardly what is asked', below, of(0.9955), 'between'],
    ['that is all', below, of(1), 'pass'],
    ['that is at least too much', above, of(301, true), 'breach'],
    ['that is at least something', above, of(10, true), 'unknown'],
    ['that is not known', above, undefined, 'unknown'],
  ] as const)('%s', (_, rule, value, verdict) => {
    expect(judge(value, rule)).toBe(verdict)
  })

  it('of nothing tolerated, as soon as there is one', () => {
    const none = { when: 'above', threshold: 0, recover: 0 } as const
    expect([0, 1].map((value) => judge(of(value), none))).toEqual(['pass', 'breach'])
  })
})
