import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface FragileLink {
  /** The same address, by way of the link. */
  through(url: string): string
  /** How many times somebody sent something to the server. */
  sent(): number
  /** Breaks every connection, and takes no other until it is mended. */
  cut(): void
  /** Cuts when something was sent so many times more; what was sent last reaches the server, and its answer nobody. */
  cutAfter(times: number): Promise<void>
  /** Lets nothing through any more, either way, and breaks nothing: what a lost route looks like. */
  silence(): void
  mend(): void
  stop(): Promise<void>
}

/** A way to a server that a test can break in the middle of anything. */
export async function fragileLink(to: string): Promise<FragileLink> {
  const server = new URL(to)
  const pairs = new Set<readonly [Socket, Socket]>()
  let state: 'whole' | 'cut' | 'silent' = 'whole'
  let times = 0
  let cutting: { at: number; done: () => void } | undefined

  const cut = () => {
    state = 'cut'
    cutting?.done()
    cutting = undefined
    for (const [near, far] of pairs) {
      near.resetAndDestroy()
      far.destroy()
    }
  }
  const listening = createServer((near) => {
    near.on('error', () => near.destroy())
    if (state === 'cut') return void near.destroy()
    const far = connect(Number(server.port), server.hostname)
    const pair = [near, far] as const
    pairs.add(pair)
    far.on('error', () => near.destroy())
    near.on('data', (chunk) => {
      if (state !== 'whole') return
      times += 1
      const last = cutting && times >= cutting.at
      far.write(chunk, () => last && cut())
    })
    far.on('data', (chunk) => state === 'whole' && near.write(chunk))
    far.on('close', () => near.destroy())
    near.on('close', () => {
      pairs.delete(pair)
      far.destroy()
    })
  })
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  return {
    through(url) {
      const { port } = listening.address() as AddressInfo
      return Object.assign(new URL(url), { host: `127.0.0.1:${port}` }).href
    },
    sent: () => times,
    cut,
    cutAfter: (more) =>
      new Promise((done) => {
        cutting = { at: times + more, done }
      }),
    silence: () => (state = 'silent'),
    mend: () => (state = 'whole'),
    async stop() {
      cut()
      listening.close()
      await once(listening, 'close')
    },
  }
}
