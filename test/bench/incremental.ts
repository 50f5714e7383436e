import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runFolder } from '../services/run.ts'
import type { Choice, Heat } from './cases.ts'
import { someIds, type Drift } from './data.ts'
import { limitsOf, type Place, type Places } from './limits.ts'
import { compete, median, type Contender } from './measure.ts'
import { reported, tallyman } from './tallyman.ts'

/** Of the rows that changed since the last run, so many were not copied, and are what each run must find. */
const lost = 10
const expected = { missing: 0, extra: 0, changed: lost }
const changedShare = 0.001
const idsPerInsert = 10_000

const configOf = ([source, target]: Places, store: string) => `
store: ${store}
connections:
  bench: { url: '${source.server.url}' }
pipelines:
  bench:
    title: Bench
    pattern: batch
    tier: reference
    owner: bench
    pairs:${pairOf('bench', source.table, target.table)}${pairOf('nothing', 'one_row', 'same_row')}
`

const pairOf = (id: string, source: string, target: string) => `
      - id: ${id}
        source: { table: bench.public.${source} }
        target: { table: bench.public.${target} }
        key: [id]
        incremental: { column: updated_at }
        # Nobody writes, so that there is nothing to wait for.
        settle: { wait: 0s, tries: 1 }
        corrections: { mode: off }`

/**
 * A full run and an incremental one in turn, each from the same state: a run verified both tables, then 0.1 % of the rows
 * changed, and all but ten of them were copied.
 */
export async function incremental(
  places: Places,
  { rows, rounds }: Choice,
  fill: (place: Place, rows: number, drift: Drift) => Promise<void>,
): Promise<Heat[]> {
  const [source, target] = places
  await source.session.ask('drop database if exists store')
  await source.session.ask('create database store')
  const file = join(runFolder(), 'bench.yaml')
  await writeFile(file, configOf(places, source.server.url.replace(/[^/]*$/, 'store')))
  await fill(target, rows, 'identical')
  for (const table of ['one_row', 'same_row']) await fill({ ...source, table }, 1, 'identical')

  const reconcile = async (mode: 'full' | 'incremental') => {
    const run = await tallyman(['reconcile', 'bench', '--config', file, '--json', '--mode', mode])
    const answer = reported(run)
    const { coverage } = JSON.parse(run.stdout) as { coverage?: { mode: string } }
    if (coverage?.mode !== mode) throw new Error(`asked for mode ${mode}, it ran as ${coverage?.mode}`)
    const { seconds, peakBytes, cpuSeconds } = run
    return { seconds, peakBytes, cpuSeconds, ...answer }
  }
  const fixed: Contender = {
    name: 'tallyman reconcile, a table of one row',
    is: 'context',
    async run() {
      const run = await tallyman(['reconcile', 'nothing', '--config', file, '--json', '--mode', 'full'])
      reported(run)
      return run
    },
  }
  let turn = 0
  const contender = (mode: 'full' | 'incremental'): Contender => ({
    name: `tallyman reconcile --mode ${mode}`,
    is: 'ours',
    async run() {
      await change(places, rows, ++turn)
      return reconcile(mode)
    },
  })

  const heat = async (title: string): Promise<Heat> => {
    // What the first incremental run goes on from.
    await reconcile('full')
    const contenders = [...(await limitsOf(places)), fixed, contender('full'), contender('incremental')]
    const standings = await compete(contenders, rounds, expected)
    const [start, whole, part] = ['row', 'full', 'incremental'].map((end) => {
      const { outcomes } = standings.find(({ name }) => name.endsWith(end))!
      return median(outcomes.map(({ seconds }) => seconds))
    }) as [number, number, number]
    const share = (of: number) => `${(of * 100).toFixed(1)} %`
    const remark = `${title}: incremental ÷ full is ${share(part / whole)}, ${share((part - start) / (whole - start))} without what any run costs.`
    return { title, expected, standings, remark }
  }
  const plain = await heat('updated_at without an index')
  for (const { session, table } of places) await session.ask(`create index on ${table} (updated_at)`)
  return [plain, await heat('updated_at with an index')]
}

/** Copies what was lost before; then changes a thousandth of the source, later than all before, and copies all but a few. */
async function change([source, target]: Places, rows: number, turn: number): Promise<void> {
  const { ask } = source.session
  const copied = 'set qty = s.qty, updated_at = s.updated_at'
  await ask('create temporary table if not exists touched (id bigint primary key, lost boolean)')
  await ask(
    `update ${target.table} as t ${copied} from ${source.table} as s join touched using (id) where t.id = s.id and lost`,
  )
  await ask('truncate touched')
  const ids = someIds(rows, Math.max(Math.floor(rows * changedShare), lost), turn)
  for (let from = 0; from < ids.length; from += idsPerInsert) {
    const values = ids.slice(from, from + idsPerInsert).map((id, place) => `(${id}, ${from + place < lost})`)
    await ask(`insert into touched values ${values.join(', ')}`)
  }
  await ask('analyze touched')
  const at = `timestamp '2025-01-01' + ${turn} * interval '1 day' + t.id % 3600 * interval '1 s'`
  await ask(`update ${source.table} as t set qty = qty + 1, updated_at = ${at} from touched where t.id = touched.id`)
  await ask(
    `update ${target.table} as t ${copied} from ${source.table} as s join touched using (id) where t.id = s.id and not lost`,
  )
}
