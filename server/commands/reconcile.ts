import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import { resolve } from 'node:path'
import { openPair, pairNamed, pairsOf, type PlacedPair } from '../compose/pairs.ts'
import { readConfig } from '../compose/place.ts'
import { refuseMode } from '../compose/scope.ts'
import { openSystems, type Systems } from '../compose/systems.ts'
import { timers } from '../compose/timers.ts'
import { runnerSteps } from '../compose/work.ts'
import { Fault, sentenceOf } from '../fault.ts'
import { modes, type Mode } from '../reconcile/mode.ts'
import type { Counts } from '../reconcile/records.ts'
import { openPlan } from '../reconcile/open-plan.ts'
import { matchingOf } from '../reconcile/pair.ts'
import { reportOf } from '../reconcile/report.ts'
import type { Waiting } from '../reconcile/pace.ts'
import type { RunResult } from '../reconcile/run.ts'
import { openSide } from '../sides/open.ts'
import { openStore, type Db, type Store } from '../store/open.ts'
import { differencePage } from '../store/difference-reads.ts'
import { requestRun, storedRun } from '../store/runs.ts'
import { workRun, type RunnerSteps } from '../work/runner.ts'
import { readConfigFile } from '../config/file.ts'
import type { Config } from '../config/schema.ts'
import { readArguments } from './arguments.ts'
import { printExplanation } from './explain.ts'

const flags = {
  config: { type: 'string', default: 'tallyman.yaml' },
  data: { type: 'string', default: '.tallyman' },
  json: { type: 'boolean', default: false },
  apply: { type: 'boolean', default: false },
  mode: { type: 'string' },
  seed: { type: 'string' },
  explain: { type: 'boolean', default: false },
} as const
const itemsMax = 1_000
const pollMs = 250
const line =
  'reconcile --config F PAIR… [--json] [--apply] [--mode full|incremental|sample|scrub] [--seed S] [--explain]'

/**
 * Runs configured pairs now, in this process, in the store of the config: their runs, differences and corrections are
 * there for the dashboard. Exit 0 when all copies agree, 1 when one differs, 3 when one could not be told.
 */
export async function reconcile(args: readonly string[]): Promise<number> {
  const { values, positionals } = readArguments(args, flags, line)
  if (positionals.length === 0) throw new Fault('usage', 'Name at least one pair.', { hint: `Usage: tallyman ${line}` })
  const mode = values.mode === undefined ? undefined : modeNamed(values.mode)
  const file = values.config
  const config = readConfig(await readConfigFile(file), { file, env: process.env, data: resolve(values.data) })
  const pairs = positionals.map((id) => pairNamed(pairsOf(config), id))

  for (const { spec } of pairs) refuseMode(spec, mode ?? spec.mode)
  if (values.explain) return explainAll(config, pairs, { mode, json: values.json })
  const store = await openStore(config.store, { attach: true })
  const systems = openSystems(timers.after)
  try {
    await systems.replace(config.connections)
    let worst = 0
    for (const pair of pairs) {
      const code = await runOnce(store, systems, pair, { ...values, mode: mode ?? pair.spec.mode })
      worst = Math.max(worst, code)
    }
    return worst
  } finally {
    await systems.close()
    await store.close()
  }
}

/** Says what runs of these pairs would do. Neither opens the store nor reads a row. */
async function explainAll(
  config: Config,
  pairs: readonly PlacedPair[],
  { mode, json }: { readonly mode: Mode | undefined; readonly json: boolean },
): Promise<number> {
  const systems = openSystems(timers.after)
  try {
    await systems.replace(config.connections)
    let worst = 0
    for (const pair of pairs) {
      const { spec, source, target } = openPair(pair, systems, { sleep: timers.sleep })
      const request = {
        ...{ source, target, matching: matchingOf(spec), signal: new AbortController().signal },
        tables: { source: spec.source.table, target: spec.target.table },
        slicing: { targetMs: spec.slice.target, rowsMax: spec.slice.rows },
        incremental: (mode ?? spec.mode) === 'incremental' ? spec : undefined,
      }
      worst = Math.max(worst, await printExplanation(request, json))
    }
    return worst
  } finally {
    await systems.close()
  }
}

/** @throws Fault `usage` naming the modes there are. */
function modeNamed(text: string): Mode {
  const mode = modes.find((one) => one === text)
  if (mode) return mode
  throw new Fault('usage', `There is no mode "${text}".`, { hint: `Write one of ${modes.join(', ')}.` })
}

async function runOnce(
  store: Store,
  systems: Systems,
  pair: PlacedPair,
  { apply, json, mode, seed }: { apply: boolean; json: boolean; mode: Mode; seed?: string | undefined },
) {
  const { db } = store
  const { id: pairId } = pair.spec
  const requestedBy = userInfo().username
  const id = randomUUID()
  await requestRun(db, {
    ...{ id, pair: pairId, pipeline: pair.pipeline, mode, trigger: 'cli', requestedBy, apply },
    ...(seed === undefined ? {} : { seed }),
  })
  const stop = new AbortController()
  const interrupted = () => stop.abort(new Error('interrupted'))
  process.once('SIGINT', interrupted)
  const run = await endedRun(db, id, stepsFor(store, systems, pair), waitTeller(pairId), stop.signal)
  process.off('SIGINT', interrupted)
  if (!run?.result) {
    const { message, hint } = run?.fault ?? { message: 'It was interrupted; the server goes on with it.', hint: '' }
    process.stderr.write(`${pairId}: ${message}\n${hint}\n`)
    return 3
  }
  if (json) process.stdout.write(`${JSON.stringify(await reportJson(db, id, pair, systems, run.result), null, 2)}\n`)
  else process.stdout.write(textOf(pairId, id, run.result))
  return exitCode(run.result)
}

/**
 * The run once it has ended, worked here as often as it goes on. A server beside us may have been quicker to take it: then it
 * is waited for.
 */
async function endedRun(
  db: Db,
  id: string,
  steps: RunnerSteps,
  tell: (why: string | undefined) => void,
  signal: AbortSignal,
) {
  const told = { ...steps, waits: (_: unknown, waiting: Waiting | undefined) => tell(waiting?.why) }
  for (;;) {
    await workRun(id, told, signal)
    const run = await storedRun(db, id)
    if (signal.aborted || run?.endedAt) return run
    tell(run?.pausedBy ? `Paused by ${run.pausedBy}.` : run?.progress?.waiting?.why)
    await timers.sleep(pollMs, signal).catch(() => {})
  }
}

/** Says why a run does not go on, so that nobody takes it for hung; once a reason. */
function waitTeller(pair: string): (why: string | undefined) => void {
  let told: string | undefined
  return (why) => {
    if (why !== told) process.stderr.write(why === undefined ? `${pair} goes on.\n` : `${pair} waits. ${why}\n`)
    told = why
  }
}

/** 0 when the copies agree now, 1 when something is left that differs, 3 when it could not be told. */
function exitCode({ verdict, differences, corrections, after }: RunResult): number {
  if (verdict === 'unknown' || after?.verdict === 'unknown') return 3
  const sum = ({ missing, extra, changed }: Counts) => missing + extra + changed
  const { applied = 0, stale = 0, failed = 0, interrupted = 0 } = corrections
  const tried = after ? applied + stale + failed + interrupted : 0
  return sum(differences) - tried + (after ? sum(after) : 0) > 0 ? 1 : 0
}

async function reportJson(db: Db, run: string, { spec }: PlacedPair, systems: Systems, result: RunResult) {
  const { source, target } = spec
  const sides = {
    source: openSide(systems.client(source.table.connection)),
    target: openSide(systems.client(target.table.connection)),
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
    coverage: result.coverage,
    notes: result.notes,
    inFlight: result.inFlight,
    corrections: result.corrections,
    ...(result.after ? { after: result.after } : {}),
  }
}

const textOf = (
  pair: string,
  run: string,
  { verdict, differences, matchRatio, coverage, notes, corrections, guards, after }: RunResult,
) => {
  const { missing, extra, changed } = differences
  const states = Object.entries(corrections).map(([state, count]) => `${count} ${state}`)
  const failing = guards.filter(({ state }) => state === 'fail').map(({ name, detail }) => `  ${name}: ${detail}`)
  return [
    `${pair}: ${verdict}${matchRatio === null ? '' : `, match ratio ${coverage.estimated ? 'about ' : ''}${matchRatio}`} (run ${run})`,
    `  missing ${missing}, extra ${extra}, changed ${changed}`,
    `  compared (${coverage.mode}): ${coverage.says}`,
    ...notes.map((note) => `  note: ${note}`),
    ...(states.length > 0 ? [`  corrections: ${states.join(', ')}`] : []),
    ...(after ? [`  after writing: ${after.verdict}`] : []),
    ...failing,
    '',
  ].join('\n')
}

const stepsFor = (store: Store, systems: Systems, pair: PlacedPair) =>
  runnerSteps({
    store,
    owner: `cli:${process.pid}:${randomUUID()}`,
    openPair: () => openPair(pair, systems, { sleep: timers.sleep }),
    changed: async () => {},
    complain: (message, cause) => void process.stderr.write(`${message} ${sentenceOf(cause)}\n`),
  })
