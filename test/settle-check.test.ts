import { describe, expect, it } from 'vitest'
import { probes } from '../checks/registry.ts'
import { lagVerbs, pairsOf } from '../server/compose/pairs.ts'
import { loadConfig } from '../server/config/load.ts'
import { assemble, type HopStanding } from '../server/evaluate/standing.ts'

const lag = (table: string, more = {}) => ({
  probe: 'table-lag',
  source: `crm.${table}`,
  target: `billing.${table}`,
  ...more,
})
const outbox = { probe: 'outbox', table: 'crm.outbox', created: 'made_at', processed: 'sent_at' }

/** The pair of the customers in a pipeline with these checks. */
function pairWith(checks: readonly object[], settle = {}) {
  const pair = { id: 'customers', source: { table: 'crm.customers' }, target: { table: 'billing.customers' }, settle }
  const things = { title: 'Things', pattern: 'batch', tier: 'reference', owner: 'team', checks, pairs: [pair] }
  const url = (name: string) => ({ url: `postgres://tallyman@127.0.0.1/${name}` })
  const config = { connections: { crm: url('crm'), billing: url('billing') }, pipelines: { things } }
  const loaded = loadConfig(JSON.stringify(config), { file: 'tallyman.yaml', env: {}, probes })
  if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems))
  return pairsOf(loaded.config)[0]!
}

describe('the check that a pair settles by', () => {
  it.each([
    ['the one that watches its tables', [outbox, lag('orders'), lag('customers')], {}, 'table-lag-2'],
    [
      'the one it names, whatever else watches them',
      [lag('customers'), lag('orders')],
      { check: 'table-lag-2' },
      'table-lag-2',
    ],
    ['none in particular where two watch them', [lag('customers'), lag('customers', { column: 'id' })], {}, undefined],
    ['none in particular where it is paused', [lag('customers', { paused: true })], {}, undefined],
    ['none in particular where others are watched', [outbox, lag('orders')], {}, undefined],
    [
      'none that measures no position',
      [{ ...lag('customers'), probe: 'completeness', column: 'created_at' }],
      {},
      undefined,
    ],
  ])('is %s', (_, checks, settle, check) => {
    expect(pairWith(checks, settle).lagCheck).toBe(check && `things.${check}`)
  })
})

describe('a pair that settles', () => {
  const now = Date.now()
  const hop = (check: string, behindMs: number, name = 'end_to_end', pipeline = 'things'): HopStanding => ({
    ...{ pipeline, check: `${pipeline}.${check}`, hop: name, at: new Date(now), motion: 'ok' },
    watermark: new Date(now - behindMs),
  })
  const settledBy = async (lagCheck: string | undefined, hops: readonly HopStanding[]) => {
    const standing = () => assemble(new Date(now), new Map(), hops, [], [])
    const { settled } = lagVerbs({ pipeline: 'things', ...(lagCheck ? { lagCheck } : {}) }, standing)
    return settled?.(performance.now() - (Date.now() - now) - 10_000)
  }

  it('waits for its own check, not for another table that is behind', async () => {
    const hops = [hop('own', 1_000), hop('slow', 60_000)]
    expect(await settledBy('things.own', hops)).toBe(true)
    expect(await settledBy('things.slow', hops)).toBe(false)
  })

  it('waits for every leg its own check measures', async () => {
    expect(await settledBy('things.own', [hop('own', 1_000), hop('own', 60_000, 'second')])).toBe(false)
  })

  it('waits for all of its pipeline where it has no check of its own, or none that has answered', async () => {
    const hops = [hop('fast', 1_000), hop('slow', 60_000), hop('fast', 1_000, 'end_to_end', 'others')]
    expect(await settledBy(undefined, hops)).toBe(false)
    expect(await settledBy('things.own', hops)).toBe(false)
    expect(await settledBy(undefined, [hop('leg', 60_000, 'first'), hop('whole', 1_000)])).toBe(true)
  })

  it('asks nobody where nobody measures its pipeline', async () => {
    expect(await settledBy('things.own', [hop('own', 1_000, 'end_to_end', 'others')])).toBeUndefined()
  })
})
