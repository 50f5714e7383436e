export const hints = ['standing', 'run', 'alert', 'config'] as const
export type Hint = (typeof hints)[number]

/** A stream that the server refused is asked for again after this long. */
const reopenMs = 10_000

/**
 * What the server tells without being asked: that something of a kind has changed. It carries no facts; who listens
 * asks again. When it is broken the pages still poll, only slower.
 */
export class Stream {
  #open = $state(false)
  readonly #board = new EventTarget()

  get open() {
    return this.#open
  }

  /** Calls back on each hint of these kinds; returns how to stop. */
  on(kinds: readonly Hint[], listener: () => void): () => void {
    for (const kind of kinds) this.#board.addEventListener(kind, listener)
    return () => {
      for (const kind of kinds) this.#board.removeEventListener(kind, listener)
    }
  }

  start(): () => void {
    let source: EventSource
    let timer: ReturnType<typeof setTimeout> | undefined
    const open = () => {
      source = new EventSource('/api/v1/events')
      source.onopen = () => (this.#open = true)
      source.onerror = () => {
        this.#open = false
        // The browser tries again by itself after a broken line, but never after a refusal.
        if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, reopenMs)
      }
      for (const hint of hints) source.addEventListener(hint, () => this.#tell(hint))
    }
    open()

    // A tab that comes back to the front has slept: everything in it may be old.
    const wake = () => document.visibilityState === 'visible' && hints.forEach((hint) => this.#tell(hint))
    document.addEventListener('visibilitychange', wake)
    return () => {
      source.close()
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', wake)
    }
  }

  #tell(hint: Hint) {
    this.#board.dispatchEvent(new Event(hint))
  }
}
