import { countsOf, drifts, fillSql, plantedIn, type Counts, type Drift } from './data.ts'
import { incremental } from './incremental.ts'
import { limitsOf, sameText, type Place, type Places } from './limits.ts'
import { compete, type Contender, type Standing } from './measure.ts'
import { peersOf } from './peers.ts'
import type { Engine, Server } from './servers.ts'
import { diffOf, nodeAlone } from './tallyman.ts'

export interface Choice {
  readonly kind: Kind
  readonly rows: number
  readonly rounds: number
  readonly drifts: readonly Drift[]
  readonly peers: boolean
}

/** The rounds of one state of the data. */
export interface Heat {
  readonly title: string
  readonly expected: Counts
  readonly standings: readonly Standing[]
  readonly remark?: string
}

const engines = {
  pg: ['postgres', 'postgres'],
  mariadb: ['mariadb', 'mariadb'],
  cross: ['postgres', 'mariadb'],
  incremental: ['postgres', 'postgres'],
} as const satisfies Record<string, readonly [Engine, Engine]>
export type Kind = keyof typeof engines
export const kinds = Object.keys(engines) as Kind[]

/** Fills both tables, lets the contenders take turns, and so for each kind of drift. */
export async function measured(choice: Choice, serverOf: (engine: Engine) => Promise<Server>): Promise<Heat[]> {
  const [ours, theirs] = engines[choice.kind]
  const places: Places = [
    await placeOf(await serverOf(ours), 'source'),
    await placeOf(await serverOf(theirs), 'target'),
  ]
  try {
    await fill(places[0], choice.rows, 'identical')
    return choice.kind === 'incremental' ? await incremental(places, choice, fill) : await full(places, choice)
  } finally {
    for (const { session, table } of places) {
      await session.ask(`drop table if exists ${table}`)
      await session.close()
    }
  }
}

async function full(places: Places, { rows, rounds, drifts: chosen, peers }: Choice): Promise<Heat[]> {
  const heats: Heat[] = []
  for (const drift of drifts.filter((name) => chosen.includes(name))) {
    await fill(places[1], rows, drift)
    const identical = drift === 'identical'
    if (identical && places[0].server.engine !== places[1].server.engine) await sameText(places)
    const contenders: Contender[] = [
      ...(await limitsOf(places)),
      ...(identical ? [nodeAlone] : []),
      diffOf(places, 'first'),
      ...(drift === '1 % scattered' ? [diffOf(places, 'all')] : []),
      ...(peers ? await peersOf(places) : []),
    ]
    const expected = countsOf(drift, rows)
    heats.push({ title: drift, expected, standings: await compete(contenders, rounds, expected) })
  }
  return heats
}

const placeOf = async (server: Server, table: string): Promise<Place> => ({
  server,
  table,
  session: await server.open(),
})

/** Makes and fills a table, some seconds a million rows. */
export async function fill({ server, session, table }: Place, rows: number, drift: Drift): Promise<void> {
  console.log(`filling ${server.engine} ${table}: ${rows.toLocaleString('en')} rows, ${drift}`)
  const planted = plantedIn(rows, countsOf(drift, rows))
  for (const statement of fillSql(server.engine, { table, rows, planted })) await session.ask(statement)
}
