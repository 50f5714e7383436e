/** What a pool keeps: one session of a server, used by one at a time. */
export interface Pooled {
  /** False once it has failed in a way that leaves it of no use to the next. */
  usable(): boolean
  /** Resolves when its connection is gone, whoever ended it. */
  readonly ended: Promise<void>
  /** Says goodbye; `ended` resolves when it has. */
  end(): void
  /** Drops the connection at once. */
  destroy(): void
}

export interface Pool<Session extends Pooled> {
  /**
   * A session that nobody else has, opened when there is none and room for one.
   * @throws what `connect` throws; the signal's reason when it aborts while waiting; an Error with the code
   * `CONNECTION_ENDED` once the pool is closed.
   */
  take(signal?: AbortSignal): Promise<Session>
  give(session: Session): void
  /** Waits `graceMs` for those that are taken, then drops them. */
  close(graceMs: number): Promise<void>
}

interface Waiter<Session> {
  readonly resolve: (session: Session) => void
  readonly reject: (thrown: unknown) => void
}

/** At most `max` sessions at a time, each closed after it was idle for `idleMs`. Nothing connects before the first is taken. */
export function openPool<Session extends Pooled>({
  max,
  idleMs,
  connect,
}: {
  readonly max: number
  readonly idleMs: number
  connect(): Promise<Session>
}): Pool<Session> {
  const open = new Set<Session>()
  const idle = new Map<Session, NodeJS.Timeout>()
  const waiting: Waiter<Session>[] = []
  let connecting = 0
  let closed = false

  const give = (session: Session) => {
    if (!open.has(session)) return
    if (!session.usable()) return session.destroy()
    const waiter = closed ? undefined : waiting.shift()
    if (waiter) return waiter.resolve(session)
    if (closed) return session.end()
    idle.set(
      session,
      setTimeout(() => leave(session), idleMs),
    )
  }
  const leave = (session: Session) => {
    clearTimeout(idle.get(session))
    idle.delete(session)
    session.end()
  }
  const forget = (session: Session) => {
    clearTimeout(idle.get(session))
    idle.delete(session)
    open.delete(session)
    connectMore()
  }
  const connectMore = () => {
    while (!closed && waiting.length > connecting && open.size + connecting < max) {
      connecting += 1
      void connect().then(
        (session) => {
          connecting -= 1
          open.add(session)
          void session.ended.then(() => forget(session))
          give(session)
        },
        (thrown: unknown) => {
          connecting -= 1
          waiting.shift()?.reject(thrown)
          connectMore()
        },
      )
    }
  }

  return {
    async take(signal) {
      signal?.throwIfAborted()
      if (closed) throw ended()
      for (const [session, timer] of [...idle].toReversed()) {
        clearTimeout(timer)
        idle.delete(session)
        if (session.usable()) return session
        session.destroy()
      }
      return new Promise<Session>((resolve, reject) => {
        const done = () => signal?.removeEventListener('abort', onAbort)
        const waiter: Waiter<Session> = {
          resolve(session) {
            done()
            resolve(session)
          },
          reject(thrown) {
            done()
            // A reason is an Error wherever we abort, and the caller's own otherwise.
            reject(thrown as Error)
          },
        }
        const onAbort = () => {
          waiting.splice(waiting.indexOf(waiter), 1)
          waiter.reject(signal!.reason)
        }
        signal?.addEventListener('abort', onAbort)
        waiting.push(waiter)
        connectMore()
      })
    },
    give,
    async close(graceMs) {
      closed = true
      for (const waiter of waiting.splice(0)) waiter.reject(ended())
      for (const session of idle.keys()) leave(session)
      let timer: NodeJS.Timeout | undefined
      const all = Promise.all([...open].map((session) => session.ended))
      const late = new Promise((resolve) => (timer = setTimeout(resolve, graceMs)))
      await Promise.race([all, late])
      clearTimeout(timer)
      for (const session of open) session.destroy()
      await Promise.all([...open].map((session) => session.ended))
    },
  }
}

const ended = () => Object.assign(new Error('the connection was closed'), { code: 'CONNECTION_ENDED' })
