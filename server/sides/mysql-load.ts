import type { Mysql } from '../connect/mysql.ts'
import { Fault } from '../fault.ts'

/** Statements that run on the server beside this one. */
export async function activeSessions(client: Mysql, signal?: AbortSignal): Promise<number> {
  const [row] = await client.ask<{ Value: string }>("show global status like 'Threads_running'", [], signal)
  return Math.max(0, Number(row!.Value) - 1)
}

type ReplicaStatus = Readonly<Record<string, string | number | null>>

const unknownSyntax = 1064

/**
 * How far the server is behind as a replica, in seconds; `Infinity` when it does not replicate at the moment, 0 when it is
 * none.
 * @throws Fault `system_permission`; `usage` when it has replicas: only they know how far they are.
 */
export async function replicaLag(client: Mysql, signal?: AbortSignal): Promise<number> {
  const sources = await replicaStatus(client, signal)
  const behind = sources.map((one) => {
    const seconds = one['Seconds_Behind_Source'] ?? one['Seconds_Behind_Master']
    return seconds == null ? Infinity : Number(seconds)
  })
  const [replicas] = await client.ask<{ Value: string }>("show global status like 'Slaves_connected'", [], signal)
  if (behind.length === 0 && Number(replicas?.Value ?? 0) > 0) {
    throw new Fault('usage', `${client.name}: how far its replicas are behind only they can say.`, {
      hint: 'Take pace.replicaLag out, and ask with pace.wait for what you write down of their lag.',
    })
  }
  return Math.max(0, ...behind)
}

/** MySQL before 8.0.22 knows the older word only. */
async function replicaStatus(client: Mysql, signal?: AbortSignal): Promise<ReplicaStatus[]> {
  try {
    return await client.ask<ReplicaStatus>('show replica status', [], signal)
  } catch (thrown) {
    if ((thrown as { cause?: { errno?: number } }).cause?.errno !== unknownSyntax) throw thrown
    return client.ask<ReplicaStatus>('show slave status', [], signal)
  }
}

/** The first value of the first row as a number; null when there is none. @throws Fault `usage` when it is no number. */
export async function numberOf(client: Mysql, sql: string, signal?: AbortSignal): Promise<number | null> {
  const [row] = await client.ask<Record<string, string | number | null>>(sql, [], signal)
  const [value = null] = row ? Object.values(row) : []
  if (value === null) return null
  const number = Number(value)
  if (!Number.isNaN(number) && String(value).trim() !== '') return number
  throw new Fault('usage', `${client.name}: the statement answered something that is no number.`, {
    hint: 'Make the statement of pace.wait answer one number, such as a count or seconds.',
  })
}
