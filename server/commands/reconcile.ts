import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import { openPair, pairNamed, pairsOf, type PlacedPair } from '../compose/pairs.ts'
import { readConfig } from '../compose/place.ts'
import { openSystems, type Systems } from '../compose/systems.ts'
import { timers } from '../compose/timers.ts'
import { Fault } from '../fault.ts'
import { reconcile as reconcilePair } from '../reconcile/reconcile.ts'
import { openPlan } from '../reconcile/open-plan.ts'
import { matchingOf } from '../reconcile/pair.ts'
import { reportOf } from '../reconcile/report.ts'
import type { RunResult } from '../reconcile/run.ts'
import { postgresSide } from '../sides/postgres.ts'
import { runJournal } from '../store/journal.ts'
import { openStore, type Db } from '../store/open.ts'
import { differencePage } from '../store/run-reads.ts'
import { claimRun, endRun, releaseRun, renewRun, requestRun, storedRun } from '../store/runs.ts'
import { workRun, type RunnerSteps } from '../work/runner.ts'
import { readConfigFile } from '../config/file.ts'
import { readArguments } from './arguments.ts'

const flags = {
  config: { type: 'string', default: 'tallyman.yaml' },
  data: { type: 'string', default: '.tallyman' },
  json: { type: 'boolean', default: false },
  apply: { type: 'boolean', default: false },
  mode: { type: 'string', default: 'full' },
} as const
const itemsMax = 1_000
const line = 'reconcile --config F PAIR… [--json] [--apply] [--mode full|incremental|sample]'

/**
 * Runs configured pairs now, in this process, in the store of the config: their runs, differences and corrections are
 * there for the dashboard. Exit 0 when all copies agree, 1 when one differs, 3 when one could not be told.
 */
export async function reconcile(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, flags, line)
  if (positionals.length === 0) throw new Fault('usage', 'Name at least one pair.', { hint: `Usage: tallyman ${line}` })
  if (values.mode !== 'full')
    throw new Fault('usage', `This build has no mode "${values.mode}".`, { hint: 'Leave --mode out.' })
  const file = values.config
  const config = readConfig(await readConfigFile(file), { file, env: process.env, data: resolve(values.data) })
  const pairs = positionals.map((id) => pairNamed(pairsOf(config), id))

  const store = await openStore(config.store, { attach: true })
  const systems = openSystems((ms, callback) => void timers.after(ms, callback))
  try {
    await systems.replace(config.connections)
    let worst = 0
    for (const pair of pairs) {
      const code = await runOnce(store.db, systems, pair, values)
      worst = Math.max(worst, code)
    }
    return worst
  } finally {
    await systems.close()
    await store.close()
  }
}

async function runOnce(db: Db, systems: Systems, pair: PlacedPair, { apply, json }: { apply: boolean; json: boolean }) {
  const { id: pairId } = pair.spec
  const requestedBy = userInfo().username
  const id = randomUUID()
  await requestRun(db, { id, pair: pairId, pipeline: pair.pipeline, mode: 'full', trigger: 'cli', requestedBy, apply })
  const stop = new AbortController()
  const interrupted = () => stop.abort(new Error('interrupted'))
  process.once('SIGINT', interrupted)
  await workRun(id, runnerSteps(db, systems, pair), stop.signal)
  process.off('SIGINT', interrupted)

  const run = await storedRun(db, id)
  if (!run?.result) {
    const { message, hint } = run?.fault ?? { message: 'It was interrupted; the server goes on with it.', hint: '' }
    process.stderr.write(`${pairId}: ${message}\n${hint}\n`)
    return 3
  }
  if (json) process.stdout.write(`${JSON.stringify(await reportJson(db, id, pair, systems, run.result), null, 2)}\n`)
  else process.stdout.write(textOf(pairId, id, run.result))
  return { match: 0, drift: 1, unknown: 3 }[(run.result.after ?? run.result).verdict]
}

async function reportJson(db: Db, run: string, { spec }: PlacedPair, systems: Systems, result: RunResult) {
  const { source, target } = spec
  const sides = {
    source: postgresSide(systems.postgres(source.table.connection)),
    target: postgresSide(systems.postgres(target.table.connection)),
  }
  const tables = { source: source.table, target: target.table }
  const { plan } = await openPlan(sides, tables, matchingOf(spec), new AbortController().signal)
  const { rows } = await differencePage(db, run, { offset: 0, limit: itemsMax })
  const report = reportOf(
    result,
    plan,
    rows.map(({ difference }) => difference),
    itemsMax,
  )
  return {
    run,
    ...report,
    inFlight: result.inFlight,
    corrections: result.corrections,
    ...(result.after ? { after: result.after } : {}),
  }
}

const textOf = (
  pair: string,
  run: string,
  { verdict, differences, matchRatio, corrections, guards, after }: RunResult,
) => {
  const { missing, extra, changed } = differences
  const states = Object.entries(corrections).map(([state, count]) => `${count} ${state}`)
  const failing = guards.filter(({ state }) => state === 'fail').map(({ name, detail }) => `  ${name}: ${detail}`)
  return [
    `${pair}: ${verdict}${matchRatio === null ? '' : `, match ratio ${matchRatio}`} (run ${run})`,
    `  missing ${missing}, extra ${extra}, changed ${changed}`,
    ...(states.length > 0 ? [`  corrections: ${states.join(', ')}`] : []),
    ...(after ? [`  after writing: ${after.verdict}`] : []),
    ...failing,
    '',
  ].join('\n')
}

function runnerSteps(db: Db, systems: Systems, pair: PlacedPair): RunnerSteps {
  const owner = `cli:${process.pid}:${randomUUID()}`
  return {
    claim: (run, leaseMs) => claimRun(db, run, owner, leaseMs),
    renew: (run, leaseMs, progress) => renewRun(db, run, owner, leaseMs, progress),
    end: (run, ending) => endRun(db, run, owner, ending),
    release: (run) => releaseRun(db, run, owner),
    pair: () => openPair(pair, systems, { sleep: timers.sleep }),
    journal: (run, pairId) => runJournal(db, { run, pair: pairId }),
    reconcile: reconcilePair,
    changed() {},
    every: timers.every,
    complain: (message, cause) => process.stderr.write(`${message} ${String(cause)}\n`),
  }
}
