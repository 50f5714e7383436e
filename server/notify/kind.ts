import type { z } from 'zod'
import type { Notice } from './notice.ts'

/** A notice as it leaves: `collapsed` tells a fire that was never delivered together with its end. */
export interface Outgoing {
  readonly notice: Notice
  readonly collapsed: boolean
}

export interface SendContext {
  readonly signal: AbortSignal
  readonly fetch: typeof globalThis.fetch
  readonly now: () => Date
}

/** `error` is shown to people and stored: it never holds the address, a header or a secret of the channel. */
export type SendOutcome =
  | { readonly state: 'sent' }
  | { readonly state: 'failed'; readonly error: string; readonly retryAfterMs?: number | undefined }

/** A way to reach people, opened. One attempt a call, bounded in time; only a shutdown is thrown. */
export interface Channel {
  readonly name: string
  send(outgoing: Outgoing, context: SendContext): Promise<SendOutcome>
}

/** A kind of channel: what the config says of it, and how it is opened. */
export interface ChannelKind<Settings extends z.ZodType = z.ZodType> {
  readonly name: string
  readonly settings: Settings
  open(name: string, settings: z.output<Settings>): Channel
}

/** Infers the settings of a kind. */
export function defineChannel<Settings extends z.ZodType>(kind: ChannelKind<Settings>): ChannelKind<Settings> {
  return kind
}
