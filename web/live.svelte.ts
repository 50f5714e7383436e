import type { Hint } from './stream.svelte.ts'

/** Hints come in bursts: an answer is asked for again at most this often. */
const restMs = 1500

interface Hints {
  on(kinds: readonly Hint[], listener: () => void): () => void
}

export interface LiveOptions {
  /** Asked again after this long without a hint. */
  readonly everyMs: number | (() => number)
  readonly kinds: readonly Hint[]
}

/** A view of one API resource, refreshed while somebody looks at it: on hints, and slowly without them. */
export class Live<T> {
  // Raw: answers are replaced whole, never edited, so there is nothing to make deeply reactive.
  #answer = $state.raw<T>()
  #fault = $state.raw<Error>()
  #answeredAt = $state.raw<number>()
  #failedAt = $state.raw<number>()
  #nextAt = $state.raw<number>()

  readonly #load: (signal: AbortSignal) => Promise<T>
  readonly #hints: Hints
  readonly #options: LiveOptions
  #wake: () => void = () => {}
  #stale = false

  constructor(load: (signal: AbortSignal) => Promise<T>, hints: Hints, options: LiveOptions) {
    this.#load = load
    this.#hints = hints
    this.#options = options
  }

  /** The last good answer. It outlives a failure: old data with a warning beats a blank page. */
  get answer() {
    return this.#answer
  }
  get fault() {
    return this.#fault
  }
  /** Epoch milliseconds by this computer, like all instants here. */
  get answeredAt() {
    return this.#answeredAt
  }
  get failedAt() {
    return this.#failedAt
  }
  /** When it will be asked again. */
  get nextAt() {
    return this.#nextAt
  }

  /** Starts refreshing, and returns how to stop: `$effect(() => live.start())`. */
  start(): () => void {
    const stop = new AbortController()
    const off = this.#hints.on(this.#options.kinds, () => this.refresh())
    void this.#refreshUntil(stop.signal)
    return () => {
      stop.abort()
      off()
      this.#wake()
    }
  }

  /** Asks again now, or as soon as the answer under way is here. */
  refresh() {
    this.#stale = true
    this.#wake()
  }

  async #refreshUntil(signal: AbortSignal) {
    while (!signal.aborted) {
      this.#stale = false
      try {
        const answer = await this.#load(signal)
        if (signal.aborted) return
        this.#answer = answer
        this.#answeredAt = Date.now()
        this.#fault = undefined
      } catch (cause) {
        if (signal.aborted) return
        this.#fault = cause instanceof Error ? cause : new Error(String(cause))
        this.#failedAt = Date.now()
      }
      // The wait follows the answer, so a slow server is never asked twice at once.
      await this.#wait()
    }
  }

  async #wait() {
    const { everyMs } = this.#options
    const ms = typeof everyMs === 'number' ? everyMs : everyMs()
    this.#nextAt = Date.now() + ms
    const rest = new Promise((resolve) => setTimeout(resolve, Math.min(restMs, ms)))
    if (!this.#stale) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
      this.#wake = () => {}
    }
    await rest
  }
}
