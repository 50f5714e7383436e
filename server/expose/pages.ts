import { readFile } from 'node:fs/promises'
import { extname, join, normalize, sep } from 'node:path'
import type { Handler } from 'hono'
import { Fault } from '../fault.ts'
import type { Env } from './gate.ts'

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
}

const forever = 'public, max-age=31536000, immutable'

/** A name that changes with what is in the file, as the build writes it: it can be kept for ever. */
const isHashed = (path: string) => /^\/assets\/.+-[\w-]{8,}\.\w+$/.test(path)

/**
 * Serves the built dashboard. A path without a file in it is a page of the dashboard itself, which reads the address;
 * a missing file is missing, because a script that gets a page in its place fails in words nobody understands.
 */
export const pages =
  (directory: string): Handler<Env> =>
  async (c) => {
    const path = pathOf(c.req.path)
    const found = path === undefined || path === '/' ? undefined : await contentOf(directory, path)
    if (found && path) {
      const cache = isHashed(path) ? forever : 'no-cache'
      return c.body(found, 200, {
        'Content-Type': types[extname(path)] ?? 'application/octet-stream',
        'Cache-Control': cache,
      })
    }
    if (path === undefined || extname(path) in types) {
      throw new Fault('not_found', `There is no file ${c.req.path}.`, {
        hint: 'Reload the page: it may be from an older version.',
      })
    }
    const index = await contentOf(directory, '/index.html')
    if (index) return c.body(index, 200, { 'Content-Type': types['.html']!, 'Cache-Control': 'no-cache' })
    throw new Fault('not_ready', 'The dashboard has not been built.', {
      hint: 'Run `npm run build`. The API and /metrics work without it.',
    })
  }

/** The decoded path, or undefined when it is malformed. Normalised from the root, so that no `..` is left in it. */
function pathOf(raw: string): string | undefined {
  try {
    const path = normalize(decodeURIComponent(raw)).split(sep).join('/')
    return path.startsWith('/') && !path.includes('\0') ? path : undefined
  } catch {
    return undefined
  }
}

async function contentOf(directory: string, path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return new Uint8Array(await readFile(join(directory, path)))
  } catch (thrown) {
    if (['ENOENT', 'EISDIR', 'ENOTDIR', 'ENAMETOOLONG'].includes((thrown as NodeJS.ErrnoException).code ?? ''))
      return undefined
    throw thrown
  }
}
