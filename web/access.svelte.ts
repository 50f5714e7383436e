import type { Session } from './api.ts'

interface Door {
  session(): Promise<Session>
  signIn(token: string): Promise<Session>
  signOut(): Promise<void>
}

/** Who is looking, and what they may do. */
export class Access {
  #session = $state.raw<Session>()
  #fault = $state.raw<Error>()
  readonly #door: Door

  constructor(door: Door) {
    this.#door = door
  }

  get session() {
    return this.#session
  }
  get fault() {
    return this.#fault
  }
  /** A token is needed and none was given. */
  get shut() {
    return this.#session?.required === true && this.#session.role === null
  }
  /** May act, not only look. The server decides again; this only spares people buttons that would be refused. */
  get operates() {
    const session = this.#session
    return session !== undefined && (!session.required || session.role === 'operator' || session.role === 'admin')
  }

  async look() {
    try {
      this.#session = await this.#door.session()
      this.#fault = undefined
    } catch (cause) {
      this.#fault = cause instanceof Error ? cause : new Error(String(cause))
    }
  }

  /** Throws what the server answers to a wrong token. */
  async signIn(token: string) {
    await this.#door.signIn(token)
    await this.look()
  }

  async signOut() {
    await this.#door.signOut()
    await this.look()
  }
}
