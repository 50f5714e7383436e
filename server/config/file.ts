import { createReadStream, watch } from 'node:fs'
import { Fault, sentenceOf } from '../fault.ts'
import { bytesMax } from './yaml.ts'

/**
 * The text of a config file. Of one that is too big only as much as it takes for `loadConfig` to say so.
 *
 * @throws Fault `config_invalid` when it cannot be read.
 */
export async function readConfigFile(file: string): Promise<string> {
  try {
    const pieces: Buffer[] = []
    for await (const piece of createReadStream(file, { end: bytesMax })) pieces.push(piece as Buffer)
    return Buffer.concat(pieces).toString('utf8')
  } catch (cause) {
    throw new Fault('config_invalid', `The config file ${file} cannot be read: ${sentenceOf(cause)}`, {
      hint: 'Check the path, and that this user may read it.',
      cause,
    })
  }
}

/**
 * Tells of changed names in a directory until it is closed. Where the system has no watches left to give, it tells
 * nothing: whoever listens also looks now and then.
 */
export function watchDirectory(directory: string, changed: (name: string | null) => void): { close(): void } {
  try {
    return watch(directory, { persistent: false }, (_, name) => changed(name)).on('error', () => changed(null))
  } catch {
    return { close() {} }
  }
}
