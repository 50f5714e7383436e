/** The environment as a process has it; handed in, so that tests and reloads say what they mean. */
export type Environment = Readonly<Record<string, string | undefined>>

export interface Substituted {
  readonly text: string
  /** What was put in, by variable. A default stands in the file anyway and is not among them. */
  readonly used: ReadonlyMap<string, string>
  /** Whether anything was replaced, by a variable or by a default. */
  readonly referred: boolean
  /** Names that are not set and have no default, in order. */
  readonly missing: readonly string[]
  readonly malformed: boolean
}

const reference = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{/g

/**
 * Replaces `${NAME}` and `${NAME:-default}` in one value of the config. The default also stands in for an empty
 * variable, as in a shell. `$${` is a literal `${`.
 *
 * It is given values, never the file: a secret that contains `: ` or a line break stays one value.
 */
export function substitute(text: string, env: Environment): Substituted {
  const missing: string[] = []
  const used = new Map<string, string>()
  let referred = false
  let malformed = false
  const replaced = text.replaceAll(reference, (whole, name: string | undefined, otherwise: string | undefined) => {
    if (whole === '$${') return '${'
    if (name === undefined) {
      malformed = true
      return whole
    }
    referred = true
    const value = env[name]
    if (!value && otherwise !== undefined) return otherwise
    if (value === undefined) {
      missing.push(name)
      return whole
    }
    used.set(name, value)
    return value
  })
  return { text: replaced, used, referred, missing, malformed }
}
