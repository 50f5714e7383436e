import type { Probe } from '../../checks/probe.ts'
import type { Finding, Path } from './problem.ts'

/** A map of the file as it was read, before any schema has looked at it. */
export type Entry = Readonly<Record<string, unknown>>

export const isRecord = (value: unknown): value is Entry =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** For looking into a file that may have anything anywhere: what is not a map has no keys. */
export const recordOf = (value: unknown): Entry => (isRecord(value) ? value : {})

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

export function valueAt(value: unknown, path: Path): unknown {
  let at = value
  for (const part of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, part)) return undefined
    at = (at as Record<string | number, unknown>)[part]
  }
  return at
}

/** What a part of the file is held against: the rest of the file, whatever else may be wrong with it. */
export interface Surroundings {
  readonly probes: readonly Probe[]
  /** How a value may be shown: as the file has it where the environment was put in, so that no secret is. */
  show(path: Path, value: string): string
  /** Whether the value is not known: a reference in it leads nowhere. */
  isMissing(path: Path): boolean
  /** Nothing, or why this name is no connection to such a system. */
  connection(name: string, system: string | readonly string[], path: Path): readonly Finding[]
}
