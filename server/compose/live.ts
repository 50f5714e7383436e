import type { Monitor as MonitorFacts, PairStanding, Snapshot } from '../expose/reads.ts'
import type { Standing } from '../evaluate/standing.ts'
import { allDues } from '../store/dues.ts'
import type { Store } from '../store/open.ts'
import { channelTotals } from '../store/outbox.ts'
import { pairTotals } from '../store/run-reads.ts'
import type { Vitals } from '../watch/monitor.ts'
import type { InForce } from './in-force.ts'
import type { PlacedPair } from './pairs.ts'

type Known = Awaited<ReturnType<typeof read>>

export interface LiveParts {
  readonly store: Store
  force(): InForce
  standing(): Standing
  vitals(): Vitals
  isLeader(): boolean
  readonly facts: Pick<MonitorFacts, 'version' | 'revision' | 'startedAt' | 'demo'>
}

/** What `/metrics` and the pages read without waiting: the standing of the checks, and the newest look at the store. */
export interface Live {
  snapshot(): Snapshot
  /** Looks at the store again. Several calls at once make one look. */
  refresh(): Promise<void>
}

export async function openLive(parts: LiveParts): Promise<Live> {
  let known = await read(parts.store)
  let looking: Promise<void> | undefined
  const look = async () => {
    known = await read(parts.store)
  }
  return {
    snapshot: () => ({
      catalog: parts.force().catalog,
      standing: parts.standing(),
      pairs: parts.force().pairs.map((pair) => pairStanding(pair, known)),
      monitor: monitorFacts(parts, known),
    }),
    refresh: () => (looking ??= look().finally(() => (looking = undefined))),
  }
}

const read = async ({ db }: Store) => ({
  totals: await pairTotals(db),
  channels: await channelTotals(db),
  dues: await allDues(db),
})

function pairStanding({ pipeline, spec: { id } }: PlacedPair, { totals, dues }: Known): PairStanding {
  const of = <T extends { pair: string }>(rows: readonly T[]) => rows.filter(({ pair }) => pair === id)
  const [last] = of(totals.told)
  const [unverified] = of(totals.verified)
  const [running] = of(totals.running)
  const [waiting] = of(totals.waiting)
  const started = of(totals.started)
  const written = of(totals.written)
  const starts = started.flatMap(({ lastStartAt }) => lastStartAt?.getTime() ?? [])
  const due = dues.flatMap(({ pairId, at }) => (pairId === id || pairId.startsWith(`${id}/`) ? [at.getTime()] : []))
  const inState = (action: string, ...states: readonly string[]) =>
    written
      .filter((row) => row.action === action && states.includes(row.state))
      .reduce((sum, { rows }) => sum + rows, 0)
  const actions = [...new Set(written.map(({ action }) => action))]
  return {
    pair: id,
    pipeline,
    runs: started.map(({ trigger, runs }) => ({ trigger, count: runs })),
    failures: of(totals.failed).map(({ trigger, reason, runs }) => ({ trigger, reason, count: runs })),
    corrections: actions.map((action) => ({
      action,
      applied: inState(action, 'applied'),
      failed: inState(action, 'failed'),
    })),
    pending: actions.reduce((sum, action) => sum + inState(action, 'proposed', 'approved', 'applying'), 0),
    ...(last ? { last } : {}),
    ...(last?.endedAt ? { lastSuccessAt: last.endedAt } : {}),
    ...(running ? { running: underWay(running) } : {}),
    ...(waiting ? { review: waiting.run } : {}),
    ...(starts.length > 0 ? { lastStartAt: new Date(Math.max(...starts)) } : {}),
    ...(unverified ? { unverifiedSince: unverified.at } : {}),
    ...(due.length > 0 ? { nextAt: new Date(Math.min(...due)) } : {}),
  }
}

const underWay = ({ run, progress, waiting }: Known['totals']['running'][number]) => ({
  run,
  progress: share(progress),
  ...(waiting ? { waiting } : {}),
})

const share = (progress: Known['totals']['running'][number]['progress']) =>
  progress && progress.slicesTotal > 0 ? progress.slicesDone / progress.slicesTotal : 0

function monitorFacts(parts: LiveParts, { channels }: Known): MonitorFacts {
  const { lastTurnAt, schedulerLagMs } = parts.vitals()
  const oldest = channels.flatMap(({ oldestWaitingAt }) => oldestWaitingAt?.getTime() ?? [])
  const { fault } = parts.force()
  const checks = [...parts.standing().checks.values()]
  return {
    ...parts.facts,
    leader: parts.isLeader(),
    store: parts.store.kind,
    channels: channels.map(({ channel, sent, failed }) => ({ channel, sent, failed })),
    noticesWaiting: channels.reduce((sum, { waiting }) => sum + waiting, 0),
    evaluations: {
      total: checks.reduce((sum, { runs }) => sum + runs, 0),
      failures: 0,
      ...(lastTurnAt ? { lastAt: lastTurnAt } : {}),
    },
    ...(lastTurnAt ? { lastCycleAt: lastTurnAt } : {}),
    ...(schedulerLagMs === undefined ? {} : { schedulerLagMs }),
    ...(fault ? { configFault: fault } : {}),
    ...(oldest.length > 0 ? { oldestNoticeAt: new Date(Math.min(...oldest)) } : {}),
  }
}
