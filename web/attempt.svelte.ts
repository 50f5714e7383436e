/** Something a person asked for: whether it is under way, and why it was refused. */
export class Attempt {
  #pending = $state(false)
  #fault = $state.raw<Error>()

  get pending() {
    return this.#pending
  }
  get fault() {
    return this.#fault
  }

  /** Runs it unless one is under way. Returns undefined when it failed; the reason is then in `fault`. */
  async run<T>(ask: () => Promise<T>): Promise<T | undefined> {
    if (this.#pending) return undefined
    this.#pending = true
    this.#fault = undefined
    try {
      return await ask()
    } catch (cause) {
      this.#fault = cause instanceof Error ? cause : new Error(String(cause))
      return undefined
    } finally {
      this.#pending = false
    }
  }
}
