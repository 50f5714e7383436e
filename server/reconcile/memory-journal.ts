import type { AuditEntry, Checkpoint, Correction, Journal, Judged, Planned } from './journal.ts'
import type { CorrectionState, Decision, Guard, SliceResult } from './records.ts'

export interface MemoryJournal extends Journal {
  /** What was kept, in the order of the ids. */
  kept(): readonly Judged[]
  audit(): readonly AuditEntry[]
  judgedGuards(): readonly Guard[]
}

const writes: readonly Decision['action'][] = ['insert', 'update', 'delete']

/** A journal that lasts as long as the process: for runs without a store, and for tests. */
export function memoryJournal(run: string): MemoryJournal {
  let planned: Planned | undefined
  let judged: readonly Guard[] = []
  let compared = false
  let spentMs = 0
  const slices = new Map<number, SliceResult>()
  const keptOf = new Map<number, readonly Judged[]>()
  const corrections = new Map<string, Correction>()
  const audit: AuditEntry[] = []
  const kept = () => [...keptOf.values()].flat().toSorted((one, other) => (one.id < other.id ? -1 : 1))
  const add = (ordinal: number, some: readonly Judged[]) =>
    void keptOf.set(ordinal, [...(keptOf.get(ordinal) ?? []), ...some])

  return {
    run,
    kept,
    audit: () => audit,
    judgedGuards: () => judged,
    async recall(): Promise<Checkpoint | undefined> {
      if (!planned) return undefined
      const begun = [...keptOf.keys()].filter((ordinal) => !slices.has(ordinal))
      const told = [...keptOf].filter(([ordinal]) => slices.has(ordinal)).flatMap(([, some]) => some)
      return { planned, slices: [...slices.values()], kept: told.length, begun, readMs: spentMs, compared }
    },
    async plan(told) {
      planned = told
    },
    async keep(ordinal, some) {
      add(ordinal, some)
    },
    async slice(result, some, readMs) {
      spentMs = Math.max(spentMs, readMs)
      slices.set(result.ordinal, result)
      if (result.state === 'unknown') keptOf.delete(result.ordinal)
      else add(result.ordinal, some)
    },
    async forget(ordinals) {
      for (const ordinal of ordinals) {
        slices.delete(ordinal)
        keptOf.delete(ordinal)
      }
    },
    async guards(told) {
      judged = told
    },
    async decisions() {
      const counts = new Map<string, { on: Decision['on']; action: Decision['action']; rows: number }>()
      for (const { decision } of kept()) {
        const { on, action } = decision
        const before = counts.get(`${on} ${action}`)?.rows ?? 0
        counts.set(`${on} ${action}`, { on, action, rows: before + 1 })
      }
      return [...counts.values()]
    },
    async open(state, by) {
      if (compared) return corrections.size
      compared = true
      for (const one of kept()) {
        if (!writes.includes(one.decision.action)) continue
        corrections.set(one.id, { ...one, state, decidedBy: state === 'approved' ? by : null })
      }
      return corrections.size
    },
    async corrections(state, action, rowsMax, after = '') {
      return [...corrections.values()]
        .filter((one) => one.state === state && one.decision.action === action && one.id > after)
        .slice(0, rowsMax)
    },
    async advance(steps) {
      const moved = new Set<string>()
      for (const { id, from, to, audit: entry } of steps) {
        const correction = corrections.get(id)
        if (correction?.state !== from) continue
        corrections.set(id, { ...correction, state: to })
        audit.push(entry)
        moved.add(id)
      }
      return moved
    },
    async tally() {
      const counts: Partial<Record<CorrectionState, number>> = {}
      for (const { state } of corrections.values()) counts[state] = (counts[state] ?? 0) + 1
      return counts
    },
  }
}
