import { Fault } from '../fault.ts'

/** That something of a kind has changed. It carries no facts: whoever listens asks again. */
export interface LiveEvent {
  readonly type: 'standing' | 'run' | 'alert' | 'config'
  readonly pipelines?: readonly string[]
  readonly run?: string
}

interface Sent extends LiveEvent {
  readonly id: number
}

/** Calls back once after `ms`; the returned function calls it off. */
export type After = (ms: number, callback: () => void) => () => void

const heartbeatMs = 15_000
const retryMs = 3_000
const standingEveryMs = 1_000
const rememberedMax = 256
const queuedMax = 64
const clientsMax = 200

interface Client {
  tell(event: Sent): void
  end(): void
}

/**
 * Tells every open page that something has changed. Events have ids that ascend within one process; who comes back
 * with the last one it saw is told what it missed, or to ask for everything when that is not known any more.
 */
export class Feed {
  readonly #clients = new Set<Client>()
  readonly #remembered: Sent[] = []
  readonly #after: After
  readonly #boot: string
  #next = 1
  #touched: Set<string> | undefined

  constructor({ after, boot }: { after: After; boot: string }) {
    this.#after = after
    this.#boot = boot
  }

  get clients(): number {
    return this.#clients.size
  }

  /** Standings change with every turn of every check: they are told at most once a second, together. */
  publish(event: LiveEvent): void {
    if (event.type !== 'standing') return this.#send(event)
    if (this.#touched) {
      for (const pipeline of event.pipelines ?? []) this.#touched.add(pipeline)
      return
    }
    this.#send(event)
    const touched = (this.#touched = new Set<string>())
    this.#after(standingEveryMs, () => {
      this.#touched = undefined
      if (touched.size > 0) this.publish({ type: 'standing', pipelines: [...touched] })
    })
  }

  #send(event: LiveEvent): void {
    const sent = { ...event, id: this.#next++ }
    this.#remembered.push(sent)
    if (this.#remembered.length > rememberedMax) this.#remembered.shift()
    for (const client of this.#clients) client.tell(sent)
  }

  /** What happened after an id; undefined when that is not known, and everything has to be asked for again. */
  #missed(lastId: string): readonly Sent[] | undefined {
    const [boot, last] = lastId.split('.')
    const oldest = this.#remembered[0]?.id ?? this.#next
    if (boot !== this.#boot || !(Number(last) >= oldest - 1)) return undefined
    return this.#remembered.filter(({ id }) => id > Number(last))
  }

  /**
   * The stream of one page, as `text/event-stream`. A page that reads too slowly is told once to ask for everything,
   * in place of what it has not read: its queue is bounded.
   * @throws Fault `limit_reached` when too many pages are open.
   */
  open(lastId: string | undefined): ReadableStream<Uint8Array> {
    if (this.#clients.size >= clientsMax) {
      throw new Fault('limit_reached', `${clientsMax} pages already follow live.`, {
        hint: 'Close some, or poll: every answer is also at its own address.',
      })
    }
    const encoder = new TextEncoder()
    let queue: string[] = [`retry: ${retryMs}\n\n`]
    let reading: ReadableStreamDefaultController<Uint8Array>
    let stopBeating = () => {}
    const flush = () => {
      while (queue.length > 0 && (reading.desiredSize ?? 0) > 0) reading.enqueue(encoder.encode(queue.shift()))
    }
    const push = (text: string) => {
      queue.push(text)
      if (queue.length > queuedMax) queue = [this.#text({ type: 'standing', id: this.#next - 1 })]
      flush()
    }
    const beat = () => {
      stopBeating = this.#after(heartbeatMs, () => {
        push(`: ${this.#boot}\n\n`)
        beat()
      })
    }
    const leave = () => {
      stopBeating()
      this.#clients.delete(client)
    }
    const client: Client = {
      tell: (event) => push(this.#text(event)),
      end() {
        leave()
        reading.close()
      },
    }
    if (lastId !== undefined) {
      const missed = this.#missed(lastId) ?? [{ type: 'standing' as const, id: this.#next - 1 }]
      queue.push(...missed.slice(-queuedMax).map((event) => this.#text(event)))
    }
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          reading = controller
          this.#clients.add(client)
          beat()
          flush()
        },
        pull: flush,
        cancel: leave,
      },
      new CountQueuingStrategy({ highWaterMark: 8 }),
    )
  }

  /** Ends every stream, so that a server that closes does not wait for pages that never leave. */
  close(): void {
    for (const client of [...this.#clients]) client.end()
  }

  #text({ type, id, ...rest }: Sent): string {
    return `event: ${type}\nid: ${this.#boot}.${id}\ndata: ${JSON.stringify(rest)}\n\n`
  }
}
