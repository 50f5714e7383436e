/** Why something could not be done, as a closed list: it is a metric label, an API code and an exit code. */
export type FaultCode =
  | 'apply_failed'
  | 'bad_request'
  | 'cancelled'
  | 'config_invalid'
  | 'conflict'
  | 'forbidden'
  | 'guard_tripped'
  | 'internal'
  | 'limit_reached'
  | 'not_found'
  | 'not_ready'
  | 'probe_failed'
  | 'probe_timeout'
  | 'store_locked'
  | 'store_unavailable'
  | 'system_auth'
  | 'system_error'
  | 'system_permission'
  | 'system_timeout'
  | 'system_unreachable'
  | 'table_empty'
  | 'thing_missing'
  | 'unauthorized'
  | 'usage'

/**
 * The one error type we throw on purpose. It answers three questions in order:
 * what happened to which thing (`message`), what to do about it (`hint`), and why (`cause`).
 *
 * Anything else that is thrown is a bug, and is reported as one.
 */
export class Fault extends Error {
  override readonly name = 'Fault'
  readonly code: FaultCode
  readonly hint: string

  constructor(code: FaultCode, message: string, options: { hint: string; cause?: unknown }) {
    super(message, { cause: options.cause })
    this.code = code
    this.hint = options.hint
  }
}

/** The sentence of whatever was thrown, without a stack. For joining into another message. */
export const sentenceOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))
