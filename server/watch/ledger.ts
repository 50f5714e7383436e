import type { AlertRecord } from '../evaluate/alert.ts'
import { thaw } from '../evaluate/hop-state.ts'
import type { Standing } from '../evaluate/standing.ts'
import type { Check } from './check.ts'
import { blank, draw } from './draw.ts'
import type { Remembered } from './steps.ts'
import type { CheckMemory } from './turn.ts'

type Listener = (pipelines: readonly string[]) => void

/** What every check carries from turn to turn, and the standing that is drawn from it. Knows no store and no timer. */
export interface Ledger {
  check(id: string): Check | undefined
  ids(): readonly string[]
  memoryOf(check: Check): CheckMemory
  /** Keeps what a turn left behind, unless the config has let go of the check while it ran. */
  keep(id: string, after: CheckMemory): void
  /** Counts a due time on which the check was not run. */
  skip(id: string, reason: string): void
  /** Takes what the store remembers of these checks for what is so. */
  learn(ids: readonly string[], remembered: Remembered): void
  /** Swaps the checks; what is gone is forgotten, and the open alerts it leaves are returned. */
  swap(next: readonly Check[]): readonly AlertRecord[]
  acknowledge(incident: string, by: string | undefined): void
  standing(): Standing
  subscribe(listener: Listener): () => void
}

export interface OpenLedger {
  now(): Date
  nextAt(id: string): Date | undefined
}

export function openLedger({ now, nextAt }: OpenLedger): Ledger {
  let checks: ReadonlyMap<string, Check> = new Map()
  const memories = new Map<string, CheckMemory>()
  const acknowledged = new Map<string, string>()
  const listeners = new Set<Listener>()
  /** Drawn when it is asked for, and kept until something changes. */
  let drawn: Standing | undefined

  const memoryOf = (check: Check) => memories.get(check.id) ?? blank(check)
  const tell = (touched: Iterable<Check>) => {
    drawn = undefined
    const pipelines = [...new Set([...touched].map(({ pipeline }) => pipeline))]
    if (pipelines.length > 0) for (const listener of listeners) listener(pipelines)
  }

  return {
    check: (id) => checks.get(id),
    ids: () => [...checks.keys()],
    memoryOf,
    keep(id, after) {
      const check = checks.get(id)
      if (!check) return
      // What was left out while it ran has been counted meanwhile.
      const { skipped } = memoryOf(check).record
      memories.set(id, { ...after, record: { ...after.record, skipped } })
      tell([check])
    },
    skip(id, reason) {
      const check = checks.get(id)
      if (!check) return
      const memory = memoryOf(check)
      const skipped = { ...memory.record.skipped, [reason]: (memory.record.skipped[reason] ?? 0) + 1 }
      memories.set(id, { ...memory, record: { ...memory.record, skipped } })
      drawn = undefined
    },
    learn(ids, remembered) {
      const known = ids.flatMap((id) => checks.get(id) ?? [])
      for (const check of known) memories.set(check.id, recalled(memoryOf(check), check, remembered))
      for (const { incident, acknowledgedBy } of remembered.alerts) {
        if (acknowledgedBy !== undefined) acknowledged.set(incident, acknowledgedBy)
      }
      tell(known)
    },
    swap(next) {
      const touched = [...checks.values(), ...next]
      checks = new Map(next.map((check) => [check.id, check]))
      const gone = [...memories].filter(([id]) => !checks.has(id))
      for (const [id] of gone) memories.delete(id)
      tell(touched)
      return gone.flatMap(([, { alerts }]) => [...alerts.values()])
    },
    acknowledge(incident, by) {
      if (by === undefined) acknowledged.delete(incident)
      else acknowledged.set(incident, by)
      tell([...checks.values()].filter(({ id }) => holds(memories.get(id), incident)))
    },
    standing: () => (drawn ??= draw(now(), checks, memories, acknowledged, nextAt)),
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

function recalled(before: CheckMemory, { id, pipeline, probe }: Check, remembered: Remembered): CheckMemory {
  const record = remembered.checks.find((each) => each.id === id) ?? before.record
  const hops = remembered.hops.flatMap(({ check, hop, state }) => {
    const thawed = check === id ? thaw(state) : undefined
    return thawed ? [[hop, { ...thawed, flow: {} }] as const] : []
  })
  const alerts = remembered.alerts.filter(({ check }) => check === id)
  return {
    // Pipeline and probe are the config's to say; the record may be from before an edit.
    record: { ...record, pipeline, probe },
    hops: new Map(hops),
    alerts: new Map(alerts.map((alert) => [alert.rule, alert])),
  }
}

const holds = (memory: CheckMemory | undefined, incident: string) =>
  [...(memory?.alerts.values() ?? [])].some((alert) => alert.incident === incident)
