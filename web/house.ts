import { createContext } from 'svelte'
import type { Access } from './access.svelte.ts'
import type { Overview } from './api.ts'
import type { Clock } from './clock.svelte.ts'
import type { Live } from './live.svelte.ts'
import type { Router } from './router.svelte.ts'
import type { Stream } from './stream.svelte.ts'

/** What every page may ask for: made once in App.svelte, handed down, never global. */
export interface House {
  readonly clock: Clock
  readonly stream: Stream
  readonly router: Router
  readonly access: Access
  readonly overview: Live<Overview>
  /** The zone all instants are told in: the server's, until known the browser's. */
  readonly timezone: string
}

export const [house, provideHouse] = createContext<House>()
