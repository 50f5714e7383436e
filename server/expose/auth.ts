import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { Fault } from '../fault.ts'
import type { Role, Tokens } from './reads.ts'

/** Least first: each role may do what those before it may. */
export const roles = ['viewer', 'operator', 'admin'] as const satisfies readonly Role[]

/** Who asks. */
export interface Identity {
  readonly name: string
  readonly role: Role
}

/** What a route asks for at least. `public` is said by name; a route that says nothing is closed to everybody. */
export type Least = Role | 'public'

const form = /^tly_[A-Za-z0-9_-]{43}$/

/** A new token: 32 random bytes. It is shown once; only its hash is kept. */
export function mintToken(random: (bytes: number) => Buffer = randomBytes): { token: string; sha256: string } {
  const token = `tly_${random(32).toString('base64url')}`
  return { token, sha256: sha256Of(token) }
}

const sha256Of = (token: string): string => createHash('sha256').update(token).digest('hex')

/**
 * Whose token this is. It is looked up by its hash, so the time a lookup takes says nothing of the token; what comes
 * back is compared again in constant time.
 */
export async function identify(tokens: Tokens, token: string): Promise<Identity | undefined> {
  if (!form.test(token)) return undefined
  const asked = sha256Of(token)
  const found = await tokens.find(asked)
  if (!found || !timingSafeEqual(Buffer.from(found.sha256, 'hex'), Buffer.from(asked, 'hex'))) return undefined
  return { name: found.name, role: found.role }
}

export const mayDo = (identity: Identity, least: Role): boolean => roles.indexOf(identity.role) >= roles.indexOf(least)

/** Whoever can reach a loopback address of a machine without tokens could as well open its files. */
export const local: Identity = { name: 'local', role: 'admin' }

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host)

/**
 * Refuses to listen where strangers can reach us before anybody has a token.
 * @throws Fault `config_invalid`.
 */
export function guardBinding(host: string, tokensExist: boolean): void {
  if (isLoopback(host) || tokensExist) return
  throw new Fault('config_invalid', `Listening on ${host} would let anybody in: there is no token yet.`, {
    hint: 'Create one with `npx tallyman token create --role admin`, or listen on 127.0.0.1.',
  })
}

const localNames = new Set(['localhost', '127.0.0.1', '[::1]'])

/** The header of a page that a browser was tricked into resolving to us names its own host, not ours. */
export const isLocalHost = (host: string | undefined): boolean =>
  host !== undefined && localNames.has(host.toLowerCase().replace(/:\d{1,5}$/, ''))

/** Whether the page that asks is one of ours. A request without an origin is not from a page's script. */
export function isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true
  try {
    return new URL(origin).host === host?.toLowerCase()
  } catch {
    return false
  }
}

const failuresMax = 10
const failureWindowMs = 60_000
const addressesMax = 1_000

/** Counts failed sign-ins by address, and forgets them after a minute. Memory is bounded: the oldest address goes first. */
export class SignInLimit {
  readonly #failures = new Map<string, { count: number; until: number }>()

  /** @throws Fault `limit_reached` when this address has failed too often of late. */
  check(address: string, now: number): void {
    const held = this.#failures.get(address)
    if (!held || held.until <= now || held.count < failuresMax) return
    throw new Fault('limit_reached', `${failuresMax} sign-ins from here have failed within a minute.`, {
      hint: `Wait ${Math.ceil((held.until - now) / 1_000)} s; the token itself is not locked.`,
    })
  }

  failed(address: string, now: number): void {
    const held = this.#failures.get(address)
    if (held && held.until > now) held.count += 1
    else {
      this.#failures.delete(address)
      this.#failures.set(address, { count: 1, until: now + failureWindowMs })
    }
    if (this.#failures.size > addressesMax) this.#failures.delete(this.#failures.keys().next().value!)
  }
}
