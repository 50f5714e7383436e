import { Counter, Gauge, type Registry } from 'prom-client'

export interface SheetLimits {
  /** Series of one answer, over all families. */
  readonly seriesMax: number
  /** Different values a label may take within one family. */
  readonly valuesMax: number
  /** Characters of a label's value. */
  readonly lengthMax: number
}

export const sheetLimits: SheetLimits = { seriesMax: 50_000, valuesMax: 5_000, lengthMax: 128 }

type Labels = Readonly<Record<string, string>>
export type Write = (labels: Labels, value: number | undefined) => void

/**
 * The families of one answer at /metrics. Values that are not known are not written: an absent series is silence,
 * while 0, -1 and NaN are claims. What is beyond a limit is left out, the oldest kept, and counted by family.
 */
export class Sheet {
  readonly #registry: Registry
  readonly #limits: SheetLimits
  readonly #names = new Set<string>()
  /** How many series of each family were left out. */
  readonly dropped = new Map<string, number>()
  series = 0

  constructor(registry: Registry, limits: SheetLimits = sheetLimits) {
    this.#registry = registry
    this.#limits = limits
  }

  gauge(name: string, help: string, ...labelNames: string[]): Write {
    return this.#family(name, labelNames, () => {
      const gauge = new Gauge({ name, help, labelNames, registers: [this.#registry] })
      return (labels, value) => gauge.set(labels, value)
    })
  }

  /** A total that is kept elsewhere; only its newest value is told. The name ends in `_total`. */
  counter(name: string, help: string, ...labelNames: string[]): Write {
    return this.#family(name, labelNames, () => {
      const counter = new Counter({ name, help, labelNames, registers: [this.#registry] })
      return (labels, value) => counter.inc(labels, value)
    })
  }

  has(name: string): boolean {
    return this.#names.has(name)
  }

  #family(name: string, labelNames: readonly string[], open: () => (labels: Labels, value: number) => void): Write {
    this.#names.add(name)
    const values = new Map(labelNames.map((label) => [label, new Set<string>()]))
    let write: ReturnType<typeof open> | undefined
    return (labels, value) => {
      // prom-client exports an unlabelled family as 0 from the moment it exists, so it is made with its first value.
      if (value === undefined || !Number.isFinite(value)) return
      const cut = this.#cut(labels)
      if (this.series >= this.#limits.seriesMax || !this.#admit(values, cut)) {
        this.dropped.set(name, (this.dropped.get(name) ?? 0) + 1)
        return
      }
      this.series += 1
      write ??= open()
      write(cut, value)
    }
  }

  #cut(labels: Labels): Labels {
    const { lengthMax } = this.#limits
    for (const label in labels) {
      if (labels[label]!.length <= lengthMax) continue
      return Object.fromEntries(Object.entries(labels).map(([name, text]) => [name, text.slice(0, lengthMax)]))
    }
    return labels
  }

  #admit(values: ReadonlyMap<string, Set<string>>, labels: Labels): boolean {
    for (const [label, seen] of values) {
      const text = labels[label] ?? ''
      if (!seen.has(text) && seen.size >= this.#limits.valuesMax) return false
    }
    for (const [label, seen] of values) seen.add(labels[label] ?? '')
    return true
  }
}
