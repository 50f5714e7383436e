/**
 * What can be wrong with the demo's sync worker and with what people type into its CRM. Each is a way real pipelines
 * break; none of them touches a number that is measured.
 */
export type Flaw =
  /** The consumer of orders is slower than they come in. */
  | 'throttled'
  /** Somebody in the CRM writes UK for GB, which billing refuses. */
  | 'misspelt'
  /** The misspelt rows are corrected and sent again. */
  | 'mended'
  /** The worker dies between writing payments and acknowledging them, so that they are delivered again. */
  | 'redelivered'
  /** An exception is swallowed: the event is acknowledged and was not written. */
  | 'lossy'
  /** Names are cut to the width of an older form. */
  | 'truncating'
  /** NULL is written as an empty text. */
  | 'nulls-lost'
  /** Two consumers share a queue without keeping the order within a key: old states and deleted rows come back. */
  | 'unordered'
  /** Billing's own staff correct phone numbers, as agreed: there, billing is right. */
  | 'phones-corrected'

interface Window {
  readonly everyS: number
  readonly fromS: number
  readonly toS: number
}

const lagCycleS = 360
const driftCycleS = 1_800

/** When each flaw is on, in seconds since the worker started: all of them within the first minute, then in cycles. */
const windows: Readonly<Record<Flaw, Window>> = {
  throttled: { everyS: lagCycleS, fromS: 6, toS: 120 },
  misspelt: { everyS: lagCycleS, fromS: 4, toS: 26 },
  mended: { everyS: lagCycleS, fromS: 280, toS: 290 },
  redelivered: { everyS: lagCycleS, fromS: 4, toS: 24 },
  lossy: { everyS: driftCycleS, fromS: 3, toS: 48 },
  truncating: { everyS: driftCycleS, fromS: 3, toS: 48 },
  'nulls-lost': { everyS: driftCycleS, fromS: 3, toS: 48 },
  unordered: { everyS: driftCycleS, fromS: 3, toS: 48 },
  'phones-corrected': { everyS: driftCycleS, fromS: 5, toS: 45 },
}

/** The flaws that are on at a time since the start. Pure. */
export function flawsAt(elapsedMs: number): ReadonlySet<Flaw> {
  const on = (Object.keys(windows) as Flaw[]).filter((flaw) => {
    const { everyS, fromS, toS } = windows[flaw]
    const s = (elapsedMs / 1_000) % everyS
    return s >= fromS && s < toS
  })
  return new Set(on)
}
