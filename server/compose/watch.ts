import { probes } from '../../checks/registry.ts'
import type { System } from '../../checks/probe.ts'
import { bindChecks, bindReconcileRules } from '../config/bind.ts'
import type { Config } from '../config/schema.ts'
import { isReconcile } from '../evaluate/rule.ts'
import { rowOf } from '../expose/overview.ts'
import { drawnOf, narrowed } from '../expose/narrow.ts'
import type { Snapshot } from '../expose/reads.ts'
import type { Compared } from '../notify/notice.ts'
import type { Db } from '../store/open.ts'
import { pairTotals } from '../store/run-reads.ts'
import { noteStates, type PipelineState } from '../store/states.ts'
import { recallTurns, recordTurn, strayAlerts } from '../store/turns.ts'
import type { Check } from '../watch/check.ts'
import type { Monitor } from '../watch/monitor.ts'
import { reconcileCheck } from '../watch/reconcile-check.ts'
import type { Steps } from '../watch/steps.ts'
import type { Leader } from './leader.ts'
import { addressNotice } from './notices.ts'
import { spanned } from './spans.ts'
import type { Systems } from './systems.ts'
import { timers } from './timers.ts'

/** Every check of the config, and the pseudo check of each pipeline whose runs are judged. */
export function checksOf(config: Config): readonly Check[] {
  const rules = bindReconcileRules(config)
  const judged = Object.entries(config.pipelines).filter(([, { pairs }]) => pairs.length > 0)
  return [
    ...bindChecks(config, probes).map(traced),
    ...judged.map(([id, { paused }]) =>
      reconcileCheck(
        id,
        rules.filter(({ pipeline }) => pipeline === id),
        paused,
      ),
    ),
  ]
}

const traced = (check: Check): Check => ({
  ...check,
  measure: (context) =>
    spanned('probe.run', { 'tallyman.check': check.id, 'tallyman.probe': check.probe }, () => check.measure(context)),
})

export interface StepParts {
  readonly db: Db
  readonly systems: Systems
  readonly leader: Leader
  config(): Config
  dashboard(): string
  /** Called with the ids of notices that now wait. */
  told(notices: readonly string[]): void
  /** Called with how long each run of a check took, and of what. */
  ran(check: { readonly system: string; readonly kind: string }, seconds: number): void
  complain(message: string, cause: unknown): void
}

/** What a turn of the monitor needs of the store and the connections. */
export const watchSteps = ({
  db,
  systems,
  leader,
  config,
  dashboard,
  told: tell,
  ran,
  complain,
}: StepParts): Steps => ({
  async record(turn) {
    const rules = turn.notices.length > 0 ? checksOf(config()).flatMap((check) => check.rules) : []
    // Asked beforehand: inside the transaction another session of the embedded store would wait for it for ever.
    const told = turn.notices.some(({ alert }) => isReconcile(alert.check)) ? (await pairTotals(db)).told : []
    const address = (turned: (typeof turn.notices)[number], firedTo: readonly string[]) => {
      const compared = isReconcile(turned.alert.check) ? comparedIn(turned.alert.pipeline, told) : []
      return addressNotice(turned, firedTo, { config: config(), rules, dashboard: dashboard(), compared })
    }
    const waiting = await recordTurn(db, turn, { address })
    if (waiting.length > 0) tell(waiting)
    if (turn.observation && turn.check)
      ran({ system: 'postgresql', kind: turn.check.probe }, turn.observation.tookMs / 1_000)
  },
  recall: (checks) => recallTurns(db, checks),
  strays: (checks) => strayAlerts(db, checks),
  claim: async () => leader.isLeader(),
  connection: <S extends System>(_system: S, name: string) => systems.postgres(name),
  complain,
})

type ToldRun = Awaited<ReturnType<typeof pairTotals>>['told'][number]

/** What the newest verdict of each pair of a pipeline is of. Runs of older versions say nothing of it. */
const comparedIn = (pipeline: string, told: readonly ToldRun[]): readonly Compared[] =>
  told.flatMap(({ pipeline: of, pair, id, coverage, matchRatio }) => {
    if (of !== pipeline || !coverage) return []
    const { mode, share, estimated, says } = coverage
    return [{ pair, run: id, mode, share, estimated, says, ...(matchRatio === undefined ? {} : { matchRatio }) }]
  })

/** Notes every change of a pipeline's state, for the strips. Returns how to look at some pipelines again. */
export function stateNoter(db: Db, snapshot: () => Snapshot): (pipelines: readonly string[]) => Promise<void> {
  const last = new Map<string, PipelineState>()
  const nothing = drawnOf([], [])
  return async (touched) => {
    const now = timers.now()
    const only = narrowed(snapshot())
    const changes = snapshot()
      .catalog.pipelines.filter(({ id }) => touched.includes(id))
      // Before each of its checks was asked once, what a pipeline seems to be is only how we started.
      .filter(({ checks }) => checks.every(({ id, paused }) => paused || snapshot().standing.checks.get(id)?.lastRunAt))
      .map((pipeline) => ({
        pipeline: pipeline.id,
        at: now,
        state: rowOf(only(pipeline.id), pipeline, nothing, now).state,
      }))
      .filter(({ pipeline, state }) => last.get(pipeline) !== state)
    for (const { pipeline, state } of changes) last.set(pipeline, state)
    await noteStates(db, changes)
  }
}

/** Judges how the copies of a pipeline stand now, by the newest verdict of each of its pairs. */
export async function judgePipeline(db: Db, monitor: Monitor, pipeline: string): Promise<void> {
  const { told } = await pairTotals(db)
  const verdicts = told
    .filter((run) => run.pipeline === pipeline)
    .map((run) => ({
      pair: run.pair,
      at: run.endedAt ?? run.createdAt,
      ...(run.matchRatio === undefined ? {} : { matchRatio: run.matchRatio }),
      ...(run.counts ? { differingRecords: run.counts.missing + run.counts.extra + run.counts.changed } : {}),
    }))
  if (verdicts.length > 0) await monitor.judgeRuns(pipeline, verdicts)
}
