import { cpus, loadavg, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { deadRuns, endRun, runFolder } from '../services/run.ts'
import { kinds, measured, type Choice, type Kind } from './cases.ts'
import { drifts, type Drift } from './data.ts'
import { tableOf, writeTable } from './report.ts'
import { benchMariadb, benchPostgres, type Engine, type Server } from './servers.ts'
import { builtNow } from './tallyman.ts'

const usage = `npm run bench -- [CASE…] [--rounds N] [--drift identical,100,1%] [--no-peers] [--no-write]

  CASE is what is compared and how many rows: pg-1m, pg-10m, mariadb-1m, cross-1m, incremental-10m, pg-50k, …
  Without a case: pg-1m, mariadb-1m and cross-1m. Seven rounds up to a million rows, three beyond.`

const sizes: Readonly<Record<string, number>> = { '': 1, k: 1_000, m: 1_000_000 }

function caseNamed(name: string): { kind: Kind; rows: number } {
  const [, kind, count, unit] = /^([a-z]+)-(\d+)([km]?)$/.exec(name) ?? []
  const known = kinds.find((one) => one === kind)
  if (!known) throw new Error(`There is no case "${name}".\n\n${usage}`)
  return { kind: known, rows: Number(count) * sizes[unit!]! }
}

function chosen() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    allowNegative: true,
    options: {
      rounds: { type: 'string' },
      drift: { type: 'string', default: 'identical,100,1%' },
      peers: { type: 'boolean', default: true },
      write: { type: 'boolean', default: true },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    process.exit(0)
  }
  const wanted = values.drift.split(',').map((name): Drift => {
    const drift = drifts.find((one) => one.replace(' %', '%').startsWith(name))
    if (!drift) throw new Error(`There is no drift "${name}".\n\n${usage}`)
    return drift
  })
  const names = positionals.length > 0 ? positionals : ['pg-1m', 'mariadb-1m', 'cross-1m']
  const choices = names.map((name): Choice & { name: string } => {
    const { kind, rows } = caseNamed(name)
    const rounds = values.rounds === undefined ? (rows > 1_000_000 ? 3 : 7) : Number(values.rounds)
    return { name, kind, rows, rounds, drifts: wanted, peers: values.peers }
  })
  return { choices, write: values.write }
}

/** Each engine is started when the first case needs it, and serves all. */
function servers() {
  const start: Readonly<Record<Engine, () => Promise<Server>>> = { postgres: benchPostgres, mariadb: benchMariadb }
  const started = new Map<Engine, Promise<Server>>()
  return (engine: Engine): Promise<Server> => {
    if (!started.has(engine)) started.set(engine, start[engine]())
    return started.get(engine)!
  }
}

async function main() {
  const { choices, write } = chosen()
  await builtNow()
  for (const folder of await deadRuns()) await endRun(folder)
  const serverOf = servers()
  for (const choice of choices) {
    const load = loadavg()[0]!.toFixed(1)
    const used = new Set<string>()
    const heats = await measured(choice, async (engine) => {
      const server = await serverOf(engine)
      used.add(server.title)
      return server
    })
    const machine = `Node ${process.versions.node}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, all on one machine whose load was ${load} before`
    const about = [
      `${choice.rows.toLocaleString('en')} rows × 10 columns, ${choice.rounds} rounds in turn after one to warm up.`,
      `${[...used, machine].join('; ')}.`,
    ]
    const table = tableOf(heats, about)
    console.log(`\n${choice.name}\n\n${table}\n`)
    if (write) await writeTable(choice.name, table)
    const ours = heats.flatMap(({ standings }) => standings).filter(({ is }) => is === 'ours')
    if (ours.some(({ wrong, failed }) => wrong !== undefined || failed !== undefined)) process.exitCode = 1
  }
}

// A server that is left running would fill the disk and the next one's ears.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void endRun(runFolder()).finally(() => process.exit(130)))
}
try {
  await main()
} finally {
  await endRun(runFolder())
}
