import { proposalText, propose } from '../compose/propose.ts'
import { Fault } from '../fault.ts'
import { listTables, openSide, type Client } from '../sides/open.ts'
import { tablesMax } from '../sides/postgres-tables.ts'
import type { Table } from '../sides/side.ts'
import { readArguments } from './arguments.ts'
import { openDatabase } from './database.ts'

const line = 'init SOURCE_URL TARGET_URL'

/** Looks at both databases, matches tables and keys, and prints a config for them. Reads only. */
export async function init(args: readonly string[]): Promise<number> {
  const { positionals } = readArguments(args, {}, line)
  const [source, target, ...rest] = positionals
  if (!source || !target || rest.length > 0) {
    throw new Fault('usage', 'Give two URLs, the source first.', { hint: `Usage: tallyman ${line}` })
  }
  const databases = await Promise.all([openDatabase('source', source), openDatabase('target', target)])
  try {
    const [ours, theirs] = await Promise.all(databases.map(({ client }) => tablesOf(client)))
    const proposal = propose(ours!, theirs!)
    process.stdout.write(proposalText(proposal))
    const { matches, notes } = proposal
    process.stderr.write(`${matches.length} tables matched, ${notes.length} left out.\n`)
    return matches.length > 0 ? 0 : 3
  } finally {
    await Promise.all(databases.map((database) => database.close()))
  }
}

async function tablesOf(client: Client): Promise<readonly Table[]> {
  const refs = await listTables(client)
  if (refs.length > tablesMax) {
    throw new Fault('limit_reached', `The ${client.name} has more than ${tablesMax} tables.`, {
      hint: 'Give a login that sees only the tables meant.',
    })
  }
  const side = openSide(client)
  const tables: Table[] = []
  for (const ref of refs) tables.push(await side.describe(ref))
  return tables
}
