import { execFile, spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import postgres, { type Sql } from 'postgres'
import { openPostgres } from '../../server/connect/postgres.ts'
import { planPair } from '../../server/reconcile/plan.ts'
import { rowHash } from '../../server/sides/postgres-hash.ts'
import { rowsOf } from '../../server/sides/postgres-slice.ts'
import { postgresSide } from '../../server/sides/postgres.ts'
import { postgresServer } from '../services/postgres.ts'

/**
 * Measures `tallyman diff` against the limit: the cheapest query that reads and soundly hashes every compared column of
 * both tables, both sides at once. Rounds take turns, so that whatever else the machine does falls on all alike.
 *
 *   npm run bench              a million rows, seven rounds
 *   npm run bench -- 10000000 3
 */
const [rows = 1_000_000, rounds = 7] = process.argv.slice(2).map(Number)
const cli = fileURLToPath(new URL('../../dist/server/cli.js', import.meta.url))
const page = fileURLToPath(new URL('../../docs/performance.md', import.meta.url))
const run = promisify(execFile)

const fill = `
  create table t (id bigint primary key, uid uuid not null, name varchar(60) not null, email varchar(100) not null,
    city varchar(40) not null, amount numeric(12,2) not null, qty int not null, active boolean not null,
    updated_at timestamp(6) not null, note text);
  insert into t
  select i, md5(i::text)::uuid, 'Customer ' || md5(i::text), 'user' || i || '@example' || i % 97 || '.com',
    (array['Berlin', 'Paris', 'Madrid', 'Rome', 'Oslo', 'Vienna', 'Lisbon'])[1 + i % 7], i * 7919 % 1000000 / 100.0, i % 1000,
    i % 3 = 0, timestamp '2024-01-01' + i * 37 % 31536000 * interval '1 s' + i % 1000000 * interval '1 us',
    case when i % 8 >= 3 then 'note ' || md5(i::text) end
  from generate_series(1::bigint, ${Math.ceil((rows * 11) / 10)}) i where i % 11 <> 0 limit ${rows}`

/** Fifty rows changed in one column each, twenty-five missing, twenty-five extra; spread over the whole table. */
async function differ(source: Sql, target: Sql) {
  const step = Math.floor(rows / 50)
  await target.unsafe(
    `update t set name = name || '!' where id in (select id from t where id % 3 = 0 and id % ${step} in (1, 2, 3) limit 17)`,
  )
  await target.unsafe(
    `update t set amount = amount + 0.01 where id in (select id from t where id % 7 = 1 and name not like '%!' order by md5(id::text) limit 17)`,
  )
  await target.unsafe(
    `update t set note = coalesce(note || '.', '') where id in (select id from t where id % 7 = 2 and name not like '%!' order by md5(id::text) limit 16)`,
  )
  await target.unsafe(
    `delete from t where id in (select id from t where id % 7 = 3 and name not like '%!' order by md5(id::text) limit 25)`,
  )
  await source.unsafe(
    `delete from t where id in (select id from t where id % 7 = 4 and id % 3 <> 0 order by md5(id::text) limit 25)`,
  )
}

const seconds = async (work: () => Promise<unknown>) => {
  const from = performance.now()
  await work()
  return (performance.now() - from) / 1_000
}
const median = (values: readonly number[]) =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!

async function main() {
  const server = await postgresServer()
  const [source, target] = [await server.createDatabase('bench'), await server.createDatabase('bench')]
  const [ours, theirs] = [source, target].map(({ url }) => postgres(url, { max: 1, onnotice() {} })) as [Sql, Sql]
  console.log(`filling two databases with ${rows.toLocaleString('en')} rows of 10 columns`)
  await Promise.all([ours.unsafe(fill), theirs.unsafe(fill)])
  await differ(ours, theirs)
  await Promise.all([ours, theirs].map((sql) => sql.unsafe('vacuum analyze t')))

  const limit = await limitSql(source.url)
  const parallel = (workers: number) => async () => {
    const setting = `set max_parallel_workers_per_gather = ${workers}; set jit = off`
    await Promise.all([ours, theirs].map((sql) => sql.unsafe(setting)))
    return seconds(() => Promise.all([ours, theirs].map((sql) => sql.unsafe(limit))))
  }
  const identical = { source: source.url, target: source.url }
  const contenders: Contenders = {
    'the limit L, one process a side': parallel(0),
    'the limit L, two more workers a side': parallel(2),
    'node alone, doing nothing': () => seconds(() => run(process.execPath, ['-e', '0'])),
    'tallyman diff, 100 differences': () => diffOnce({ source: source.url, target: target.url }, 100),
    'tallyman diff, no difference (one database twice)': () => diffOnce(identical, 0),
    ...(await peers(ours, theirs, [source.url, target.url])),
  }
  const took = new Map<string, number[]>(Object.keys(contenders).map((name) => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    for (const [name, contend] of Object.entries(contenders)) {
      const one = await contend()
      // The first round fills the caches.
      if (round > 0) took.get(name)!.push(one)
    }
  }
  await Promise.all([ours.end(), theirs.end()])
  await Promise.all([source.drop(), target.drop()])
  await report(took, await versionOf(server.url('postgres')))
}

/** The hash that diff itself trusts, over the whole table at once: nothing cheaper tells every value from every other. */
async function limitSql(url: string): Promise<string> {
  const client = openPostgres({ name: 'bench', url })
  const table = await postgresSide(client).describe({ connection: 'bench', schema: 'public', table: 't' })
  await client.close()
  const plan = planPair(table, table, { map: {}, exclude: [], where: {} }, 'native').source
  return `select count(*), sum(${rowHash(plan, 't')}) from ${rowsOf(plan)}`
}

async function diffOnce({ source, target }: { source: string; target: string }, expected: number): Promise<number> {
  let told = ''
  const took = await seconds(async () => {
    const child = spawn(process.execPath, [cli, 'diff', source, target, '--table', 't', '--key', 'id', '--json'])
    child.stdout.on('data', (chunk) => (told += chunk))
    await new Promise((resolve) => child.once('close', resolve))
  })
  const { verdict, differences } = JSON.parse(told) as { verdict: string; differences: Record<string, number> }
  const found = Object.values(differences).reduce((sum, some) => sum + some, 0)
  if (verdict === 'unknown' || found !== expected)
    throw new Error(`expected ${expected} differences: ${told.slice(0, 400)}`)
  return took
}

/**
 * Other tools, where they are installed: `apt-get install postgresql-comparator libdbd-pg-perl`, and its extension in the
 * server. Told what they found, because a fast answer that is wrong is no match.
 */
async function peers(source: Sql, target: Sql, urls: readonly [string, string]): Promise<Contenders> {
  const ready = await Promise.all([
    run('sh', ['-c', 'command -v pg_comparator']),
    ...[source, target].map((sql) => sql.unsafe('create extension pgcmp')),
  ]).then(
    () => true,
    () => false,
  )
  if (!ready) return {}
  const columns = 'id:uid,name,email,city,amount,qty,active,updated_at,note'
  const addresses = urls.map((url) => `${url.replace(/^\w+:/, 'pgsql:')}/t?${columns}`)
  const compare = async () => {
    const { stdout } = await run('pg_comparator', ['--use-key', '--cf=fnv', ...addresses], { maxBuffer: 2 ** 24 })
    const found = stdout.trim().split('\n').length
    if (found !== 100) throw new Error(`pg_comparator found ${found} differences.`)
  }
  return { 'pg_comparator 2.3 --use-key --cf=fnv, 100 differences': () => seconds(compare) }
}

type Contenders = Record<string, () => Promise<number>>

async function versionOf(url: string): Promise<string> {
  const sql = postgres(url, { max: 1 })
  const [row] = await sql<{ version: string }[]>`select split_part(version(), ' on ', 1) as version`
  await sql.end()
  return row!.version
}

async function report(took: ReadonlyMap<string, readonly number[]>, version: string) {
  const limits = [...took].filter(([name]) => name.startsWith('the limit')).map(([, some]) => median(some))
  const limit = Math.min(...limits)
  const lines = [...took].map(([name, some]) => {
    const [middle, best] = [median(some), Math.min(...some)]
    return `| ${name} | ${middle.toFixed(2)} | ${best.toFixed(2)} | ${(middle / limit).toFixed(1)} |`
  })
  const table = [
    `${rows.toLocaleString('en')} rows × 10 columns, ${rounds} rounds in turn; ${version}, Node ${process.versions.node}, ${cpus().length} cores,`,
    `${Math.round(totalmem() / 2 ** 30)} GiB, all on one machine. Wall-clock seconds, the start of each program included.`,
    '',
    '| | median s | best s | median ÷ L |',
    '|---|---:|---:|---:|',
    ...lines,
  ].join('\n')
  console.log(table)
  const [start, end] = [`<!-- bench:${rows} -->`, '<!-- bench:end -->']
  const text = await readFile(page, 'utf8')
  const from = text.indexOf(start)
  if (from === -1) return console.log(`docs/performance.md has no place for ${rows} rows.`)
  const to = text.indexOf(end, from)
  await writeFile(page, `${text.slice(0, from)}${start}\n${table}\n${text.slice(to)}`)
}

await main()
