const tickMs = 1000

/** The server's time, ticking. Ages are told by the clock that stamped the data, not by this computer's. */
export class Clock {
  #here = $state(Date.now())
  #aheadMs = $state(0)

  /** Epoch milliseconds at the server. */
  get now() {
    return this.#here + this.#aheadMs
  }

  /** Epoch milliseconds by this computer, for what happened between it and the server. */
  get here() {
    return this.#here
  }

  /** Sets the clock by an answer that has just come. */
  set(serverNow: string) {
    this.#here = Date.now()
    this.#aheadMs = Date.parse(serverNow) - this.#here
  }

  start(): () => void {
    const timer = setInterval(() => (this.#here = Date.now()), tickMs)
    return () => clearInterval(timer)
  }
}
