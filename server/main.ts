import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { openActions } from './compose/actions.ts'
import { inForce } from './compose/in-force.ts'
import { alone, electLeader, follower } from './compose/leader.ts'
import { openLive } from './compose/live.ts'
import { lookSoon, openOrigin } from './compose/origin.ts'
import { openPair, pairNamed } from './compose/pairs.ts'
import { placed, readConfig } from './compose/place.ts'
import { readiness } from './compose/readiness.ts'
import { storeReads, storeTokens } from './compose/reads.ts'
import { reloadConfig } from './compose/reload.ts'
import { openSystems } from './compose/systems.ts'
import { timers } from './compose/timers.ts'
import { checksOf, judgePipeline, stateNoter, watchSteps } from './compose/watch.ts'
import { startWork, type Work } from './compose/work.ts'
import { guardBinding } from './expose/auth.ts'
import { Feed } from './expose/feed.ts'
import { createMetrics } from './expose/metrics.ts'
import { serve } from './expose/serve.ts'
import { openStore } from './store/open.ts'
import { noteAbsence } from './store/states.ts'
import { openMonitor } from './watch/monitor.ts'
import { openQueue } from './work/queue.ts'

export interface StartOptions {
  /** Without one the demo runs. */
  readonly configFile?: string
  /** The directory of everything embedded. */
  readonly data: string
  readonly port?: number
  readonly host?: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** False for a worker: no dashboard, no API, no metrics. */
  readonly web: boolean
  readonly version: string
  readonly revision: string
  readonly log: Logger
  /** Ends it in good order. */
  readonly signal: AbortSignal
}

export interface Started {
  /** Where the dashboard is; empty for a worker. */
  readonly url: string
  /** Resolves once everything has been let go of after the signal aborted. */
  ended(): Promise<void>
}

interface Ends {
  complain(message: string, cause: unknown): void
  /** Notes how to undo what was just opened; undone in reverse order. */
  later(undo: () => unknown): void
}

const lookEveryMs = 2_000
const graceMs = 5_000

/**
 * Composes everything: the one place that opens sockets and starts timers.
 * @throws Fault when it cannot start: a config that is wrong, a store that is locked, a port that is taken.
 */
export async function start(options: StartOptions): Promise<Started> {
  const { log, signal } = options
  // Every check and run under way listens to it.
  setMaxListeners(0, signal)
  const complain = (message: string, cause: unknown) => log.error({ err: cause }, message)
  const undos: (() => unknown)[] = []
  const close = async () => {
    for (const undo of undos.splice(0).reverse()) {
      await Promise.resolve()
        .then(undo)
        .catch((cause: unknown) => complain('Something did not close in good order.', cause))
    }
  }
  const aborted = new Promise<void>((done) => signal.addEventListener('abort', () => done()))
  try {
    const { url, settled } = await compose(options, { complain, later: (undo) => undos.push(undo) })
    return {
      url,
      async ended() {
        await aborted
        await settled()
        await close()
      },
    }
  } catch (thrown) {
    await close()
    throw thrown
  }
}

async function compose(options: StartOptions, { complain, later }: Ends) {
  const { log, signal, data } = options
  const origin = await openOrigin({ ...options, complain })
  later(origin.close)
  let force = inForce(readConfig(origin.text, { file: origin.file, env: origin.env, data }))

  const store = await openStore(force.config.store)
  later(store.close)
  const { db } = store
  const tokens = storeTokens(db)
  const host = options.host ?? force.config.server.host
  // Before anything is started: a refusal must not leave runs half taken.
  if (options.web) guardBinding(host, await tokens.any())

  const systems = openSystems(timers.after)
  later(systems.close)
  await systems.replace(force.config.connections)
  const queue = await store.alone(() => openQueue(store.url, (cause) => complain('The queue has a problem.', cause)))
  later(() => queue.stop(graceMs))
  const elected = () => (store.kind === 'embedded' ? alone : electLeader(store.url, { every: timers.every, complain }))
  // A worker never leads: who runs the checks also exports them, and a worker exports nothing.
  const leader = options.web ? await elected() : follower
  later(leader.close)

  const feed = new Feed({ after: timers.after, boot: randomUUID() })
  const metrics = createMetrics()
  let url = ''
  // The monitor tells of notices, and the work that moves them is opened after it.
  const moving: { work?: Work } = {}
  const quietly = (what: string, job: Promise<unknown> | undefined) =>
    void job?.catch((cause: unknown) => complain(what, cause))

  const monitor = await openMonitor({
    checks: checksOf(force.config),
    steps: watchSteps({
      db,
      systems,
      leader,
      config: () => force.config,
      dashboard: () => force.config.server.externalUrl ?? url,
      told: (notices) => quietly('Notices could not be queued.', moving.work?.send(notices)),
      ran: metrics.ran,
      complain,
    }),
    timers,
    signal,
  })
  const live = await openLive({
    store,
    force: () => force,
    standing: () => monitor.standing(),
    vitals: () => monitor.vitals(),
    isLeader: () => leader.isLeader(),
    facts: {
      version: options.version,
      revision: options.revision,
      startedAt: timers.now(),
      demo: origin.demo,
    },
  })
  const look = async () => {
    // Whoever leads records the turns; the others read them.
    if (!leader.isLeader()) await monitor.refresh()
    await live.refresh()
  }
  later(timers.every(lookEveryMs, () => quietly('The store could not be looked at.', look())))

  const note = stateNoter(db, live.snapshot)
  await noteAbsence(db)
  const pipelinesChanged = (pipelines: readonly string[]) => {
    feed.publish({ type: 'standing', pipelines })
    if (leader.isLeader()) quietly('A change of state was not noted.', note(pipelines))
  }
  later(monitor.subscribe(pipelinesChanged))
  const runChanged = async (run: string, pipeline: string) => {
    await live.refresh()
    feed.publish({ type: 'run', run, pipelines: [pipeline] })
  }

  const opened = (id: string) =>
    openPair(pairNamed(force.pairs, id), systems, { sleep: timers.sleep, standing: monitor.standing })
  const work = (moving.work = await startWork({
    store,
    queue,
    owner: `${hostname()}:${process.pid}:${randomUUID()}`,
    pairs: () => force.pairs,
    openPair: opened,
    channel: (name) => force.channels.get(name),
    async changed({ id, pipelineId }, ended) {
      if (ended) await judgePipeline(db, monitor, pipelineId)
      await runChanged(id, pipelineId)
    },
    complain,
    signal,
  }))
  later(work.stop)
  if (origin.demo) later(lookSoon(work, force.pairs, complain))

  if (options.web) {
    const served = await serve(
      {
        snapshot: live.snapshot,
        reads: storeReads(db, { pair: (id) => force.pairs.find(({ spec }) => spec.id === id)?.spec, now: timers.now }),
        actions: openActions({ db, monitor, work, pairs: () => force.pairs, openPair: opened, runChanged }),
        tokens,
        readiness: () => readiness(store, monitor, leader),
        feed,
        metrics,
        web: fileURLToPath(new URL('../web', import.meta.url)),
        now: timers.now,
        after: timers.after,
        complain,
      },
      { host, port: options.port ?? force.config.server.port },
    )
    url = served.url
    later(served.close)
  }
  if (options.configFile) {
    reloadConfig({
      file: options.configFile,
      text: origin.text,
      env: origin.env,
      signal,
      async adopt(config) {
        await systems.replace(config.connections)
        force = inForce(placed(config, data))
        await monitor.replace(checksOf(force.config))
        log.info('The new config is in force.')
        feed.publish({ type: 'config' })
      },
      refuse(problems) {
        force = { ...force, fault: problems }
        log.warn(`The new config is wrong and the old one stays in force:\n${problems}`)
        feed.publish({ type: 'config' })
      },
      complain,
    })
  }
  return { url, settled: () => monitor.ended() }
}
