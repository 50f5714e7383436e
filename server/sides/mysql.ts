import type { Mysql } from '../connect/mysql.ts'
import type { Transaction } from '../connect/postgres.ts'
import { applyAll, scriptOf } from './mysql-apply.ts'
import { changedSql, newestSql } from './mysql-changed.ts'
import { describeMysql } from './mysql-describe.ts'
import { explainChanged, explainSlice, likelyBounds } from './mysql-explain.ts'
import { handshakeSql, quoted } from './mysql-hash.ts'
import { fetchedRowOf, fetchSql, hashesSql, keyHashOf, type Answer } from './mysql-rows.ts'
import { digestSql, listSql, printed, rowsOf } from './mysql-slice.ts'
import { activeSessions, numberOf, replicaLag } from './mysql-load.ts'
import type { Key, Side, SidePlan, SliceReader } from './side.ts'

/** Rows that cross the wire at a time while listing. */
const batchRows = 2_000
/** Keys that are asked for at a time, and letters of them: a server takes no statement beyond its packet size. */
const keysMax = 500
const keyLettersMax = 200_000

const unknownFunction = new Set([1305, 1630])

/** A table in MySQL 8 or MariaDB 10.6, or newer. */
export function mysqlSide(client: Mysql): Side {
  const { name } = client
  const one = async (text: string, signal?: AbortSignal) => (await client.ask<Answer>(text, [], signal))[0]!

  const byKey = async <T extends { readonly key: Key }>(
    sqlOf: (plan: SidePlan, keys: readonly Key[]) => string,
    of: (plan: SidePlan, row: Answer) => T,
    plan: SidePlan,
    keys: readonly Key[],
    signal?: AbortSignal,
  ) => {
    const rows: T[] = []
    const wanted = new Set(keys.map((key) => JSON.stringify(key)))
    for (const some of portions(keys)) {
      const found = await client.ask<Answer>(sqlOf(plan, some), [], signal)
      rows.push(...found.map((row) => of(plan, row)).filter(({ key }) => wanted.has(JSON.stringify(key))))
    }
    return rows
  }

  return {
    name,
    connections: client.connections,
    describe: (ref, signal) => describeMysql(client, ref, signal),

    async handshake(signal) {
      try {
        return (await one(handshakeSql(), signal)).answer!
      } catch (thrown) {
        // A server without one of the functions has no hash of its own; anything else is a fault.
        const { errno = 0 } = (thrown as { cause?: { errno?: number } }).cause ?? {}
        if (unknownFunction.has(errno)) return ''
        throw thrown
      }
    },

    async bounds(plan, signal) {
      const key = `t.${quoted(plan.key[0]!.name)}`
      const ends = `${printed(`min(${key}) + 0`)} as first, ${printed(`max(${key}) + 0`)} as last`
      const { first, last } = await one(`select ${ends} from ${rowsOf(plan)}`, signal)
      return first == null || last == null ? undefined : { from: BigInt(first), to: BigInt(last) }
    },

    async count(plan, signal) {
      const { found } = await one(`select ${printed('count(*)')} as found from ${rowsOf(plan)}`, signal)
      return Number(found)
    },

    async keyless(plan, signal) {
      const nullable = plan.key.filter((column) => column.nullable)
      if (nullable.length === 0) return 0
      const some = nullable.map((column) => `t.${quoted(column.name)} is null`).join(' or ')
      const { found } = await one(`select ${printed('count(*)')} as found from ${rowsOf(plan)} where ${some}`, signal)
      return Number(found)
    },

    snapshot: (work, signal) =>
      client.transaction('WITH CONSISTENT SNAPSHOT, READ ONLY', (tx) => work(readerOf(tx)), signal),

    fetch: (plan, keys, signal) => byKey(fetchSql, fetchedRowOf, plan, keys, signal),
    hashes: (plan, keys, signal) => byKey(hashesSql, keyHashOf, plan, keys, signal),

    async newest(plan, column, signal) {
      return (await one(newestSql(plan, column), signal)).newest ?? null
    },

    async changed(plan, column, since, rowsMax, signal) {
      const rows = await client.ask<Answer>(changedSql(plan, column, since, rowsMax), [], signal)
      return rows.map((row) => plan.key.map((_, place) => row[`k${place}`]!))
    },

    apply: (plan, changes, maySend) => applyAll(client, plan, changes, maySend),

    script: scriptOf,
    load: (of, signal) => (of === 'sessions' ? activeSessions : replicaLag)(client, signal),
    number: (text, signal) => numberOf(client, text, signal),
    explain: (plan, slice, cut, signal) => explainSlice(client, plan, slice, cut, signal),
    explainChanged: (plan, column, since, rowsMax, signal) =>
      explainChanged(client, plan, column, since, rowsMax, signal),
    likelyBounds: (plan, signal) => likelyBounds(client, plan, signal),
    traffic: () => client.traffic(),
  }
}

function readerOf(tx: Transaction): SliceReader {
  return {
    async digest(plan, slice, cut, signal) {
      const rows = []
      for (const text of digestSql(plan, slice, cut)) {
        rows.push(...(await tx.ask<{ bucket: string | number; rows: string; sum: string }>(text, [], signal)))
      }
      return rows.map(({ bucket, rows: count, sum }) => ({
        bucket: Number(bucket),
        rows: Number(count),
        sum: String(sum),
      }))
    },
    async *list(plan, slice, cut, buckets, signal) {
      for (const text of listSql(plan, slice, cut, buckets)) {
        for await (const rows of tx.stream<Answer>(text, batchRows, signal)) {
          yield rows.map((row) => keyHashOf(plan, row))
        }
      }
    },
  }
}

/** Keys in portions that fit a statement. */
function* portions(keys: readonly Key[]): Generator<readonly Key[]> {
  let some: Key[] = []
  let letters = 0
  for (const key of keys) {
    const length = key.reduce((sum, part) => sum + part.length, 0)
    if (some.length > 0 && (some.length === keysMax || letters + length > keyLettersMax)) {
      yield some
      some = []
      letters = 0
    }
    some.push(key)
    letters += length
  }
  if (some.length > 0) yield some
}
