import type { Rule } from './rule.ts'

/**
 * What one observation says about one rule. `between` lies inside the threshold and not yet past `recover`: it keeps
 * an alert as it is. `unknown` means it could not be told: it is not a pass.
 */
export type Verdict = 'pass' | 'between' | 'breach' | 'unknown'

/** A value to judge; `floor` says that it is at least that much. */
export interface Judged {
  readonly value: number
  readonly floor: boolean
}

/** A value of exactly 0 is a value; an absent one is unknown. */
export function judge(judged: Judged | undefined, rule: Pick<Rule, 'when' | 'threshold' | 'recover'>): Verdict {
  if (judged === undefined) return 'unknown'
  const { value, floor } = judged
  const beyond = rule.when === 'above' ? value > rule.threshold : value < rule.threshold
  // A floor above the threshold is surely above it. Below it, or under a rule that asks for more, it says nothing.
  if (floor) return beyond && rule.when === 'above' ? 'breach' : 'unknown'
  if (beyond) return 'breach'
  const recovered = rule.when === 'above' ? value <= rule.recover : value >= rule.recover
  return recovered ? 'pass' : 'between'
}
