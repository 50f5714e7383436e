import type { Channel, Outgoing, SendContext, SendOutcome } from './kind.ts'
import type { Notice } from './notice.ts'

const backoffMsMin = 5_000
const backoffMsMax = 900_000
const giveUpAfterMs = 86_400_000
/** Longer than any attempt: a mover that died is followed by another after this. */
const leaseMs = 120_000

/** How one notice stands in the outbox. */
export interface Entry {
  readonly notice: Notice
  readonly state: 'waiting' | 'delivered' | 'dead'
  readonly attempts: number
  /** Not to be tried before; absent when it was never tried. */
  readonly nextAt?: Date | undefined
}

/** What the outbox must be able to do. Its rows are the truth: a lost or repeated job only delays or repeats. */
export interface Outbox {
  /**
   * Takes the whole line of this notice (same incident, same channel) for `leaseMs`, oldest first, settled ones included.
   * Undefined when somebody else has it, or when there is no such notice.
   */
  claim(noticeId: string, leaseMs: number): Promise<readonly Entry[] | undefined>
  /** In one transaction: these are delivered (the fires a collapsed resolve has told with it), and the lease ends. */
  delivered(noticeIds: readonly string[], at: Date): Promise<void>
  /** One attempt for all of these failed; without `nextAt` they are dead. In one transaction; the lease ends. */
  failed(
    noticeIds: readonly string[],
    failure: { readonly error: string; readonly nextAt?: Date | undefined },
  ): Promise<void>
  /** Nothing was tried: the lease ends and nothing else changes. */
  release(noticeId: string): Promise<void>
}

/** What to do with a line now. */
type Step =
  | {
      readonly kind: 'send'
      readonly outgoing: Outgoing
      readonly attempts: number
      readonly settles: readonly string[]
    }
  | { readonly kind: 'wait'; readonly noticeId: string; readonly until: Date }
  | { readonly kind: 'nothing' }

/**
 * Decides what a line sends next. Never two at once and never out of order: the oldest waiting notice goes first,
 * unless the alert has resolved meanwhile. Then the resolve goes alone and says both, under its own id, because a
 * receiver that did see the fire drops a second delivery of that id.
 */
function nextStep(line: readonly Entry[], now: Date): Step {
  const waiting = line.filter(({ state }) => state === 'waiting')
  const resolve = waiting.findLastIndex(({ notice }) => notice.event === 'resolved')
  const entry = waiting[Math.max(resolve, 0)]
  if (!entry) return { kind: 'nothing' }

  const { notice, attempts, nextAt } = entry
  if (nextAt && nextAt > now) return { kind: 'wait', noticeId: notice.id, until: nextAt }

  const fires = line.filter((other) => other.notice.event === 'fired')
  const unheard = fires.length > 0 && !fires.some(({ state }) => state === 'delivered')
  const collapsed = notice.event === 'resolved' && unheard
  const settles = waiting.slice(0, Math.max(resolve, 0) + 1).map((other) => other.notice.id)
  return { kind: 'send', outgoing: { notice, collapsed }, attempts, settles }
}

/**
 * When to try again after `attempts` failures: 5 s, doubling up to 15 min, or what the receiver asked for when that is
 * later. Undefined once the notice is a day old: it is dead.
 */
export function nextAttempt(noticeAt: Date, attempts: number, now: Date, retryAfterMs = 0): Date | undefined {
  const waitMs = Math.max(Math.min(backoffMsMin * 2 ** (attempts - 1), backoffMsMax), retryAfterMs)
  const at = new Date(now.getTime() + waitMs)
  return at.getTime() - noticeAt.getTime() > giveUpAfterMs ? undefined : at
}

export interface DeliverSteps extends SendContext {
  readonly outbox: Outbox
  /** Undefined when the config no longer has it. */
  channel(name: string): Channel | undefined
}

/** What became of a line. `waiting` asks for another call at `until`. */
export type Delivery =
  | { readonly state: 'delivered'; readonly noticeIds: readonly string[] }
  | { readonly state: 'waiting'; readonly noticeId: string; readonly until: Date; readonly error?: string }
  | { readonly state: 'dead'; readonly noticeId: string; readonly error: string }
  | { readonly state: 'nothing' }

/**
 * Moves the line of one notice a step on. At least once: a crash after the receiver answered and before the outbox
 * knew sends the same id again. Calling it too often does no harm.
 */
export async function deliver(noticeId: string, steps: DeliverSteps): Promise<Delivery> {
  const line = await steps.outbox.claim(noticeId, leaseMs)
  if (!line) return { state: 'nothing' }

  const step = nextStep(line, steps.now())
  if (step.kind !== 'send') {
    await steps.outbox.release(noticeId)
    return step.kind === 'wait'
      ? { state: 'waiting', noticeId: step.noticeId, until: step.until }
      : { state: 'nothing' }
  }

  const outcome = await sent(step.outgoing, steps)
  if (outcome.state === 'sent') {
    await steps.outbox.delivered(step.settles, steps.now())
    return { state: 'delivered', noticeIds: step.settles }
  }
  return postponed(step, outcome, steps)
}

async function sent(outgoing: Outgoing, { channel, signal, fetch, now }: DeliverSteps): Promise<SendOutcome> {
  const { channel: name } = outgoing.notice
  const open = channel(name)
  if (!open) return { state: 'failed', error: `no channel "${name}" in the config` }
  return open.send(outgoing, { signal, fetch, now })
}

async function postponed(
  { outgoing: { notice }, attempts, settles }: Extract<Step, { kind: 'send' }>,
  { error, retryAfterMs }: Extract<SendOutcome, { state: 'failed' }>,
  { outbox, now }: DeliverSteps,
): Promise<Delivery> {
  const nextAt = nextAttempt(notice.at, attempts + 1, now(), retryAfterMs)
  await outbox.failed(settles, { error, nextAt })
  return nextAt
    ? { state: 'waiting', noticeId: notice.id, until: nextAt, error }
    : { state: 'dead', noticeId: notice.id, error }
}
