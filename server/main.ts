import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { probes } from '../checks/registry.ts'
import { openActions } from './compose/actions.ts'
import { catalogOf } from './compose/catalog.ts'
import { alone, electLeader } from './compose/leader.ts'
import { openLive } from './compose/live.ts'
import { openPair, pairNamed, pairsOf, type PlacedPair } from './compose/pairs.ts'
import { placed, readConfig } from './compose/place.ts'
import { storeReads, storeTokens } from './compose/reads.ts'
import { openSystems } from './compose/systems.ts'
import { timers } from './compose/timers.ts'
import { checksOf, judgePipeline, stateNoter, watchSteps } from './compose/watch.ts'
import { startWork, type Work } from './compose/work.ts'
import { loadConfig } from './config/load.ts'
import { problemsText } from './config/problem.ts'
import type { Config } from './config/schema.ts'
import { watchFile } from './config/watch-file.ts'
import { startDemo } from './demo/start.ts'
import { guardBinding } from './expose/auth.ts'
import { Feed } from './expose/feed.ts'
import { createMetrics } from './expose/metrics.ts'
import { serve } from './expose/serve.ts'
import { openStore } from './store/open.ts'
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
  readonly config: Config
  /** Resolves once everything has been let go of after the signal aborted. */
  ended(): Promise<void>
}

const demoSeed = 8_420
/** By then its sync has lost enough to be worth a look; a newcomer does not wait for the night. */
const demoFirstLookMs = 25_000
const lookEveryMs = 2_000
const graceMs = 5_000
/** A page or a check is told to be late when no turn has ended for this long. */
const stillMs = 120_000

/**
 * Composes everything: the one place that opens sockets and starts timers.
 * @throws Fault when it cannot start: a config that is wrong, a store that is locked, a port that is taken.
 */
export async function start(options: StartOptions): Promise<Started> {
  const { log, signal } = options
  setMaxListeners(0, signal)
  const complain = (message: string, cause: unknown) => log.error({ err: cause }, message)
  const closing: (() => Promise<unknown> | unknown)[] = []
  const close = async () => {
    for (const step of closing.splice(0).reverse()) {
      try {
        await step()
      } catch (cause) {
        complain('Something did not close in good order.', cause)
      }
    }
  }
  try {
    return await compose(options, { complain, closing, close })
  } catch (thrown) {
    await close()
    throw thrown
  }
}

interface Closing {
  complain(message: string, cause: unknown): void
  /** Undone in reverse order. */
  readonly closing: (() => Promise<unknown> | unknown)[]
  close(): Promise<void>
}

async function compose(options: StartOptions, { complain, closing, close }: Closing): Promise<Started> {
  const { log, signal, env, data } = options
  const origin = await configOrigin(options, { complain, closing })
  let config = readConfig(origin.text, { file: origin.file, env: origin.env, data })
  let configFault: string | undefined

  const store = await openStore(config.store)
  closing.push(() => store.close())
  const host = options.host ?? config.server.host
  const tokens = storeTokens(store.db)
  // Before anything is started: a refusal must not leave runs half taken.
  if (options.web) guardBinding(host, await tokens.any())

  const systems = openSystems((ms, callback) => void timers.after(ms, callback))
  closing.push(() => systems.close())
  await systems.replace(config.connections)

  const queue = await openQueue(store.url, (cause) => complain('The queue has a problem.', cause))
  closing.push(() => queue.stop(graceMs))
  const leader = store.kind === 'embedded' ? alone : await electLeader(store.url, { every: timers.every, complain })
  closing.push(() => leader.close())

  const timezone = Intl.DateTimeFormat().resolvedOptions().timeZone
  let pairs = pairsOf(config)
  let catalog = catalogOf(config, probes, timezone)
  let channels = openChannels(config)
  let url = ''
  let work: Work | undefined
  const metrics = createMetrics()
  const feed = new Feed({ after: timers.after, boot: randomUUID() })

  const dashboard = () => config.server.externalUrl ?? url
  const told = (notices: readonly string[]) =>
    void work?.send(notices).catch((cause: unknown) => complain('Notices could not be queued.', cause))
  const monitor = await openMonitor({
    checks: checksOf(config),
    steps: watchSteps({
      db: store.db,
      systems,
      leader,
      config: () => config,
      dashboard,
      told,
      ran: metrics.ran,
      complain,
    }),
    timers,
    signal,
  })
  const live = await openLive({
    store,
    catalog: () => catalog,
    pairs: () => pairs,
    standing: () => monitor.standing(),
    vitals: () => monitor.vitals(),
    isLeader: () => leader.isLeader(),
    facts: { version: options.version, revision: options.revision, startedAt: timers.now(), demo: origin.demo },
    configFault: () => configFault,
  })
  const note = stateNoter(store.db, live.snapshot)
  const pipelinesChanged = (pipelines: readonly string[]) => {
    feed.publish({ type: 'standing', pipelines })
    if (leader.isLeader())
      note(pipelines).catch((cause: unknown) => complain('A change of state was not noted.', cause))
  }
  closing.push(monitor.subscribe(pipelinesChanged))
  const runChanged = async (run: string, pipeline: string) => {
    await live.refresh()
    feed.publish({ type: 'run', run, pipelines: [pipeline] })
  }
  work = await startWork({
    store,
    queue,
    owner: `${hostname()}:${process.pid}:${randomUUID()}`,
    pairs: () => pairs,
    openPair: (id) => openPair(pairNamed(pairs, id), systems, { sleep: timers.sleep, standing: monitor.standing }),
    channel: (name) => channels.get(name),
    changed: ({ id, pipelineId }, ended) =>
      void (ended ? judgePipeline(store.db, monitor, pipelineId) : Promise.resolve())
        .then(() => runChanged(id, pipelineId))
        .catch((cause: unknown) => complain('A change of a run was not told.', cause)),
    complain,
    signal,
  })
  closing.push(work.stop)
  const look = () => void live.refresh().catch((cause: unknown) => complain('The store could not be looked at.', cause))
  closing.push(timers.every(lookEveryMs, look))
  pipelinesChanged(catalog.pipelines.map(({ id }) => id))
  const firstLookFailed = (cause: unknown) => complain('The first look of the demo failed.', cause)
  if (origin.demo)
    closing.push(timers.after(demoFirstLookMs, () => void firstLook(work!, pairs).catch(firstLookFailed)))

  if (options.web) {
    const reads = storeReads(store.db, {
      pair: (id) => pairs.find(({ spec }) => spec.id === id)?.spec,
      now: timers.now,
    })
    const served = await serve(
      {
        snapshot: live.snapshot,
        reads,
        actions: openActions({ db: store.db, monitor, work, pairs: () => pairs, runChanged }),
        tokens,
        readiness: () => readiness(store, monitor),
        feed,
        metrics,
        web: fileURLToPath(new URL('../web', import.meta.url)),
        now: timers.now,
        after: timers.after,
        complain,
      },
      { host, port: options.port ?? config.server.port },
    )
    url = served.url
    closing.push(() => served.close())
  }

  if (options.configFile) {
    watchFile({
      file: options.configFile,
      text: origin.text,
      read: (file) => readFile(file, 'utf8'),
      load: (text) => loadConfig(text, { file: origin.file, env, probes }),
      accept(next) {
        void adopt(placed(next, data)).catch((cause: unknown) =>
          complain('The new config could not be taken over.', cause),
        )
      },
      refuse(problems) {
        configFault = problemsText(problems)
        log.warn(`The new config is wrong and the old one stays in force:\n${configFault}`)
        feed.publish({ type: 'config' })
      },
      watch: (directory, changed) => watch(directory, (_, name) => changed(name)),
      after: timers.after,
      signal,
    })
  }
  const adopt = async (next: Config) => {
    await systems.replace(next.connections)
    config = next
    pairs = pairsOf(config)
    catalog = catalogOf(config, probes, timezone)
    channels = openChannels(config)
    configFault = undefined
    await monitor.replace(checksOf(config))
    log.info('The new config is in force.')
    feed.publish({ type: 'config' })
  }

  const aborted = new Promise<void>((done) => signal.addEventListener('abort', () => done()))
  return {
    url,
    config,
    async ended() {
      await aborted
      await monitor.ended()
      await close()
    },
  }
}

interface Origin {
  readonly text: string
  readonly file: string
  readonly env: StartOptions['env']
  readonly demo: boolean
}

/** The user's config file, or the demo, its databases and its sync worker started. */
async function configOrigin(
  { configFile, data, env, signal }: StartOptions,
  { complain, closing }: Pick<Closing, 'complain' | 'closing'>,
): Promise<Origin> {
  if (configFile) return { text: await readFile(configFile, 'utf8'), file: configFile, env, demo: false }
  const demo = await startDemo({ dataDirectory: data, clock: timers, seed: demoSeed, signal, complain })
  closing.push(() => demo.stop())
  return { text: demo.configText, file: 'demo.yaml', env: { ...env, ...demo.env }, demo: true }
}

async function firstLook(work: Work, pairs: readonly PlacedPair[]): Promise<void> {
  for (const { spec, pipeline } of pairs) {
    const run = { id: randomUUID(), pair: spec.id, pipeline, mode: 'full', trigger: 'schedule' } as const
    await work.request({ ...run, requestedBy: 'the demo' })
  }
}

const openChannels = ({ channels }: Config) =>
  new Map(Object.entries(channels).map(([name, channel]) => [name, channel.open(name)]))

async function readiness(
  store: Awaited<ReturnType<typeof openStore>>,
  monitor: Awaited<ReturnType<typeof openMonitor>>,
) {
  const answered = await store.ping().then(
    () => true,
    () => false,
  )
  const kind =
    store.kind === 'embedded' ? 'embedded: for one process and for trying out; production is Postgres' : 'Postgres'
  const { lastTurnAt } = monitor.vitals()
  const still = lastTurnAt !== undefined && timers.now().getTime() - lastTurnAt.getTime() > stillMs
  return {
    store: { ok: answered, detail: answered ? kind : 'the store does not answer' },
    scheduler: {
      ok: !still,
      detail: lastTurnAt ? `last turn at ${lastTurnAt.toISOString()}` : 'no turn has ended yet',
    },
  }
}
