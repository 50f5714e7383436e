import { resolve } from 'node:path'
import { readConfig } from '../compose/place.ts'
import { mintToken, roles } from '../expose/auth.ts'
import { Fault } from '../fault.ts'
import { openStore } from '../store/open.ts'
import { addToken } from '../store/tokens.ts'
import { readConfigFile } from '../config/file.ts'
import { readArguments } from './arguments.ts'

const flags = {
  role: { type: 'string' },
  name: { type: 'string' },
  config: { type: 'string' },
  data: { type: 'string', default: '.tallyman' },
} as const
const line = 'token create --role viewer|operator|admin [--name N] [--config F] [--data DIR]'

/** Makes a token, keeps its hash, and prints it once. Works beside a running server, on the store that server has open. */
export async function token(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, flags, line)
  const role = roles.find((known) => known === values.role)
  if (positionals.join(' ') !== 'create' || !role) {
    throw new Fault('usage', 'Say which role the token is to have.', { hint: `Usage: tallyman ${line}` })
  }
  const data = resolve(values.data)
  const file = values.config
  const store = file
    ? readConfig(await readConfigFile(file), { file, env: process.env, data }).store
    : `pglite://${data}/store`
  const opened = await openStore(store, { attach: true })
  try {
    const { token, sha256 } = mintToken()
    await addToken(opened.db, { hash: sha256, name: values.name ?? role, role })
    process.stdout.write(`${token}\n`)
    process.stderr.write(`Keep it: it is not shown again. From now on every request needs a token.\n`)
    return 0
  } finally {
    await opened.close()
  }
}
