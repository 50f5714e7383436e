import { randomUUID } from 'node:crypto'
import { readConfigFile } from '../config/file.ts'
import { startDemo } from '../demo/start.ts'
import type { PlacedPair } from './pairs.ts'
import { timers } from './timers.ts'
import type { Work } from './work.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Where the config comes from: the user's file, or the demo. */
export interface Origin {
  readonly text: string
  readonly file: string
  readonly env: Environment
  readonly demo: boolean
  close(): Promise<void>
}

export interface OriginOptions {
  readonly configFile?: string
  readonly data: string
  readonly env: Environment
  readonly signal: AbortSignal
  complain(message: string, cause: unknown): void
}

const demoSeed = 8_420
/** By then its sync has lost enough to be worth a look; a newcomer does not wait for the night. */
const demoFirstLookMs = 25_000

/** Reads the user's config file, or starts the demo: its databases and its sync worker. */
export async function openOrigin({ configFile, data, env, signal, complain }: OriginOptions): Promise<Origin> {
  if (configFile) {
    return { text: await readConfigFile(configFile), file: configFile, env, demo: false, close: async () => {} }
  }
  const demo = await startDemo({ dataDirectory: data, clock: timers, seed: demoSeed, signal, complain })
  return { text: demo.configText, file: 'demo.yaml', env: { ...env, ...demo.env }, demo: true, close: demo.stop }
}

/** Compares the demo's copies once, soon after the start. Returns how to call it off. */
export const lookSoon = (work: Work, pairs: readonly PlacedPair[], complain: OriginOptions['complain']) =>
  timers.after(demoFirstLookMs, () => {
    const asked = pairs.map(({ spec, pipeline }) =>
      work.request({
        id: randomUUID(),
        pair: spec.id,
        pipeline,
        mode: 'full',
        trigger: 'schedule',
        requestedBy: 'the demo',
      }),
    )
    // A pair that somebody is reconciling already needs no second look.
    void Promise.allSettled(asked).then((outcomes) => {
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') complain('The demo did not look.', outcome.reason)
    })
  })
