/** Why a probe or a run failed, as a closed list: the label must not grow with what systems say. */
export const reasons = [
  'timeout',
  'unreachable',
  'auth',
  'permission',
  'not_found',
  'protocol',
  'parse',
  'limit',
  'config',
  'internal',
] as const
export type Reason = (typeof reasons)[number]

const byCode: Readonly<Record<string, Reason>> = {
  probe_timeout: 'timeout',
  system_timeout: 'timeout',
  system_unreachable: 'unreachable',
  store_unavailable: 'unreachable',
  system_auth: 'auth',
  unauthorized: 'auth',
  system_permission: 'permission',
  forbidden: 'permission',
  thing_missing: 'not_found',
  not_found: 'not_found',
  table_empty: 'not_found',
  system_error: 'protocol',
  apply_failed: 'protocol',
  limit_reached: 'limit',
  guard_tripped: 'limit',
  config_invalid: 'config',
  bad_request: 'config',
  usage: 'config',
}

/** What a fault code, or a reason itself, is called in metrics. */
export const reasonOf = (code: string): Reason =>
  reasons.find((reason) => reason === code) ?? byCode[code] ?? 'internal'

/** Totals by reason, each of the list present from the start: a counter that appears with its first failure hides it. */
export function byReason(counts: Iterable<readonly [code: string, count: number]>): ReadonlyMap<Reason, number> {
  const totals = new Map<Reason, number>(reasons.map((reason) => [reason, 0]))
  for (const [code, count] of counts) {
    const reason = reasonOf(code)
    totals.set(reason, totals.get(reason)! + count)
  }
  return totals
}
