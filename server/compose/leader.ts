import postgres, { type ReservedSql } from 'postgres'
import { postgresOptions } from '../connect/postgres.ts'

/** Which of several processes on one store runs the checks: the one whose session holds an advisory lock. */
export interface Leader {
  isLeader(): boolean
  close(): Promise<void>
}

const lock = 8_420_842_085n
const everyMs = 5_000

/** On the embedded store there is one process, and it leads. */
export const alone: Leader = { isLeader: () => true, close: async () => {} }
export const follower: Leader = { isLeader: () => false, close: async () => {} }

/**
 * Asks for the lock now and every five seconds. Leadership ends with the session that holds it, so a process that dies
 * or loses its connection is followed by another within five seconds of the server noticing.
 */
export async function electLeader(
  url: string,
  {
    every,
    complain,
  }: { every(ms: number, callback: () => void): () => void; complain(message: string, cause: unknown): void },
): Promise<Leader> {
  const [address, options] = postgresOptions(url)
  let leading = false
  const sql = postgres(address, {
    ...options,
    max: 1,
    onnotice() {},
    onclose: () => (leading = false),
    connection: { application_name: 'tallyman-leader' },
  })
  let session: ReservedSql | undefined
  const ask = async () => {
    try {
      session ??= await sql.reserve()
      const [row] = await session<{ held: boolean }[]>`select pg_try_advisory_lock(${lock.toString()}::bigint) as held`
      const held = row?.held ?? false
      // The lock counts how often its session took it; one is enough.
      if (held && leading) await session`select pg_advisory_unlock(${lock.toString()}::bigint)`
      leading = held
    } catch (cause) {
      leading = false
      session = undefined
      complain('The lock that says who runs the checks could not be asked for.', cause)
    }
  }
  await ask()
  const stop = every(everyMs, () => void ask())
  return {
    isLeader: () => leading,
    async close() {
      stop()
      leading = false
      await sql.end({ timeout: 1 })
    },
  }
}
