import type { Table } from '../sides/side.ts'
import type { DecisionCount } from './journal.ts'
import type { PairSpec } from './pair.ts'
import type { PairPlan } from './plan.ts'
import type { Guard } from './records.ts'

/** All that is known when a run has compared everything and written nothing. */
export interface GuardFacts {
  readonly corrections: PairSpec['corrections']
  readonly unknownSlices: number
  readonly slices: number
  /** Rows on either side. */
  readonly rows: number
  readonly differences: number
  readonly kept: number
  readonly decisions: readonly DecisionCount[]
  readonly tables: { readonly source: Table; readonly target: Table }
  /** What is compared, and so what is written. */
  readonly plan: Pick<PairPlan, 'key' | 'columns'>
  /** Absent when nobody measures the pipeline's lag. */
  readonly lag?: { readonly healthy: boolean; readonly detail: string }
}

const writes = ['insert', 'update', 'delete'] as const
const count = (value: number) => value.toLocaleString('en-GB')
const percent = (ratio: number) => `${Number((ratio * 100).toPrecision(3))} %`

/** Everything that must hold before the first write; one `fail` and nothing is written. Pure. */
export function judgeGuards(facts: GuardFacts): Guard[] {
  const { corrections, rows, decisions } = facts
  const calls = (action?: string, on?: string) =>
    decisions
      .filter((one) => writes.some((write) => write === one.action))
      .filter((one) => (action ?? one.action) === one.action && (on ?? one.on) === one.on)
      .reduce((sum, one) => sum + one.rows, 0)
  const within = (name: string, ok: boolean, detail: string): Guard => ({ name, state: ok ? 'ok' : 'fail', detail })

  const ratio = rows === 0 ? (calls() === 0 ? 0 : 1) : calls() / rows
  return [
    within('mode', corrections.mode !== 'off', `corrections are ${corrections.mode}`),
    within(
      'complete',
      facts.unknownSlices === 0,
      facts.unknownSlices === 0
        ? 'every slice was read'
        : `${facts.unknownSlices} of ${facts.slices} slices could not be read`,
    ),
    within(
      'kept',
      facts.kept >= facts.differences,
      `${count(facts.kept)} of ${count(facts.differences)} differences kept`,
    ),
    within('rows', calls() <= corrections.limit.rows, `${count(calls())} of ${count(corrections.limit.rows)}`),
    within('ratio', ratio <= corrections.limit.ratio, `${percent(ratio)} of ${percent(corrections.limit.ratio)}`),
    within(
      'deletes',
      calls('delete') <= corrections.limit.deletes,
      `${count(calls('delete'))} of ${count(corrections.limit.deletes)}`,
    ),
    ...(['source', 'target'] as const)
      .filter((side) => calls(undefined, side) > 0)
      .flatMap((side) => [
        ...written(side, facts.tables[side], (action) => calls(action, side)),
        ...(calls('insert', side) > 0 ? numbered(side, facts) : []),
      ]),
    ...(facts.lag ? [within('lag', facts.lag.healthy, facts.lag.detail)] : []),
  ]
}

/** The guards of one table that would be written. */
function written(side: 'source' | 'target', table: Table, calls: (action: string) => number): Guard[] {
  const refused = writes.filter((action) => calls(action) > 0 && !table.mayWrite[action])
  const cascades = table.cascades.join(', ')
  return [
    refused.length === 0
      ? { name: 'privilege', state: 'ok', detail: `the login may write the ${side}` }
      : { name: 'privilege', state: 'fail', detail: `the login of the ${side} may not ${refused.join(', ')}` },
    ...(table.triggers.length > 0
      ? [{ name: 'triggers', state: 'warn' as const, detail: `the ${side} fires ${table.triggers.join(', ')}` }]
      : []),
    ...(table.cascades.length > 0 && calls('delete') > 0
      ? [{ name: 'cascades', state: 'fail' as const, detail: `deleting in the ${side} also changes ${cascades}` }]
      : table.cascades.length > 0
        ? [{ name: 'cascades', state: 'warn' as const, detail: `other tables follow the ${side}: ${cascades}` }]
        : []),
  ]
}

/** Rows that come with their numbers leave the sequence behind those numbers where it was. */
function numbered(side: 'source' | 'target', { plan: { key, columns }, tables }: GuardFacts): Guard[] {
  // An AUTO_INCREMENT follows the largest number by itself.
  if (tables[side].engine === 'mysql') return []
  const names = [...key, ...columns].filter((pair) => pair[side].identity).map((pair) => pair[side].name)
  if (names.length === 0) return []
  const detail = `rows are inserted with their own ${names.join(', ')}: the ${side}'s sequence is not advanced, see docs/corrections.md`
  return [{ name: 'identity', state: 'warn', detail }]
}

export const blockedBy = (guards: readonly Guard[]): string | undefined => {
  const failed = guards.filter(({ state }) => state === 'fail')
  return failed.length === 0 ? undefined : failed.map(({ name, detail }) => `${name}: ${detail}`).join('; ')
}
