import { describe, expect, it } from 'vitest'
import { inLanes } from '../server/sides/lanes.ts'
import type { ApplyOutcome, Change } from '../server/sides/side.ts'

const change = (key: string, value: string): Change => ({ action: 'insert', key: [key], values: { value } })
const valueOf = (one: Change) => (one.action === 'delete' ? '' : one.values['value']!)
const applied: ApplyOutcome = { state: 'applied' }

describe('changes that are sent side by side', () => {
  it('are never more at a time than there are connections, and answer in their own order', async () => {
    let [going, most] = [0, 0]
    const changes = Array.from({ length: 9 }, (_, at) => change(`k${at}`, String(at)))
    const outcomes = await inLanes(3, changes, async (one): Promise<ApplyOutcome> => {
      most = Math.max(most, ++going)
      // The first of each three is the last to be done.
      for (let turns = 9 - (Number(valueOf(one)) % 3) * 3; turns > 0; turns--) await Promise.resolve()
      going -= 1
      return { state: 'failed', message: valueOf(one) }
    })
    expect(most).toBe(3)
    expect(outcomes.map((one) => typeof one === 'object' && 'message' in one && one.message)).toEqual(
      changes.map(valueOf),
    )
  })

  it('wait for each other where they are about rows of one key', async () => {
    const log: string[] = []
    const changes = [change('a', '1'), change('a', '2'), change('b', '3'), change('a', '4')]
    await inLanes(4, changes, async (one) => {
      log.push(`begin ${valueOf(one)}`)
      await Promise.resolve()
      log.push(`end ${valueOf(one)}`)
      return applied
    })
    expect(log.filter((line) => !line.endsWith('3'))).toEqual(
      ['1', '2', '4'].flatMap((value) => [`begin ${value}`, `end ${value}`]),
    )
    expect(log.indexOf('begin 3')).toBeLessThan(log.indexOf('end 1'))
  })

  it('are not sent any more once a connection was lost', async () => {
    const sent: string[] = []
    const outcomes = await inLanes(
      1,
      ['1', '2', '3', '4'].map((value) => change(value, value)),
      async (one): Promise<ApplyOutcome> => {
        sent.push(valueOf(one))
        if (valueOf(one) === '1') return { state: 'failed', message: 'refused' }
        return valueOf(one) === '2' ? { state: 'failed', message: 'gone', unsure: true } : applied
      },
    )
    expect(sent).toEqual(['1', '2'])
    const unsent = { state: 'failed', message: 'Not sent, because the connection was lost: gone' }
    expect(outcomes.slice(2)).toEqual([unsent, unsent])
    expect(outcomes[1]).toMatchObject({ unsure: true })
  })
})
