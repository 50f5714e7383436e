// One embedded Postgres in a thread of its own, answering Postgres' protocol on a Unix socket.
// Plain JavaScript because a worker thread is loaded by Node itself, from the sources in tests and from dist/ in use.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'
import { PGLiteSocketHandler } from '@electric-sql/pglite-socket'
import { TurnQueue } from './embedded-queue.mjs'

const { directory, socket, template, connectionsMax } = workerData

const db = await PGlite.create({
  dataDir: directory,
  // An initialised directory packed at build time: opening a new one takes 0.8 s in place of 4 s, and a third of the memory.
  ...(template ? { loadDataDir: new Blob([await readFile(template)]) } : {}),
})
const queryQueue = new TurnQueue(db)
const handlers = new Set()

const server = createServer((connection) => {
  const handler = new PGLiteSocketHandler({ queryQueue, closeOnDetach: true })
  handlers.add(handler)
  for (const event of ['close', 'error']) handler.addEventListener(event, () => handlers.delete(handler))
  void handler.attach(connection)
})
server.maxConnections = connectionsMax
server.listen(socket, () => parentPort.postMessage('ready'))

parentPort.once('message', async () => {
  server.close()
  for (const handler of handlers) await handler.detach(true)
  await db.close()
  parentPort.postMessage('closed')
  parentPort.close()
})
