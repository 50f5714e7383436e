// Who may speak to the one session of an embedded database, when several connections share it.
// Plain JavaScript, like the worker thread it runs in.

const sync = new Uint8Array([0x53, 0, 0, 0, 4])
const typeOf = (message) => String.fromCharCode(message[0])

/** A statement is over with Sync, a simple query, or the end of a connection; a start-up message begins with its length. */
const endsTurn = (message) => ['S', 'Q', 'X', '\0'].includes(typeOf(message))

/**
 * Lets one connection at a time speak, from its first message to the end of its statement or transaction.
 *
 * The queue of pglite-socket takes turns message by message: the Bind of one connection then meets the unnamed
 * statement of another, and an Execute can run somebody else's portal and answer with their rows.
 */
export class TurnQueue {
  #db
  #waiting = []
  /** The connection whose turn it is, until its statement and transaction are over. */
  #holder
  #busy = false

  constructor(db) {
    this.#db = db
  }

  /** Runs one protocol message; resolves to the number of bytes answered. */
  enqueue(handlerId, message, onData) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ handlerId, message, onData, resolve, reject })
      void this.#work()
    })
  }

  getQueueLength() {
    return this.#waiting.length
  }

  /** Called when a connection has gone: what it still wanted is dropped. */
  clearQueueForHandler(handlerId) {
    for (const { reject } of this.#waiting.filter((one) => one.handlerId === handlerId)) {
      reject(new Error('the connection was closed'))
    }
    this.#waiting = this.#waiting.filter((one) => one.handlerId !== handlerId)
  }

  /** Called when a connection has gone: ends the statement and the transaction it left open. */
  async clearTransactionIfNeeded(handlerId) {
    if (this.#holder !== handlerId) return
    await this.#db.runExclusive(() => this.#db.execProtocolRawStream(sync, { onRawData() {} }))
    if (this.#db.isInTransaction()) await this.#db.exec('ROLLBACK')
    this.#holder = undefined
    void this.#work()
  }

  async #work() {
    if (this.#busy) return
    this.#busy = true
    for (let next = this.#next(); next; next = this.#next()) await this.#run(next)
    this.#busy = false
  }

  #next() {
    const index =
      this.#holder === undefined ? 0 : this.#waiting.findIndex(({ handlerId }) => handlerId === this.#holder)
    return index < 0 ? undefined : this.#waiting.splice(index, 1)[0]
  }

  async #run({ handlerId, message, onData, resolve, reject }) {
    this.#holder = handlerId
    let answered = 0
    const onRawData = (data) => {
      answered += data.length
      onData(data)
    }
    try {
      await this.#db.runExclusive(() => this.#db.execProtocolRawStream(message, { onRawData }))
      resolve(answered)
    } catch (error) {
      reject(error)
    }
    if (endsTurn(message) && !this.#db.isInTransaction()) this.#holder = undefined
  }
}
