import { describe, expect, it } from 'vitest'
import { Feed } from '../server/expose/feed.ts'
import { stillTimers } from './expose-world.ts'

function feeding(boot = 'b1') {
  const timers = stillTimers()
  const feed = new Feed({ after: timers.after, boot })
  const open = (lastId?: string) => {
    const reader = feed.open(lastId).getReader()
    const decoder = new TextDecoder()
    let asked: ReturnType<typeof reader.read> | undefined
    /** Everything that waits to be read now. */
    const read = async () => {
      let text = ''
      while (true) {
        asked ??= reader.read()
        const next = await Promise.race([
          asked,
          new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined))),
        ])
        if (!next || next.done) return text
        asked = undefined
        text += decoder.decode(next.value)
      }
    }
    return { read, cancel: () => reader.cancel() }
  }
  return { feed, timers, open }
}

describe('the feed of changes', () => {
  it('tells every page, in order', async () => {
    const { feed, open } = feeding()
    const pages = [open(), open()]
    feed.publish({ type: 'run', run: '7' })
    feed.publish({ type: 'config' })
    for (const page of pages) {
      expect(await page.read()).toBe(
        'retry: 3000\n\nevent: run\nid: b1.1\ndata: {"run":"7"}\n\nevent: config\nid: b1.2\ndata: {}\n\n',
      )
    }
  })

  it('tells standings once a second at most, together', async () => {
    const { feed, open, timers } = feeding()
    const page = open()
    for (const id of ['a', 'b', 'c', 'b']) feed.publish({ type: 'standing', pipelines: [id] })
    expect((await page.read()).match(/event: standing/g)).toHaveLength(1)
    timers.elapse()
    expect(await page.read()).toContain('id: b1.2\ndata: {"pipelines":["b","c"]}')
  })

  it('says it is there when nothing happens', async () => {
    const { open, timers } = feeding()
    const page = open()
    await page.read()
    timers.elapse()
    expect(await page.read()).toBe(': b1\n\n')
    timers.elapse()
    expect(await page.read()).toBe(': b1\n\n')
  })

  it('tells a page that comes back what it missed', async () => {
    const { feed, open } = feeding()
    feed.publish({ type: 'run', run: '1' })
    feed.publish({ type: 'run', run: '2' })
    expect(await open('b1.1').read()).toBe('retry: 3000\n\nevent: run\nid: b1.2\ndata: {"run":"2"}\n\n')
    expect(await open('b1.2').read()).toBe('retry: 3000\n\n')
  })

  it.each(['b0.1', 'nonsense', '', 'b1.', 'b1.x'])(
    'tells one with the id %j to ask for everything again',
    async (id) => {
      const { feed, open } = feeding()
      for (let run = 0; run < 300; run++) feed.publish({ type: 'run', run: `${run}` })
      expect(await open(id).read()).toBe('retry: 3000\n\nevent: standing\nid: b1.300\ndata: {}\n\n')
    },
  )

  it('tells a page that reads too slowly once to ask for everything, and holds no more for it', async () => {
    const { feed, open } = feeding()
    const page = open()
    for (let run = 0; run < 1_000; run++) feed.publish({ type: 'run', run: `${run}` })
    const text = await page.read()
    expect(text).toContain('event: standing')
    expect(text.match(/event: run/g)!.length).toBeLessThan(100)
    expect(text).toContain('id: b1.1000\n')
  })

  it('forgets a page that has left, and takes no more than it can serve', async () => {
    const { feed, open } = feeding()
    const pages = Array.from({ length: 200 }, () => open())
    expect(() => open()).toThrow('200 pages already follow live.')
    await pages[0]!.cancel()
    expect(feed.clients).toBe(199)
    open()
    feed.close()
    expect(feed.clients).toBe(0)
  })
})
