import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readConfigFile, watchDirectory } from '../server/config/file.ts'
import type { Loaded } from '../server/config/load.ts'
import type { Config } from '../server/config/schema.ts'
import { watchFile } from '../server/config/watch-file.ts'

/** Any text is a config that calls its store by it; one with `bad` in it is not. */
const load = (text: string): Loaded =>
  text.includes('bad')
    ? { problems: [{ file: 'tallyman.yaml', line: 1, column: 1, path: '', message: text, hint: '' }] }
    : { config: { store: text, server: { host: '', port: 0 }, connections: {}, channels: {}, pipelines: {} } }

interface Timer {
  readonly at: number
  readonly callback: () => void
}

/** A directory and a clock in memory; `events` tells what was taken and what was refused, in order. */
function stage(start = 'one') {
  let now = 0
  let text: string | undefined = start
  let timers: readonly Timer[] = []
  let tell: (name: string | null) => void = () => {}
  let waiting: (() => void) | undefined
  const events: string[] = []
  const stop = new AbortController()
  watchFile({
    file: '/etc/tallyman/tallyman.yaml',
    text: start,
    async read() {
      const found = text
      if (waiting) await new Promise<void>((resolve) => (waiting = resolve))
      if (found === undefined) throw Object.assign(new Error('gone'), { code: 'ENOENT' })
      return found
    },
    load,
    accept: (config: Config) => void events.push(`accept ${config.store}`),
    refuse: (problems) => void events.push(`refuse ${problems[0]!.message}`),
    watch(directory, changed) {
      events.push(`watch ${directory}`)
      tell = changed
      return { close: () => void events.push('close') }
    },
    after(ms, callback) {
      const timer = { at: now + ms, callback }
      timers = [...timers, timer]
      return () => void (timers = timers.filter((other) => other !== timer))
    },
    signal: stop.signal,
  })
  const settle = async () => {
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve()
  }
  return {
    events,
    stop: () => stop.abort(),
    write(next: string | undefined, name: string | null = 'tallyman.yaml') {
      text = next
      tell(name)
    },
    writeUnseen: (next: string) => void (text = next),
    hold: () => void (waiting = () => {}),
    async release() {
      waiting?.()
      waiting = undefined
      await settle()
    },
    async pass(ms: number) {
      const until = now + ms
      for (;;) {
        const next = timers.toSorted((one, other) => one.at - other.at)[0]
        if (!next || next.at > until) break
        now = next.at
        timers = timers.filter((timer) => timer !== next)
        next.callback()
        await settle()
      }
      now = until
    },
  }
}

describe('a config file that is watched', () => {
  it('is taken once it has been left alone for 200 ms', async () => {
    const { events, write, pass } = stage()
    write('tw')
    await pass(150)
    write('two')
    await pass(150)
    expect(events).toEqual(['watch /etc/tallyman'])
    await pass(50)
    expect(events).toEqual(['watch /etc/tallyman', 'accept two'])
  })

  it('is refused when it is wrong, once, and taken again when it is put right', async () => {
    const { events, write, pass } = stage()
    write('bad')
    await pass(60_000)
    write('one')
    await pass(60_000)
    expect(events.slice(1)).toEqual(['refuse bad', 'accept one'])
  })

  it('is not taken again when it was saved without a change, or its neighbours change', async () => {
    const { events, write, pass } = stage()
    write('one')
    await pass(1_000)
    write('two', 'other.yaml')
    await pass(1_000)
    expect(events.slice(1)).toEqual([])
  })

  it.each([['..data'], [null]])('is looked at when %s changes, which may be the file', async (name) => {
    const { events, write, pass } = stage()
    write('two', name)
    await pass(200)
    expect(events.slice(1)).toEqual(['accept two'])
  })

  it('is looked at every 10 s where the system tells nothing', async () => {
    const { events, writeUnseen, pass } = stage()
    await pass(10_000)
    writeUnseen('two')
    await pass(9_999)
    expect(events.slice(1)).toEqual([])
    await pass(1)
    expect(events.slice(1)).toEqual(['accept two'])
  })

  it('may be away for a moment while an editor replaces it', async () => {
    const { events, write, pass } = stage()
    write(undefined)
    await pass(1_000)
    write('two')
    await pass(1_000)
    expect(events.slice(1)).toEqual(['accept two'])
  })

  it('is refused once when it stays away, and taken when it comes back as it was', async () => {
    const { events, write, pass } = stage()
    write(undefined)
    await pass(120_000)
    expect(events.slice(1)).toEqual(['refuse cannot be read (ENOENT)'])
    write('one')
    await pass(1_000)
    expect(events.slice(2)).toEqual(['accept one'])
  })

  it('is looked at again when it changed while it was being read', async () => {
    const { events, write, hold, release, pass } = stage()
    hold()
    write('two')
    await pass(200)
    write('three')
    await pass(1_000)
    await release()
    await pass(200)
    expect(events.slice(1)).toEqual(['accept two', 'accept three'])
  })

  it('is left alone after the end', async () => {
    const { events, write, stop, pass } = stage()
    write('two')
    stop()
    await pass(60_000)
    expect(events.slice(1)).toEqual(['close'])
  })
})

it('notices a real file being written, and being replaced by a rename', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tallyman-config-'))
  const file = join(directory, 'tallyman.yaml')
  const stop = new AbortController()
  const events: string[] = []
  const told = (count: number) => expect.poll(() => events.length, { timeout: 5_000 }).toBe(count)
  try {
    await writeFile(file, 'one')
    watchFile({
      file,
      text: await readConfigFile(file),
      read: readConfigFile,
      load,
      accept: ({ store }) => void events.push(`accept ${store}`),
      refuse: ([problem]) => void events.push(`refuse ${problem!.message}`),
      watch: watchDirectory,
      after(ms, callback) {
        const timer = setTimeout(callback, ms)
        return () => clearTimeout(timer)
      },
      signal: stop.signal,
    })
    await writeFile(file, 'two')
    await told(1)
    await writeFile(`${file}.new`, 'bad')
    await rename(`${file}.new`, file)
    await told(2)
    await writeFile(`${file}~`, 'three')
    await rename(`${file}~`, file)
    await told(3)
    expect(events).toEqual(['accept two', 'refuse bad', 'accept three'])
  } finally {
    stop.abort()
    await rm(directory, { recursive: true })
  }
})

it('says which config file cannot be read', async () => {
  await expect(readConfigFile('/nowhere/tallyman.yaml')).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('/nowhere/tallyman.yaml cannot be read'),
  })
})
