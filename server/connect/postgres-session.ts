import type { QueryConfig, QueryResult } from 'pg'
import type { Pooled } from './pool.ts'
import { clientOf, driver, mayBePlain, openCursor, type Address, type Client, type Wire } from './postgres-driver.ts'

/** One session of a PostgreSQL server. What is asked of it while it works waits for its turn. */
export interface Session extends Pooled {
  /** One statement, never several. Throws the server's own errors, with the severity ERROR when it goes on after them. */
  query(text: string, parameters: readonly (string | null)[], signal?: AbortSignal): Promise<QueryResult>
  /** Only inside a transaction, which it must not outlive. */
  stream<Row>(text: string, rowsMax: number, signal?: AbortSignal): AsyncGenerator<Row[], void>
}

export interface Meter {
  bytesRead(bytes: number): void
  asked(): void
}

/** A cancelled statement ends within this, or its connection is dropped. */
const cancelMs = 5_000
const cancelAgainMs = 300
/** After an error the server says within this that it goes on, or its connection is dropped. */
const quietMs = 5_000

/** Connects within 10 s. Throws as the driver does. */
export async function connectSession(address: Address, embedded: boolean, meter: Meter): Promise<Session> {
  try {
    return await connect(address, embedded, meter)
  } catch (thrown) {
    const withoutTls = (thrown as Error).message === 'The server does not support SSL connections'
    if (withoutTls && mayBePlain(address.url)) return connect(address, embedded, meter, true)
    throw thrown
  }
}

async function connect(address: Address, embedded: boolean, meter: Meter, plain = false): Promise<Session> {
  const { client, socket } = clientOf(address, plain)
  let gone = false
  // Settled whenever the server waits for the next statement, or never will again.
  let ready = gate()
  const ended = gate()
  let read = 0
  const measure = () => {
    meter.bytesRead(socket.bytesRead - read)
    read = socket.bytesRead
  }
  let lose = () => {}
  socket.once('close', () => {
    gone = true
    measure()
    ready.open()
    ended.open()
    // The driver says better why, where it says anything.
    setImmediate(() => lose())
  })
  /** The driver's cursor answers nobody when the connection is lost between its last row and the end of its statement. */
  const orLost = <T>(asked: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      lose = () => reject(new Error('Connection terminated unexpectedly'))
      asked.then(resolve, reject)
      if (socket.destroyed) setImmediate(lose)
    })
  const destroy = () => {
    gone = true
    socket.destroy()
  }
  // The driver tells of a lost connection here as well as to whoever waits; with nobody listening it ends the process.
  client.on('error', () => (gone = true))
  client.on('drain', () => ready.open())
  try {
    await client.connect()
  } catch (thrown) {
    destroy()
    throw thrown
  }

  let last: Promise<void> = Promise.resolve()
  /** Waits for its turn and takes it. What it resolves to ends it, once the server is ready for the next. */
  const enter = async (signal?: AbortSignal): Promise<() => Promise<void>> => {
    const before = last
    const turn = gate()
    last = turn.opened
    await before
    if (signal?.aborted) {
      turn.open()
      signal.throwIfAborted()
    }
    meter.asked()
    ready = gate()
    if (gone) ready.open()
    const over = gate()
    let cancelling: Promise<void> | undefined
    const cancel = () => {
      if (!embedded) cancelling = cancelUntil(client, over.opened).then((done) => (done ? undefined : destroy()))
    }
    signal?.addEventListener('abort', cancel, { once: true })
    return async () => {
      const late = setTimeout(destroy, quietMs)
      await ready.opened
      clearTimeout(late)
      over.open()
      signal?.removeEventListener('abort', cancel)
      // A cancel that is on its way must not reach the next statement.
      await cancelling
      measure()
      turn.open()
    }
  }

  return {
    usable: () => !gone,
    ended: ended.opened,
    end: () => void client.end(),
    destroy,
    async query(text, parameters, signal) {
      const leave = await enter(signal)
      // Extended, because a simple query may hold several statements.
      const asked = client.query({ text, values: [...parameters], queryMode: 'extended' } as object as QueryConfig)
      const answer = await orLost(asked).catch(async (thrown: unknown) => {
        await leave()
        // The driver knows the severity in the server's own language only.
        throw gone ? thrown : Object.assign(thrown as Error, { severity: 'ERROR' })
      })
      await leave()
      return answer
    },
    async *stream<Row>(text: string, rowsMax: number, signal?: AbortSignal) {
      const leave = await enter(signal)
      const cursor = client.query(openCursor<Row>(text))
      let failed = false
      const batch = () =>
        orLost(cursor.read(rowsMax)).catch((thrown: unknown) => {
          failed = true
          throw thrown
        })
      try {
        for (let rows = await batch(); rows.length > 0; rows = await batch()) {
          yield rows
          signal?.throwIfAborted()
        }
      } finally {
        // After an error the cursor is closed already, and would wait for an answer that does not come.
        if (!failed && !gone) await orLost(cursor.close()).catch(() => undefined)
        await leave()
      }
    },
  }
}

interface Gate {
  readonly opened: Promise<void>
  open(): void
}

function gate(): Gate {
  let open = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}

/**
 * Asks the server to cancel what the session does, again and again until it is over: a request that overtakes its
 * statement has no effect. False when it is not over in time, or nobody takes the request.
 */
async function cancelUntil(client: Client, over: Promise<void>): Promise<boolean> {
  let done = false
  void over.then(() => (done = true))
  const deadline = performance.now() + cancelMs
  while (performance.now() < deadline && (await cancelOnce(client))) {
    let timer: NodeJS.Timeout | undefined
    await Promise.race([over, new Promise((resolve) => (timer = setTimeout(resolve, cancelAgainMs)))])
    clearTimeout(timer)
    if (done) return true
  }
  return done
}

/** Resolves when the server has closed the connection of the request, which is after it has sent its signal. */
function cancelOnce(client: Client): Promise<boolean> {
  const { host, port, processID, secretKey } = client
  // Its types know the flag alone, and not the options.
  const ssl = client.ssl as boolean | object
  const { Connection } = driver()
  const wire = new Connection(ssl ? { ssl } : {}) as Wire
  return new Promise((resolve) => {
    const send = () => wire.cancel(processID!, secretKey!)
    const late = setTimeout(() => {
      wire.stream.destroy()
      resolve(false)
    }, cancelMs)
    wire.on('connect', () => (ssl ? wire.requestSsl() : send()))
    wire.on('sslconnect', send)
    let failed = false
    wire.on('error', (thrown: NodeJS.ErrnoException) => (failed = thrown.code !== 'ECONNRESET'))
    wire.on('end', () => {
      clearTimeout(late)
      resolve(!failed)
    })
    if (host.startsWith('/')) wire.connect(`${host}/.s.PGSQL.${port}`)
    else wire.connect(port, host)
  })
}
