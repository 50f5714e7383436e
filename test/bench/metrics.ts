import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { busyServer, scrape, spread, type BusyServer } from '../busy-server.ts'
import { endRun, runFolder } from '../services/run.ts'

/**
 * Measures how long /metrics takes to answer: when nothing else goes on, and while tables are compared one after the other
 * with one check hanging on a locked table.
 *
 *   npm run bench:metrics               500 scrapes each, tables of 300,000 rows
 *   npm run bench:metrics -- 100 50000
 */
const [scrapes = 500, rows = 300_000] = process.argv.slice(2).map(Number)
const everyMs = 20
const page = fileURLToPath(new URL('../../docs/performance.md', import.meta.url))
const start = '<!-- bench:metrics -->'
const end = '<!-- bench:metrics:end -->'
const underWay = 'tallyman_reconcile_in_progress{pipeline="orders"} 1\n'

async function times(server: BusyServer, counts: (text: string) => boolean): Promise<number[]> {
  const taken: number[] = []
  while (taken.length < scrapes) {
    const { status, text, ms } = await scrape(server.tallyman)
    if (status !== 200) throw new Error(`/metrics answered ${status}.`)
    if (counts(text)) taken.push(ms)
    await sleep(everyMs)
  }
  return taken
}

/** Scrape times while nothing else goes on, and while tables are compared, of which one row in `differing` differs. */
async function measure(differing: number) {
  const server = await busyServer(rows, differing)
  try {
    // The first ones compile what the others run.
    for (let warm = 0; warm < 20; warm++) await scrape(server.tallyman)
    const idle = await times(server, () => true)
    const stop = new AbortController()
    const reconciling = server.reconcileUntil(stop.signal)
    const busy = await times(server, (text) => text.includes(underWay))
    stop.abort()
    await reconciling
    const { text } = await scrape(server.tallyman)
    return { idle, busy, series: /^tallyman_exporter_series (\d+)$/m.exec(text)?.[1] }
  } finally {
    await server.drop()
  }
}

async function tableText(): Promise<string> {
  const night = await measure(1_000)
  const flood = await measure(10)
  const { stdout: node } = await promisify(execFile)(process.execPath, ['--version'])
  const gibibytes = Math.round(totalmem() / 2 ** 30)
  const row = (name: string, taken: readonly number[]) => {
    const { p50, p99, max } = spread(taken)
    return `| ${name} | ${[p50, p99, max].map((ms) => ms.toFixed(1)).join(' | ')} |`
  }
  const compared = `the same, while tables of ${rows.toLocaleString('en-GB')} rows are compared without a pause`
  return [
    `${scrapes} scrapes each, ${everyMs} ms apart, ${night.series} series; Node ${node.trim().slice(1)}, ${cpus().length} cores, ${gibibytes} GiB, both databases and`,
    `the embedded store on the same machine. Milliseconds from the request to the last byte.`,
    '',
    '| | p50 ms | p99 ms | max ms |',
    '|---|---:|---:|---:|',
    row('one check hangs on a locked table', night.idle),
    row(`${compared}, one row in 1,000 differing`, night.busy),
    row(`${compared}, one row in 10 differing`, flood.busy),
  ].join('\n')
}

const table = await tableText()
await endRun(runFolder())
console.log(table)
const text = await readFile(page, 'utf8')
const [from, to] = [text.indexOf(start), text.indexOf(end)]
if (from === -1 || to === -1) console.log('docs/performance.md has no place for it.')
else await writeFile(page, `${text.slice(0, from)}${start}\n${table}\n${text.slice(to)}`)
