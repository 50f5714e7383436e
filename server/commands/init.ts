import { proposalText, propose } from '../compose/propose.ts'
import { systemOf } from '../connect/scheme.ts'
import { openPostgres, type Postgres } from '../connect/postgres.ts'
import { Fault } from '../fault.ts'
import { postgresSide } from '../sides/postgres.ts'
import { listTables, tablesMax } from '../sides/postgres-tables.ts'
import type { Table } from '../sides/side.ts'
import { readArguments, urlArgument } from './arguments.ts'

const line = 'init SOURCE_URL TARGET_URL'

/** Looks at both databases, matches tables and keys, and prints a config for them. Reads only. */
export async function init(args: readonly string[]): Promise<number> {
  const { positionals } = readArguments(args, {}, line)
  const [source, target, ...rest] = positionals
  if (!source || !target || rest.length > 0) {
    throw new Fault('usage', 'Give two URLs, the source first.', { hint: `Usage: tallyman ${line}` })
  }
  const clients = [open('source', source), open('target', target)] as const
  try {
    const [ours, theirs] = await Promise.all(clients.map(tablesOf))
    const proposal = propose(ours!, theirs!)
    process.stdout.write(proposalText(proposal))
    const { matches, notes } = proposal
    process.stderr.write(`${matches.length} tables matched, ${notes.length} left out.\n`)
    return matches.length > 0 ? 0 : 3
  } finally {
    await Promise.all(clients.map((client) => client.close()))
  }
}

function open(name: 'source' | 'target', given: string): Postgres {
  const url = urlArgument(given, process.env)
  if (systemOf(url) && URL.canParse(url)) return openPostgres({ name, url })
  throw new Fault('usage', `The ${name} is not the URL of a database.`, {
    hint: 'Write postgres://user@host:5432/database, or env:NAME to keep its password out of the process list.',
  })
}

async function tablesOf(client: Postgres): Promise<readonly Table[]> {
  const refs = await listTables(client)
  if (refs.length > tablesMax) {
    throw new Fault('limit_reached', `The ${client.name} has more than ${tablesMax} tables.`, {
      hint: 'Give a login that sees only the tables meant.',
    })
  }
  const side = postgresSide(client)
  const tables: Table[] = []
  for (const ref of refs) tables.push(await side.describe(ref))
  return tables
}
