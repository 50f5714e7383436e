import type { Owner } from './pair.ts'
import type { PairPlan } from './plan.ts'
import type { Decision, Difference, FieldDecision } from './records.ts'

export interface Policy {
  readonly authority: { readonly default: Owner; readonly fields: Readonly<Record<string, Owner>> }
  readonly deletes: 'hold' | 'hard'
}

type SideName = 'source' | 'target'
type Values = Readonly<Record<string, string | null>>

/**
 * What one difference calls for. Pure. What no rule decides goes to a person, and rows of one name that cannot be told
 * apart are never written: only one of several identical copies may be deleted, where the pair allows deletes.
 *
 * A row in which both sides are right about something is written on the target first; the source's turn comes with the
 * next run, when only its fields still differ.
 */
export function resolve(difference: Difference, plan: PairPlan, policy: Policy): Decision {
  if (plan.source.multiset) return nameless(difference)
  if (difference.duplicated) return resolveDuplicated(difference, policy)
  switch (difference.kind) {
    case 'changed':
      return resolveChanged(difference, plan, policy)
    case 'missing':
      return resolveAlone(difference, plan, policy, 'source')
    case 'extra':
      return resolveAlone(difference, plan, policy, 'target')
  }
}

const ruleOf = (column: string, { authority }: Policy): { owner: Owner; rule: string } => {
  const named = authority.fields[column]
  return named
    ? { owner: named, rule: `authority of ${column}` }
    : { owner: authority.default, rule: 'default authority' }
}

const nameless = ({ kind }: Difference): Decision => ({
  action: 'review',
  on: kind === 'missing' ? 'target' : 'source',
  fields: [],
  values: {},
  reason: 'The table has no key by which a row could be written.',
})

function resolveDuplicated(difference: Difference, policy: Policy): Decision {
  const on = difference.kind === 'missing' ? 'source' : 'target'
  const owner = policy.authority.default
  const base = { on, fields: [], values: {} } as const
  const surplus =
    difference.copy &&
    ((difference.kind === 'extra' && owner === 'source') || (difference.kind === 'missing' && owner === 'target'))
  if (surplus && policy.deletes === 'hard') {
    return {
      ...base,
      action: 'delete',
      reason: `One of several identical rows that the ${owner} does not have as often.`,
    }
  }
  if (surplus) return { ...base, action: 'hold', reason: 'A surplus copy: deletes are held for this pair.' }
  return { ...base, action: 'review', reason: 'Several rows have this key, so that none can be written by name.' }
}

/** `stands`: the only side that has the row. */
function resolveAlone(difference: Difference, plan: PairPlan, policy: Policy, stands: SideName): Decision {
  const lacks = stands === 'source' ? 'target' : 'source'
  const owner = policy.authority.default
  if (owner === 'review') {
    return {
      action: 'review',
      on: lacks,
      fields: [],
      values: {},
      reason: `Only in the ${stands}; no side is right by rule.`,
    }
  }
  if (owner === stands) {
    const values = writable([...plan.key, ...plan.columns], lacks, difference[stands]!)
    return { action: 'insert', on: lacks, fields: [], values, reason: `The ${owner} is right, and has this row.` }
  }
  const action = policy.deletes === 'hard' ? 'delete' : 'hold'
  const reason =
    action === 'delete'
      ? `The ${owner} is right, and has no such row.`
      : `The ${owner} has no such row; deletes are held for this pair.`
  return { action, on: stands, fields: [], values: {}, reason }
}

/** The row by the written side's column names, without what that side computes itself. */
function writable(pairs: PairPlan['columns'], on: SideName, row: Values): Values {
  const written = pairs.filter((pair) => !pair[on].generated)
  return Object.fromEntries(written.map((pair) => [pair[on].name, row[pair.source.name] ?? null]))
}

function resolveChanged(difference: Difference, plan: PairPlan, policy: Policy): Decision {
  const differing = plan.columns.filter(({ source }) => difference.fields.includes(source.name))
  const decided = differing.map((pair): { pair: PairPlan['columns'][number]; field: FieldDecision } => {
    const { owner, rule } = ruleOf(pair.source.name, policy)
    const on = owner === 'source' ? 'target' : 'source'
    const computed = owner !== 'review' && pair[on].generated
    return {
      pair,
      field: computed
        ? { column: pair.source.name, winner: 'review', rule: `computed by the ${on} itself` }
        : { column: pair.source.name, winner: owner, rule },
    }
  })
  const fields = decided.map(({ field }) => field)
  const won = (winner: FieldDecision['winner']) => decided.filter(({ field }) => field.winner === winner)
  const names = (some: typeof decided) => some.map(({ field }) => field.column).join(', ')

  for (const owner of ['source', 'target'] as const) {
    const mine = won(owner)
    if (mine.length === 0) continue
    const on = owner === 'source' ? 'target' : 'source'
    const values = writable(
      mine.map(({ pair }) => pair),
      on,
      difference[owner]!,
    )
    const later = owner === 'source' ? won('target') : []
    const review = won('review')
    const reason = [
      `The ${owner} is right about ${names(mine)}.`,
      ...(later.length > 0
        ? [`The target is right about ${names(later)}: written to the source by the next run.`]
        : []),
      ...(review.length > 0 ? [`Left for a person: ${names(review)}.`] : []),
    ].join(' ')
    return { action: 'update', on, fields, values, reason }
  }
  const reason = `No rule decides ${names(decided)}.`
  return { action: 'review', on: 'target', fields, values: {}, reason }
}
