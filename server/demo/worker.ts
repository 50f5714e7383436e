import { change, correctPhone, mend, ratesPerSecond } from './change.ts'
import type { ChangeName, Moment } from './change.ts'
import { flawsAt } from './flaw.ts'
import { flowNames } from './flow.ts'
import { importEveryMs, importPrices } from './import.ts'
import type { Random } from './random.ts'
import type { Databases } from './seed.ts'
import { sweep, sweepEveryMs, vacuum, vacuumEveryMs } from './sweep.ts'
import { drain } from './sync.ts'

/** What the consumer of orders manages; three come in. */
const ordersPerSecond = { throttled: 1, usual: 10 }
const phonesPerSecond = 0.3

/** The working life of the demo: people changing things, and the worker carrying them over. */
export interface Worker {
  /** Does what is due by `at`. Never two at once. */
  turn(at: Date): Promise<void>
}

/** Everything is done in turns, whose times come from outside: a fast clock makes a fast demo. */
export function demoWorker(databases: Databases, random: Random, startedAt: Date): Worker {
  const due = cadence()
  const turns = new Map<ChangeName, number>()

  return {
    async turn(at) {
      const elapsedMs = at.getTime() - startedAt.getTime()
      const flaws = flawsAt(elapsedMs)
      const shift = { ...databases, random, at, flaws }

      for (const name of Object.keys(ratesPerSecond) as ChangeName[]) {
        const times = due.perSecond(`change ${name}`, ratesPerSecond[name], elapsedMs)
        for (let time = 0; time < times; time++) await once(name, shift, turns)
      }
      const phones = due.perSecond('phones', phonesPerSecond, elapsedMs)
      if (flaws.has('phones-corrected')) for (let time = 0; time < phones; time++) await correctPhone(shift)
      if (flaws.has('mended')) await mend(shift)

      const ordersMax = due.perSecond(
        'orders',
        ordersPerSecond[flaws.has('throttled') ? 'throttled' : 'usual'],
        elapsedMs,
      )
      for (const name of flowNames) {
        const rowsMax = name === 'orders' ? ordersMax : Number.MAX_SAFE_INTEGER
        if (rowsMax > 0) await drain(name, shift, rowsMax)
      }
      if (due.every('import', importEveryMs, elapsedMs)) await importPrices(databases, at)
      if (due.every('sweep', sweepEveryMs, elapsedMs)) await sweep(databases, at)
      if (due.every('vacuum', vacuumEveryMs, elapsedMs)) await vacuum(databases)
    },
  }
}

async function once(name: ChangeName, shift: Omit<Moment, 'turn'>, turns: Map<ChangeName, number>): Promise<void> {
  const turn = turns.get(name) ?? 0
  turns.set(name, turn + 1)
  await change[name]({ ...shift, turn })
}

/** After a pause this much is caught up at most, so that a sleeping laptop does not wake to a flood. */
const catchUpMsMax = 5_000

function cadence() {
  const last = new Map<string, number>()
  return {
    /** How many times something has come due since the last question, at a rate a second. */
    perSecond(name: string, rate: number, elapsedMs: number): number {
      const before = Math.max(last.get(name) ?? 0, elapsedMs - catchUpMsMax)
      last.set(name, elapsedMs)
      return Math.floor((elapsedMs / 1_000) * rate) - Math.floor((before / 1_000) * rate)
    },
    /** Whether a period has ended since the last question. */
    every(name: string, periodMs: number, elapsedMs: number): boolean {
      const before = last.get(name) ?? 0
      last.set(name, elapsedMs)
      return Math.floor(elapsedMs / periodMs) > Math.floor(before / periodMs)
    },
  }
}
