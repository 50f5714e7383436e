import type { After } from './feed.ts'
import type { TokenRow, Tokens } from './reads.ts'

/** A store that answers at all answers by then. */
const patienceMs = 250

/**
 * Tokens as the store has them, or as it last had them while it does not answer: `/metrics` must go on when the store
 * hangs. Only what was found is remembered, so there is no more of it than there are tokens.
 */
export function rememberTokens(tokens: Tokens, after: After): Tokens {
  const known = new Map<string, TokenRow>()
  let exist: boolean | undefined
  const within = <T>(fresh: Promise<T>, last: T): Promise<T> =>
    new Promise((resolve, reject) => {
      const callOff = after(patienceMs, () => resolve(last))
      fresh.then(resolve, reject).finally(callOff)
    })
  return {
    find(sha256) {
      const fresh = tokens.find(sha256).then((row) => {
        if (row) known.set(sha256, row)
        else known.delete(sha256)
        return row
      })
      const last = known.get(sha256)
      return last ? within(fresh, last) : fresh
    },
    any() {
      const fresh = tokens.any().then((found) => (exist = found))
      return exist === undefined ? fresh : within(fresh, exist)
    },
  }
}
