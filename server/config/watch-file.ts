import { createHash } from 'node:crypto'
import { basename, dirname } from 'node:path'
import type { Loaded } from './load.ts'
import type { Problem } from './problem.ts'
import type { Config } from './schema.ts'

const settleMs = 200
/** Network file systems and some containers report no changes at all, so the file is also looked at now and then. */
const lookMs = 10_000
/** An editor may move the old file away before it puts the new one there. */
const absencesMax = 10

export interface WatchFile {
  readonly file: string
  /** What is in force, so that a save without a change is none. */
  readonly text: string
  /** The text of the file, whole. */
  read(file: string): Promise<string>
  load(text: string): Loaded
  /** Takes a config into force. Not to throw: nobody is there to hear it. */
  accept(config: Config): void
  /** The old config stays in force. */
  refuse(problems: readonly Problem[]): void
  /** Calls back on every change of a name in the directory until it is closed; null is a change of an unknown name. */
  watch(directory: string, changed: (name: string | null) => void): { close(): void }
  /** Calls back once after `ms`; the returned function calls it off. */
  after(ms: number, callback: () => void): () => void
  readonly signal: AbortSignal
}

/**
 * Takes a changed config file into force, or says why not. The directory is watched, not the file: editors and
 * Kubernetes replace a file by a rename, after which a watch on the old one hears nothing more.
 *
 * A change is read once the file has been left alone for 200 ms; one that no event told of, within 10 s. Each content
 * is judged once. Ends when the signal aborts.
 */
export function watchFile({ file, read, load, accept, refuse, watch, after, signal, text }: WatchFile): void {
  let judged = digestOf(text)
  let absences = 0
  let callOff = () => {}
  let looking = false
  let changed = false

  const lookIn = (ms: number) => {
    callOff()
    if (!signal.aborted) callOff = after(ms, () => void look())
  }

  const look = async () => {
    looking = true
    changed = false
    const nextMs = await judge()
    looking = false
    // What changed while it was read may or may not have been in what was read.
    lookIn(changed ? settleMs : nextMs)
  }

  const heard = () => {
    changed = true
    // Two looks at once would judge one content twice.
    if (!looking) lookIn(settleMs)
  }

  const judge = async (): Promise<number> => {
    let found: string
    try {
      found = await read(file)
    } catch (thrown) {
      return absent(thrown)
    }
    absences = 0
    if (signal.aborted || digestOf(found) === judged) return lookMs
    judged = digestOf(found)
    const loaded = load(found)
    if ('config' in loaded) accept(loaded.config)
    else refuse(loaded.problems)
    return lookMs
  }

  const absent = (thrown: unknown): number => {
    absences += 1
    if (absences < absencesMax) return settleMs
    if (absences === absencesMax && !signal.aborted) {
      // Judged anew when it is back, even with the old content: the refusal must end.
      judged = ''
      const { code = 'unknown error' } = ((thrown as Error).cause ?? thrown) as { code?: string }
      const hint = 'put the file back, or allow this process to read it'
      refuse([{ file, line: 1, column: 1, path: '', message: `cannot be read (${code})`, hint }])
    }
    return lookMs
  }

  const watcher = watch(dirname(file), (name) => {
    // Kubernetes swaps a link named ..data; the file itself is a link through it and is never named.
    if (name === null || name === basename(file) || name === '..data') heard()
  })
  signal.addEventListener('abort', () => {
    callOff()
    watcher.close()
  })
  lookIn(lookMs)
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex')
