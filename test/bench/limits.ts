import { openPostgres } from '../../server/connect/postgres.ts'
import { planPair } from '../../server/reconcile/plan.ts'
import { rowHash } from '../../server/sides/postgres-hash.ts'
import { rowsOf } from '../../server/sides/postgres-slice.ts'
import { postgresSide } from '../../server/sides/postgres.ts'
import { mariadbHashes, mariadbSql, sharedHashes, sharedSql } from './limit-text.ts'
import { seconds, type Contender } from './measure.ts'
import type { Server, Session } from './servers.ts'

/** One table of a pair, and a connection to read it by. */
export interface Place {
  readonly server: Server
  readonly session: Session
  readonly table: string
}
export type Places = readonly [source: Place, target: Place]

/** The hash that diff itself trusts, over the whole table at once: nothing cheaper tells every value from every other. */
async function nativeSql({ server, table }: Place): Promise<string> {
  const client = openPostgres({ name: 'bench', url: server.url })
  const described = await postgresSide(client).describe({ connection: 'bench', schema: 'public', table })
  await client.close()
  const plan = planPair(described, described, { map: {}, exclude: [], where: {} }, 'native').source
  return `select count(*), sum(${rowHash(plan, 't')}) from ${rowsOf(plan)}`
}

interface Pass {
  readonly name: string
  readonly is: Contender['is']
  readonly places: readonly Place[]
  sql(place: Place): string
  /** How many parallel workers PostgreSQL may add to a statement; as the server has it when left out. */
  readonly workers?: number
}

/** One statement in each place, all at once, over connections that are open already. */
const contender = ({ name, is, places, sql, workers }: Pass): Contender => ({
  name: workers === undefined ? name : `${name}, ${workers === 0 ? 'no' : workers} parallel workers`,
  is,
  async run() {
    const ours = workers === undefined ? [] : places.filter(({ server }) => server.engine === 'postgres')
    const setting = 'max_parallel_workers_per_gather'
    await Promise.all(ours.map(({ session }) => session.ask(`set ${setting} = ${workers}`)))
    const took = await seconds(() => Promise.all(places.map((place) => place.session.ask(sql(place)))))
    await Promise.all(ours.map(({ session }) => session.ask(`reset ${setting}`)))
    return { seconds: took }
  },
})

/** The cheapest sound passes over both tables at once: what others are measured by is the quickest of them. */
export async function limitsOf(places: Places): Promise<Contender[]> {
  const engines = places.map(({ server }) => server.engine)
  const limit = { is: 'limit', places } as const
  if (engines.every((engine) => engine === 'postgres')) {
    const statements = new Map<Place, string>()
    for (const place of places) statements.set(place, await nativeSql(place))
    const pass = { ...limit, name: 'limit: typed hashes', sql: (place: Place) => statements.get(place)! }
    return [contender({ ...pass, workers: 0 }), contender({ ...pass, workers: 2 })]
  }
  if (engines.every((engine) => engine === 'mariadb')) {
    return mariadbHashes.map((hash) =>
      contender({ ...limit, name: `limit: ${hash} of a text`, sql: ({ table }) => mariadbSql(hash, table) }),
    )
  }
  return sharedHashes.flatMap((hash) => {
    const sql = ({ server, table }: Place) => sharedSql(hash, server.engine, table)
    const both = { ...limit, name: `limit: ${hash} of one text`, sql }
    const alone = places.map((place) =>
      contender({ is: 'context', name: `${hash} in ${place.server.engine} alone`, places: [place], sql }),
    )
    return [contender({ ...both, workers: 0 }), contender({ ...both, workers: 2 }), ...alone]
  })
}

/** @throws Error when two tables that are the same do not hash alike: the limit would then be no limit. */
export async function sameText(places: Places): Promise<void> {
  for (const hash of sharedHashes) {
    const answers = await Promise.all(
      places.map(async ({ server, session, table }) => (await session.ask(sharedSql(hash, server.engine, table)))[0]!),
    )
    const [source, target] = answers.map((answer) => BigInt.asUintN(64, BigInt(String(answer.hash))))
    if (source !== target) throw new Error(`The ${hash} of the limit is not the same in both engines.`)
  }
}
