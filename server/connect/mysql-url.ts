import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'mysql2'
import { Fault } from '../fault.ts'

const known = ['socket', 'ssl-mode', 'ssl-ca']
const modes = ['DISABLED', 'REQUIRED', 'VERIFY_CA', 'VERIFY_IDENTITY']

/**
 * What a `mysql://` or `mariadb://` URL says, in the words of MySQL's own clients: `?ssl-mode=VERIFY_IDENTITY&ssl-ca=/ca.pem`,
 * `?socket=/run/mysqld/mysqld.sock`.
 *
 * @throws Fault `config_invalid` for a part we do not know, never repeating its value.
 */
export function mysqlOptions(name: string, url: string): ConnectionOptions {
  const { hostname, port, username, password, pathname, searchParams } = new URL(url)
  const wrong = (message: string, hint: string) => new Fault('config_invalid', `${name}: ${message}`, { hint })
  const strange = [...searchParams.keys()].find((key) => !known.includes(key))
  if (strange) throw wrong(`the URL has a part "${strange}" that we do not know.`, `Known are ${known.join(', ')}.`)
  const mode = (searchParams.get('ssl-mode') ?? (searchParams.has('ssl-ca') ? 'VERIFY_CA' : 'DISABLED')).toUpperCase()
  if (!modes.includes(mode))
    throw wrong('the URL has an ssl-mode that we do not know.', `Known are ${modes.join(', ')}.`)

  const socketPath = searchParams.get('socket')
  const database = decodeURIComponent(pathname.slice(1))
  return {
    ...(socketPath
      ? { socketPath }
      : { host: hostname.replace(/^\[|\]$/g, '') || '127.0.0.1', port: Number(port || 3306) }),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    ...(database ? { database } : {}),
    ...(mode === 'DISABLED' ? {} : { ssl: ssl(mode, searchParams.get('ssl-ca')) }),
  }

  function ssl(wanted: string, file: string | null): Exclude<ConnectionOptions['ssl'], string | undefined> {
    const verified = wanted.startsWith('VERIFY_')
    return {
      rejectUnauthorized: verified,
      verifyIdentity: wanted === 'VERIFY_IDENTITY',
      ...(file ? { ca: authority(file) } : {}),
    }
  }

  function authority(file: string): string {
    try {
      return readFileSync(file, 'utf8')
    } catch (cause) {
      throw new Fault('config_invalid', `${name}: the file of ssl-ca cannot be read.`, {
        hint: 'Name a PEM file that this process may read.',
        cause,
      })
    }
  }
}
