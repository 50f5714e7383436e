import { createHmac, timingSafeEqual } from 'node:crypto'

/** The header that proves a delivery is ours and fresh: `t=<unix seconds>,sha256=<hex>`. */
export const signatureHeader = 'X-Tallyman-Signature'

const toleranceMs = 300_000
const form = /^t=(\d{1,12}),sha256=([0-9a-f]{64})$/

const digest = (secret: string, seconds: string, body: string) =>
  createHmac('sha256', secret).update(`${seconds}.${body}`).digest()

/** Signs the exact bytes of a body. The time is signed with it, so that an old delivery cannot be replayed. */
export function sign(secret: string, body: string, at: Date): string {
  const seconds = String(Math.floor(at.getTime() / 1_000))
  return `t=${seconds},sha256=${digest(secret, seconds, body).toString('hex')}`
}

export interface Received {
  readonly secret: string
  /** As it arrived, before any parsing. */
  readonly body: string
  readonly header: string | undefined
  readonly now: Date
}

/** Checks a delivery on the receiving side. `stale` is a signature older, or further ahead, than five minutes. */
export function verifySignature({ secret, body, header, now }: Received): 'valid' | 'malformed' | 'stale' | 'wrong' {
  const [, seconds, hex] = form.exec(header ?? '') ?? []
  if (!seconds || !hex) return 'malformed'
  if (!timingSafeEqual(digest(secret, seconds, body), Buffer.from(hex, 'hex'))) return 'wrong'
  return Math.abs(now.getTime() - Number(seconds) * 1_000) <= toleranceMs ? 'valid' : 'stale'
}
