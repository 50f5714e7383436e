import { describe, expect, it } from 'vitest'
import { judgeGuards, type GuardFacts } from '../server/reconcile/guard.ts'
import { pairSchema } from '../server/reconcile/pair.ts'
import { planPair } from '../server/reconcile/plan.ts'
import type { Difference } from '../server/reconcile/records.ts'
import { resolve, type Policy } from '../server/reconcile/resolve.ts'
import type { Column, Table } from '../server/sides/side.ts'

const column = (name: string, more: Partial<Column> = {}): Column => ({
  name,
  type: 'text',
  class: 'text',
  nullable: true,
  generated: false,
  identity: false,
  cast: 'text',
  wide: false,
  ...more,
})
const table = (connection: string, columns: readonly Column[]): Table => ({
  ref: { connection, schema: 'public', table: 't' },
  columns,
  uniqueKeys: [['id']],
  ordered: ['id'],
  scattered: [],
  engine: 'postgres',
  rowsEstimate: 10,
  triggers: [],
  cascades: [],
  mayWrite: { insert: true, update: true, delete: true },
})
const source = table('crm', [column('id'), column('email'), column('phone'), column('total')])
const target = table('billing', [
  column('id'),
  column('email_address'),
  column('phone'),
  column('total', { generated: true }),
])
const plan = planPair(source, target, { map: { email: 'email_address' }, exclude: [], where: {} }, 'native')

const row = (email: string, phone: string, total = '0') => ({ id: '1', email, phone, total })
const changed = (fields: readonly string[]): Difference => ({
  kind: 'changed',
  key: ['1'],
  source: row('s@x', '1', '5'),
  target: row('t@x', '2', '6'),
  fields,
  duplicated: false,
  copy: false,
})
const missing: Difference = {
  kind: 'missing',
  key: ['1'],
  source: row('s@x', '1'),
  fields: [],
  duplicated: false,
  copy: false,
}
const extra: Difference = {
  kind: 'extra',
  key: ['1'],
  target: row('t@x', '2'),
  fields: [],
  duplicated: false,
  copy: false,
}

const policy = (authority: Partial<Policy['authority']> = {}, deletes: Policy['deletes'] = 'hold'): Policy => ({
  authority: { default: 'source', fields: {}, ...authority },
  deletes,
})
const called = (difference: Difference, asked: Policy) => {
  const { action, on, values } = resolve(difference, plan, asked)
  return { action, on, values }
}

describe('a row that both sides have', () => {
  it('is written where the other side is right, by that side’s names', () => {
    expect(called(changed(['email', 'phone']), policy())).toEqual({
      action: 'update',
      on: 'target',
      values: { email_address: 's@x', phone: '1' },
    })
    expect(called(changed(['email', 'phone']), policy({ default: 'target' }))).toEqual({
      action: 'update',
      on: 'source',
      values: { email: 't@x', phone: '2' },
    })
  })

  it('keeps each field with its own authority, and leaves to a person what no rule decides', () => {
    const mixed = policy({ default: 'review', fields: { email: 'source' } })
    const decision = resolve(changed(['email', 'phone']), plan, mixed)
    expect(decision).toEqual({
      action: 'update',
      on: 'target',
      values: { email_address: 's@x' },
      fields: [
        { column: 'email', winner: 'source', rule: 'authority of email' },
        { column: 'phone', winner: 'review', rule: 'default authority' },
      ],
      reason: 'The source is right about email. Left for a person: phone.',
    })
    expect(called(changed(['phone']), mixed)).toEqual({ action: 'review', on: 'target', values: {} })
  })

  it('never writes what the written side computes itself', () => {
    expect(called(changed(['phone', 'total']), policy()).values).toEqual({ phone: '1' })
    expect(resolve(changed(['total']), plan, policy())).toMatchObject({
      action: 'review',
      fields: [{ winner: 'review', rule: 'computed by the target itself' }],
    })
  })
})

describe('a row that one side has', () => {
  const row1 = { id: '1', email_address: 's@x', phone: '1' }
  it.each([
    ['missing', policy(), { action: 'insert', on: 'target', values: row1 }],
    ['missing', policy({ default: 'target' }), { action: 'hold', on: 'source', values: {} }],
    ['missing', policy({ default: 'target' }, 'hard'), { action: 'delete', on: 'source', values: {} }],
    ['missing', policy({ default: 'review' }, 'hard'), { action: 'review', on: 'target', values: {} }],
    ['extra', policy(), { action: 'hold', on: 'target', values: {} }],
    ['extra', policy({}, 'hard'), { action: 'delete', on: 'target', values: {} }],
    ['extra', policy({ default: 'review' }, 'hard'), { action: 'review', on: 'source', values: {} }],
    ['extra', policy({ default: 'target' }), { action: 'insert', on: 'source', values: row('t@x', '2') }],
  ] as const)('%s under %j calls for %j', (kind, asked, expected) => {
    expect(called(kind === 'missing' ? missing : extra, asked)).toEqual(expected)
  })
})

describe('rows that share their key', () => {
  it('are left to a person, but for one of several identical copies where deletes are allowed', () => {
    const twice = (difference: Difference, copy: boolean) => ({ ...difference, duplicated: true, copy })
    expect(called(twice(extra, true), policy({}, 'hard'))).toEqual({ action: 'delete', on: 'target', values: {} })
    expect(called(twice(extra, true), policy())).toEqual({ action: 'hold', on: 'target', values: {} })
    expect(called(twice(extra, false), policy({}, 'hard')).action).toBe('review')
    expect(called(twice(missing, true), policy({}, 'hard')).action).toBe('review')
    expect(called(twice(changed(['email']), true), policy({}, 'hard')).action).toBe('review')
  })
})

describe('the guards before the first write', () => {
  const facts = (more: Partial<GuardFacts> = {}): GuardFacts => ({
    corrections: { mode: 'auto', via: 'sql', limit: { rows: 10, ratio: 0.1, deletes: 1 } },
    unknownSlices: 0,
    slices: 4,
    rows: 1_000,
    differences: 3,
    kept: 3,
    decisions: [
      { on: 'target', action: 'update', rows: 2 },
      { on: 'target', action: 'delete', rows: 1 },
      { on: 'target', action: 'hold', rows: 500 },
    ],
    tables: { source, target },
    plan,
    ...more,
  })
  const failing = (more: Partial<GuardFacts>) =>
    judgeGuards(facts(more))
      .filter(({ state }) => state !== 'ok')
      .map(({ name, state, detail }) => `${state} ${name}: ${detail}`)

  it('let a small and complete run pass', () => {
    expect(failing({})).toEqual([])
  })

  it.each([
    [
      'corrections are off',
      { corrections: { ...facts().corrections, mode: 'off' as const } },
      ['fail mode: corrections are off'],
    ],
    ['a slice is unknown', { unknownSlices: 1 }, ['fail complete: 1 of 4 slices could not be read']],
    ['not all was kept', { differences: 4_000 }, ['fail kept: 3 of 4,000 differences kept']],
    ['too many rows', { decisions: [{ on: 'target', action: 'insert', rows: 11 } as const] }, ['fail rows: 11 of 10']],
    ['too large a share', { rows: 20 }, ['fail ratio: 15 % of 10 %']],
    [
      'too many deletes',
      { decisions: [{ on: 'source', action: 'delete', rows: 2 } as const] },
      ['fail deletes: 2 of 1'],
    ],
    ['the lag is bad', { lag: { healthy: false, detail: '3 h behind' } }, ['fail lag: 3 h behind']],
    [
      'a delete would reach other tables',
      { tables: { source, target: { ...target, cascades: ['orders by orders_fk'] } } },
      ['fail cascades: deleting in the target also changes orders by orders_fk'],
    ],
    [
      'the table has triggers and the login may not delete',
      {
        tables: {
          source,
          target: { ...target, triggers: ['audit'], mayWrite: { insert: true, update: true, delete: false } },
        },
      },
      ['fail privilege: the login of the target may not delete', 'warn triggers: the target fires audit'],
    ],
  ])('say why when %s', (_, more, expected) => {
    expect(failing(more)).toEqual(expected)
  })

  it('warn of a sequence that inserted rows run ahead of, and only then', () => {
    const numbered = table('billing', [
      column('id', { identity: true }),
      column('email'),
      column('nr', { identity: true }),
    ])
    const its = planPair(source, numbered, { map: {}, exclude: [], where: {} }, 'native')
    const inserts = [{ on: 'target', action: 'insert', rows: 2 } as const]
    expect(failing({ plan: its, decisions: inserts })).toEqual([
      "warn identity: rows are inserted with their own id: the target's sequence is not advanced, see docs/corrections.md",
    ])
    expect(failing({ plan: its })).toEqual([])
    const mysql = { ...numbered, engine: 'mysql' } as const
    expect(failing({ plan: its, decisions: inserts, tables: { source, target: mysql } })).toEqual([])
    expect(failing({ plan: its, decisions: [{ ...inserts[0]!, on: 'source' }] })).toEqual([])
  })
})

describe('a pair in the config', () => {
  const least = { id: 'p', source: { table: 'a.t' }, target: { table: 'b.t' }, key: ['id'] }

  it('holds deletes, proposes, and limits what a run may write, unless told otherwise', () => {
    expect(pairSchema.parse(least)).toMatchObject({
      deletes: 'hold',
      authority: { default: 'source', conflict: 'review' },
      corrections: { mode: 'propose', via: 'sql', limit: { rows: 1_000, ratio: 0.005, deletes: 0 } },
      settle: { wait: 2_000, tries: 3 },
      keep: 10_000,
    })
  })

  it('says what is not there yet, and what it does not know', () => {
    const soft = pairSchema.safeParse({ ...least, deletes: 'soft' })
    expect(soft.error?.issues[0]?.message).toBe('write hold (rows are never deleted) or hard (rows may be deleted)')
    expect(pairSchema.safeParse({ ...least, delets: 'hold' }).success).toBe(false)
  })
})
