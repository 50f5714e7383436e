import { Fault } from '../fault.ts'

type Ask = (text: string, parameters: string[], signal?: AbortSignal) => Promise<Record<string, string | null>[]>

/** Our own sessions name themselves, so that many lanes of ours are not taken for the users' load. */
const sessionsSql = `select count(*) filter (where state in ('active', 'fastpath function call'))::text as busy,
  count(*) filter (where state is null and backend_type is null)::text as hidden, current_user as login
  from pg_stat_activity
  where usesysid is not null and pid <> pg_backend_pid() and application_name not like 'tallyman%'
    and coalesce(backend_type, 'client backend') = 'client backend'`

/** Sessions of others that are at work, over the whole server. @throws Fault `system_permission`. */
export async function activeSessions(name: string, ask: Ask, signal?: AbortSignal): Promise<number> {
  const [row] = await ask(sessionsSql, [], signal)
  const { busy, hidden, login } = row!
  if (hidden !== '0') {
    throw new Fault('system_permission', `${name}: ${login} may not see what ${hidden} of the sessions are doing.`, {
      hint: `GRANT pg_monitor TO ${login}, or take pace.sessions out.`,
    })
  }
  return Number(busy)
}

// A replica is a physical one: a logical consumer reads from the same log, and the lag probes watch it.
const replicasSql = `select
  count(*) filter (where state is null)::text as hidden, current_user as login,
  count(*) filter (where replay_lag is null and replay_lsn is distinct from pg_current_wal_lsn())::text as unmeasured,
  extract(epoch from max(replay_lag))::text as lag
  from pg_stat_replication
  where state is distinct from 'backup'
    and not exists (select from pg_replication_slots as s where s.active_pid = pid and s.slot_type = 'logical')`

// Nothing new to replay is no lag, but only while the primary can be heard.
// A replica that has replayed nothing since it was started cannot tell: greatest() would take NULL for no lag.
const standbySql = `select case
    when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() and exists (select from pg_stat_wal_receiver) then '0'
    when pg_last_xact_replay_timestamp() is null then 'Infinity'
    else greatest(0, extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()))::text
  end as lag`

/** How far the server's replicas, or it being one, are behind, in seconds. @throws Fault `system_permission`. */
export async function replicaLag(name: string, ask: Ask, signal?: AbortSignal): Promise<number> {
  const [role] = await ask('select pg_is_in_recovery()::text as standby', [], signal)
  if (role!.standby === 'true') {
    const [row] = await ask(standbySql, [], signal)
    return Number(row!.lag)
  }
  const [row] = await ask(replicasSql, [], signal)
  const { hidden, unmeasured, lag, login } = row!
  if (hidden !== '0') {
    throw new Fault('system_permission', `${name}: ${login} may not see how far its ${hidden} replicas are.`, {
      hint: `GRANT pg_monitor TO ${login}, or take pace.replicaLag out.`,
    })
  }
  return unmeasured === '0' ? Number(lag ?? 0) : Infinity
}

/** The first value of the first row as a number; null when there is none. @throws Fault `usage` when it is no number. */
export async function numberOf(name: string, ask: Ask, sql: string, signal?: AbortSignal): Promise<number | null> {
  const [row] = await ask(sql, [], signal)
  const [value = null] = row ? Object.values(row) : []
  if (value === null) return null
  const number = { t: 1, true: 1, f: 0, false: 0 }[String(value)] ?? Number(value)
  if (!Number.isNaN(number) && String(value).trim() !== '') return number
  throw new Fault('usage', `${name}: the statement answered something that is no number.`, {
    hint: 'Make the statement of pace.wait answer one number, such as a count or seconds.',
  })
}
