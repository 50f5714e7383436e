import { randomUUID } from 'node:crypto'
import type { Actions } from '../expose/reads.ts'
import { Fault } from '../fault.ts'
import type { Correction, Step } from '../reconcile/journal.ts'
import { acknowledgeAlert } from '../store/alerts.ts'
import { advance, proposedAmong, tally } from '../store/journal.ts'
import type { Db } from '../store/open.ts'
import { runDetail } from '../store/run-reads.ts'
import { pauseRun, resumeRun } from '../store/pause.ts'
import { cancelRun, settleWaiting, startApplying } from '../store/runs.ts'
import type { Monitor } from '../watch/monitor.ts'
import type { OpenPair } from '../work/runner.ts'
import { pairNamed, type PlacedPair } from './pairs.ts'
import { blockedBecause } from './reads.ts'
import { refuseMode } from './scope.ts'
import { scriptOf } from './script.ts'
import { timers } from './timers.ts'
import type { Work } from './work.ts'

export interface ActionParts {
  readonly db: Db
  readonly monitor: Monitor
  readonly work: Work
  pairs(): readonly PlacedPair[]
  /** @throws Fault `not_found`. */
  openPair(id: string): OpenPair
  /** Tells open pages that a run has changed. */
  runChanged(run: string, pipeline: string): Promise<void>
}

/** What an operator may set going, whoever asks: dashboard, API or command line. */
export function openActions({ db, monitor, work, pairs, openPair, runChanged }: ActionParts): Actions {
  const changed = async (run: string) => {
    const found = await runDetail(db, run)
    if (found) await runChanged(run, found.pipeline)
  }
  return {
    async runCheck(id) {
      const { trace } = await monitor.runNow(id)
      return { standing: monitor.standing().checks.get(id)!, trace }
    },
    async requestRun({ pair, mode: asked, seed, actor, trigger }) {
      const { pipeline, spec } = pairNamed(pairs(), pair)
      const mode = asked ?? spec.mode
      refuseMode(spec, mode)
      const id = randomUUID()
      await work.request({ id, pair, pipeline, mode, trigger, requestedBy: actor, ...(seed ? { seed } : {}) })
      await runChanged(id, pipeline)
      return id
    },
    async cancelRun(run, actor) {
      await cancelRun(db, run, actor)
      // One that nobody works on, because it is paused or waits for its time, is taken to be ended.
      await work.goOn(run)
      await changed(run)
    },
    async pauseRun(run, actor) {
      await pauseRun(db, run, actor)
      await changed(run)
    },
    async resumeRun(run, actor) {
      await resumeRun(db, run, actor)
      await work.goOn(run)
      await changed(run)
    },
    script: (request) => scriptOf(db, openPair, request),
    async decide({ run, verdict, ids, actor }) {
      const found = await runDetail(db, run)
      if (!found) throw new Fault('not_found', `There is no run ${run}.`, { hint: 'GET /api/v1/runs lists them.' })
      const spec = pairs().find((pair) => pair.spec.id === found.pair)?.spec
      const blocked = verdict === 'approve' ? blockedBecause(found, spec) : undefined
      if (blocked)
        throw new Fault('guard_tripped', blocked, { hint: 'Nothing was approved and nothing will be written.' })

      const decided = await decideAll(db, { run, pair: found.pair, verdict, ids, actor })
      if (decided > 0 && verdict === 'approve' && (await startApplying(db, run))) await work.goOn(run)
      if (!(await tally(db, run)).proposed) await settleWaiting(db, run)
      await runChanged(run, found.pipeline)
      return decided
    },
    async acknowledge({ incident, actor, comment }) {
      await acknowledgeAlert(db, { incident, actor, comment, at: timers.now() })
      monitor.acknowledge(incident, actor)
    },
  }
}

async function decideAll(
  db: Db,
  request: { run: string; pair: string; verdict: 'approve' | 'reject'; ids: readonly string[] | 'all'; actor: string },
): Promise<number> {
  const proposed = await proposedAmong(db, request.run, request.ids)
  const to = request.verdict === 'approve' ? 'approved' : 'rejected'
  const steps = proposed.map((correction) => decisionStep(correction, to, request.actor))
  const moved = await advance(db, { id: request.run, pairId: request.pair }, steps)
  return moved.size
}

const decisionStep = ({ id, difference, decision }: Correction, to: 'approved' | 'rejected', by: string): Step => ({
  id,
  from: 'proposed',
  to,
  message: null,
  audit: {
    event: to,
    on: decision.on,
    action: decision.action,
    key: difference.key,
    before: (decision.on === 'target' ? difference.target : difference.source) ?? null,
    after: decision.action === 'delete' ? null : decision.values,
    reason: decision.reason,
    by,
  },
})
