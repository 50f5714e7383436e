import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { program } from '../services/debian.ts'
import { runFolder } from '../services/run.ts'
import type { Counts } from './data.ts'

/** What one program, run once from its start to its end, cost and said. */
export interface Ran {
  readonly seconds: number
  readonly peakBytes: number
  /** Of the program alone, not of the servers that it asked. */
  readonly cpuSeconds: number
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface Outcome {
  readonly seconds: number
  readonly peakBytes?: number
  readonly cpuSeconds?: number
  readonly statements?: number
  readonly bytesRead?: number
  /** What it says differs, where it says so; held against what does. */
  readonly found?: Counts
}

export interface Contender {
  readonly name: string
  /** A limit is what the others are divided by, ours must answer right, and peers are told about if they do not. */
  readonly is: 'limit' | 'ours' | 'peer' | 'context'
  run(): Promise<Outcome>
}

/** What a contender did over the rounds. */
export interface Standing extends Pick<Contender, 'name' | 'is'> {
  readonly outcomes: Outcome[]
  /** What it got wrong. */
  wrong?: string
  /** Why it could not run; it is out then. */
  failed?: string
}

/** Its output goes to files, so that reading it costs the machine nothing while it runs. The peak is the kernel's own. */
export async function ran(command: string, args: readonly string[]): Promise<Ran> {
  const time = await program({ binary: 'time', package: 'time' })
  const [told, out, err] = ['told', 'out', 'err'].map((name) => join(runFolder(), `${name}.txt`)) as [
    string,
    string,
    string,
  ]
  const [stdout, stderr] = [openSync(out, 'w'), openSync(err, 'w')]
  const from = performance.now()
  const child = spawn(time, ['-q', '-o', told, '-f', '%M %U %S', command, ...args], {
    stdio: ['ignore', stdout, stderr],
  })
  const [code] = (await once(child, 'exit')) as [number | null]
  const seconds = (performance.now() - from) / 1_000
  closeSync(stdout)
  closeSync(stderr)
  const [peak, user, system] = (await readFile(told, 'utf8')).trim().split(' ').map(Number) as [number, number, number]
  const [text, complaint] = [await readFile(out, 'utf8'), await readFile(err, 'utf8')]
  const costs = { seconds, peakBytes: peak * 1_024, cpuSeconds: user + system }
  return { ...costs, code: code ?? -1, stdout: text, stderr: complaint }
}

/** Seconds that some work takes. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now()
  await work()
  return (performance.now() - from) / 1_000
}

/**
 * Lets contenders take turns, round by round, so that whatever else the machine does falls on all alike. The first round
 * fills the caches and is not counted.
 */
export async function compete(contenders: readonly Contender[], rounds: number, expected: Counts): Promise<Standing[]> {
  const field = contenders.map((contender) => ({
    contender,
    standing: { name: contender.name, is: contender.is, outcomes: [] } as Standing,
  }))
  for (let round = 0; round <= rounds; round++) {
    console.log(round === 0 ? '  warming up' : `  round ${round} of ${rounds}`)
    for (const { contender, standing } of field) {
      if (standing.failed !== undefined) continue
      try {
        const outcome = await contender.run()
        const wrong = wrongIn(outcome.found, expected)
        if (wrong !== undefined) standing.wrong = wrong
        if (round > 0) standing.outcomes.push(outcome)
      } catch (cause) {
        standing.failed = cause instanceof Error ? cause.message : String(cause)
      }
    }
  }
  return field.map(({ standing }) => standing)
}

function wrongIn(found: Counts | undefined, expected: Counts): string | undefined {
  if (!found) return undefined
  const kinds = ['missing', 'extra', 'changed'] as const
  const wrong = kinds.filter((kind) => found[kind] !== expected[kind])
  return wrong.length === 0 ? undefined : wrong.map((kind) => `${found[kind]} of ${expected[kind]} ${kind}`).join(', ')
}

export const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? NaN
