import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Places } from './limits.ts'
import { ran, type Contender, type Outcome } from './measure.ts'
import { seconds } from './measure.ts'
import type { Counts } from './data.ts'
import { countLines } from './tallyman.ts'

const run = promisify(execFile)

interface Peer {
  readonly binary: string
  /** Debian packages, and the Perl module without which it cannot ask. */
  readonly packages: readonly string[]
  readonly module: string
}

const pgComparator: Peer = {
  binary: 'pg_comparator',
  packages: ['postgresql-comparator', 'libdbd-pg-perl'],
  module: 'DBD::Pg',
}
const ptTableSync: Peer = {
  binary: 'pt-table-sync',
  packages: ['percona-toolkit', 'libdbd-mysql-perl'],
  module: 'DBD::mysql',
}

/** Other tools for these engines, installed where Debian has them; a row that says so where they cannot be had. */
export async function peersOf(places: Places): Promise<Contender[]> {
  const engines = new Set(places.map(({ server }) => server.engine))
  if (engines.size > 1) return []
  return engines.has('postgres') ? [...(await pgComparators(places)), fullJoin(places)] : ptTableSyncs(places)
}

const peer = (name: string, work: () => Promise<Outcome>): Contender => ({ name, is: 'peer', run: work })
const absent = (name: string, why: string) =>
  peer(name, async () => {
    throw new Error(why)
  })

async function missing({ binary, packages, module }: Peer): Promise<string | undefined> {
  const present = () => run('sh', ['-c', `command -v ${binary} && perl -M${module} -e 1`])
  const install = ['-q', '-y', '--no-install-recommends', 'install', ...packages]
  try {
    await present().catch(() => run('flock', ['/tmp/tallyman-test-install.lock', 'apt-get', ...install]).then(present))
    return undefined
  } catch {
    return `not installed: apt-get install ${packages.join(' ')}`
  }
}

async function pgComparators(places: Places): Promise<Contender[]> {
  const names = ['fnv', 'ck'].map((hash) => `pg_comparator 2.3 --use-key --cf=${hash}`)
  const why =
    (await missing(pgComparator)) ??
    (await places[0].session.ask('create extension if not exists pgcmp').then(
      () => undefined,
      (cause: Error) => `its extension is not there: ${cause.message}`,
    ))
  if (why !== undefined) return names.map((name) => absent(name, why))
  const columns = 'id:uid,name,email,city,amount,qty,active,updated_at,note'
  const addresses = places.map(({ server, table }) => `${server.url.replace(/^\w+:/, 'pgsql:')}/${table}?${columns}`)
  const kinds = { missing: /^INSERT /, extra: /^DELETE /, changed: /^UPDATE / }
  return names.map((name) => {
    const [, ...flags] = name.replace(' 2.3', '').split(' ')
    return peer(name, () => told(pgComparator.binary, [...flags, ...addresses], kinds))
  })
}

async function ptTableSyncs(places: Places): Promise<Contender[]> {
  const name = (flags: readonly string[]) => ['pt-table-sync 3.2', ...flags].join(' ')
  const variants = [
    [],
    ['--chunk-size', '10000'],
    ['--function', 'SHA1'],
    ['--function', 'SHA1', '--chunk-size', '10000'],
  ]
  const why = await missing(ptTableSync)
  if (why !== undefined) return variants.map((flags) => absent(name(flags), why))
  const [source, target] = places.map(({ server, table }) => {
    const { hostname, port, username, pathname } = new URL(server.url)
    return `h=${hostname},P=${port},u=${username},D=${pathname.slice(1)},t=${table}`
  }) as [string, string]
  // It makes the second like the first, as we do; --print tells and writes nothing.
  const kinds = { missing: /^INSERT INTO /, extra: /^DELETE FROM /, changed: /^(REPLACE INTO|UPDATE) / }
  const common = ['--print', '--charset', 'utf8mb4', source, target]
  return variants.map((flags) => peer(name(flags), () => told(ptTableSync.binary, [...flags, ...common], kinds)))
}

async function told(
  command: string,
  args: readonly string[],
  kinds: Readonly<Record<keyof Counts, RegExp>>,
): Promise<Outcome> {
  const { seconds: took, peakBytes, cpuSeconds, stdout, stderr, code } = await ran(command, args)
  const complaint = stderr.trim()
  if (code > 2 || code < 0 || /error|fatal/i.test(complaint))
    throw new Error(`exit ${code}: ${complaint.slice(0, 300)}`)
  return { seconds: took, peakBytes, cpuSeconds, found: countLines(stdout, kinds) }
}

/** For information: possible only while both tables are in one database. */
function fullJoin([source, target]: Places): Contender {
  const differs = 'source is distinct from target'
  const sql = `select count(*) filter (where target.id is null) as missing, count(*) filter (where source.id is null) as extra,
    count(*) filter (where source.id is not null and target.id is not null) as changed
    from ${source.table} as source full join ${target.table} as target using (id) where ${differs}`
  return {
    name: 'FULL JOIN in one database',
    is: 'context',
    async run() {
      let found: Counts | undefined
      const took = await seconds(async () => {
        const [row] = await source.session.ask(sql)
        const count = (kind: keyof Counts) => Number(row![kind])
        found = { missing: count('missing'), extra: count('extra'), changed: count('changed') }
      })
      return { seconds: took, found: found! }
    },
  }
}
