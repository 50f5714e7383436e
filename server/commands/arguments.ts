import { parseArgs, type ParseArgsConfig } from 'node:util'
import { durationMs } from '../connect/duration-text.ts'
import { Fault } from '../fault.ts'

/**
 * Reads flags and positional arguments, strictly.
 * @throws Fault `usage` with the line that would be right.
 */
export function readArguments<Options extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Options,
  line: string,
) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (thrown) {
    // Node's own words name the flag, then go on about its command line in general.
    const [message] = (thrown as Error).message.split('. ')
    throw new Fault('usage', `${message}.`, { hint: `Usage: tallyman ${line}`, cause: thrown })
  }
}

/** A URL as given, or `env:NAME` from the environment. @throws Fault `usage`. */
export function urlArgument(text: string, env: NodeJS.ProcessEnv): string {
  if (!text.startsWith('env:')) return text
  const name = text.slice('env:'.length)
  const url = env[name]
  if (!url) {
    throw new Fault('usage', `${name} is not in the environment.`, {
      hint: `Set it to the URL, or write the URL itself.`,
    })
  }
  return url
}

/** A whole number within bounds. @throws Fault `usage` naming the flag. */
export function countArgument(flag: string, text: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
  const count = Number(text)
  if (Number.isSafeInteger(count) && count >= min && count <= max && text.trim() !== '') return count
  const bounds = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
  throw new Fault('usage', `--${flag} takes a whole number ${bounds}.`, { hint: `It was given "${text}".` })
}

/** Milliseconds of a length of time such as `10m`. @throws Fault `usage` naming the flag. */
export function durationArgument(flag: string, text: string): number {
  const ms = durationMs(text)
  if (ms !== undefined) return ms
  throw new Fault('usage', `--${flag} takes a duration such as 30s, 10m or 2h.`, { hint: `It was given "${text}".` })
}

/** A share, 0 to 1. @throws Fault `usage` naming the flag. */
export function shareArgument(flag: string, text: string): number {
  const share = Number(text)
  if (share >= 0 && share <= 1 && text.trim() !== '') return share
  throw new Fault('usage', `--${flag} takes a share from 0 to 1.`, { hint: `It was given "${text}".` })
}
