import { Fault, sentenceOf, type FaultCode } from '../fault.ts'

/** The server's error numbers, of MySQL and of MariaDB, that mean something to whoever runs us. */
const byNumber: Readonly<Record<number, FaultCode>> = {
  1040: 'system_unreachable', // too many connections
  1044: 'system_permission',
  1045: 'system_auth',
  1049: 'thing_missing', // database
  1053: 'system_unreachable', // shutting down
  1054: 'thing_missing', // column
  1129: 'system_unreachable', // host blocked after errors
  1130: 'system_auth', // host not allowed
  1142: 'system_permission',
  1143: 'system_permission',
  1146: 'thing_missing', // table
  1203: 'system_unreachable', // too many connections of this user
  1205: 'system_timeout', // lock wait
  1226: 'system_unreachable', // the user's hourly limit
  1227: 'system_permission',
  1290: 'system_permission', // the server is read-only
  1317: 'system_timeout', // interrupted
  1370: 'system_permission',
  1698: 'system_auth',
  1792: 'system_permission', // in a read-only transaction
  1836: 'system_permission',
  1927: 'system_unreachable', // killed
  1969: 'system_timeout', // max_statement_time
  3024: 'system_timeout', // max_execution_time
  3159: 'system_auth', // needs TLS
  4031: 'system_unreachable', // idle for too long
  4151: 'system_auth', // account locked
}

const hints: Readonly<Partial<Record<FaultCode, string>>> = {
  system_auth: 'Check the user and password this connection is given in the config, and from which hosts it may come.',
  system_permission: 'Grant the login what is missing; docs/security.md lists the least it needs.',
  thing_missing: 'Check the spelling of database, table and column; a login sees only what it was granted.',
  system_timeout: 'See what the server is waiting for before raising statementTimeout of this connection.',
  system_unreachable: 'Check that the server runs and that this machine may reach its host and port.',
}

const lost = /^(E[A-Z]+|PROTOCOL_\w+|HANDSHAKE_\w+|CONNECTION_\w+)$/

/** Words a driver's error for people, by connection name; a URL or password can never be part of it. */
export function mysqlFault(name: string, thrown: unknown): Fault {
  if (thrown instanceof Fault) return thrown
  const { code = '', errno = 0, fatal = false } = thrown as { code?: string; errno?: number; fatal?: boolean }
  const told = byNumber[errno]
  const unreachable = !told && (fatal || (lost.test(code) && !code.startsWith('ER_')))
  const fault = told ?? (unreachable ? 'system_unreachable' : 'system_error')
  return new Fault(fault, `${name}: ${unreachable ? `no connection (${code || 'closed'})` : sentenceOf(thrown)}`, {
    hint: hints[fault] ?? 'The server refused the statement; its own words are in the message.',
    cause: thrown,
  })
}
