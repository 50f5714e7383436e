import type { Asker, Postgres, Transaction } from '../connect/postgres.ts'
import { applyAll, scriptOf } from './postgres-apply.ts'
import { changedSql, newestSql } from './postgres-changed.ts'
import { describePostgres } from './postgres-describe.ts'
import { explainChanged, explainSlice, likelyBounds } from './postgres-explain.ts'
import { handshakeSql, quoted } from './postgres-hash.ts'
import { fetchedRowOf, fetchSql, hashesSql, keyHashOf, keyParameters } from './postgres-rows.ts'
import { activeSessions, numberOf, replicaLag } from './postgres-load.ts'
import { digestSql, listSql, rowsOf } from './postgres-slice.ts'
import type { Digest, KeyHash, Side, SidePlan, SliceReader } from './side.ts'

/** Rows that cross the wire at a time while listing, and keys that are asked for at a time. */
const batchRows = 2_000
const batchTexts = 2_000
const keysPerStatement = 1_000

type Answer = Record<string, string | null>

/** A table in PostgreSQL 11 or newer, or in the embedded one. Its native hash needs 14. */
export function postgresSide(client: Postgres): Side {
  const { name } = client
  const ask: Asker['ask'] = (...asked) => client.ask(...asked)

  const byKey = async <T>(
    text: string,
    plan: SidePlan,
    keys: readonly (readonly string[])[],
    of: (row: Answer) => T,
    signal?: AbortSignal,
  ) => {
    const rows: T[] = []
    for (let start = 0; start < keys.length; start += keysPerStatement) {
      const some = keys.slice(start, start + keysPerStatement)
      rows.push(...(await ask<Answer>(text, keyParameters(plan, some), signal)).map(of))
    }
    return rows
  }

  return {
    name,
    // All connections to the embedded database are one session.
    connections: client.embedded ? 1 : client.connections,
    describe: (ref, signal) => describePostgres(client, ref, signal),

    async handshake(signal) {
      try {
        const [row] = await ask<{ answer: string }>(handshakeSql(), [], signal)
        return row!.answer
      } catch (thrown) {
        // An engine without one of the functions has no native hash; anything else is a fault.
        if ((thrown as { cause?: { code?: string } }).cause?.code === '42883') return ''
        throw thrown
      }
    },

    async bounds(plan, signal) {
      const key = `t.${quoted(plan.key[0]!.name)}`
      const text = `select min(${key})::text as first, max(${key})::text as last from ${rowsOf(plan)}`
      const [row] = await ask<{ first: string | null; last: string | null }>(text, [], signal)
      return row!.first === null || row!.last === null ? undefined : { from: BigInt(row!.first), to: BigInt(row!.last) }
    },

    async count(plan, signal) {
      const [row] = await ask<{ rows: string }>(`select count(*)::text as rows from ${rowsOf(plan)}`, [], signal)
      return Number(row!.rows)
    },

    async keyless(plan, signal) {
      const nullable = plan.key.filter((column) => column.nullable)
      if (nullable.length === 0) return 0
      const some = nullable.map((column) => `t.${quoted(column.name)} is null`).join(' or ')
      const text = `select count(*)::text as rows from ${rowsOf(plan)} where ${some}`
      const [row] = await ask<{ rows: string }>(text, [], signal)
      return Number(row!.rows)
    },

    async snapshot<T>(work: (reader: SliceReader) => Promise<T>, signal?: AbortSignal): Promise<T> {
      // The embedded database is one session: a transaction of ours would make everybody else wait.
      if (client.embedded) return work(readerOf(client))
      return client.transaction('isolation level repeatable read read only', (tx) => work(readerOf(tx, tx)), signal)
    },

    fetch(plan, keys, signal) {
      return byKey(fetchSql(plan), plan, keys, (row) => fetchedRowOf(plan, row), signal)
    },

    hashes(plan, keys, signal) {
      return byKey(hashesSql(plan), plan, keys, (row) => keyHashOf(plan, row), signal)
    },

    async newest(plan, column, signal) {
      const [row] = await ask<{ newest: string | null }>(newestSql(plan, column), [], signal)
      return row!.newest
    },

    async changed(plan, column, since, rowsMax, signal) {
      const rows = await ask<Answer>(changedSql(plan, column, since, rowsMax), [], signal)
      return rows.map((row) => plan.key.map((_, place) => row[`k${place}`]!))
    },

    apply: (plan, changes, maySend) => applyAll(client.writable(), plan, changes, maySend),

    script: scriptOf,
    load: (of, signal) => (of === 'sessions' ? activeSessions : replicaLag)(name, ask, signal),
    number: (text, signal) => numberOf(name, ask, text, signal),
    explain: (plan, slice, cut, signal) => explainSlice(ask, plan, slice, cut, signal),
    explainChanged: (plan, column, since, rowsMax, signal) => explainChanged(ask, plan, column, since, rowsMax, signal),
    likelyBounds: (plan, signal) => likelyBounds(ask, plan, signal),
    traffic: () => client.traffic(),
  }
}

/** Slices are cut into statements with their numbers written in, so that the planner sees them. */
function readerOf(asker: Asker, tx?: Transaction): SliceReader {
  return {
    async digest(plan, slice, cut, signal) {
      const [row] = await asker.ask<{ answer: string | null }>(digestSql(plan, slice, cut), [], signal)
      return row!.answer === null ? [] : digestsOf(row!.answer)
    },

    async *list(plan, slice, cut, buckets, signal) {
      const text = listSql(plan, slice, cut, buckets)
      const batch = (rows: readonly Answer[]): readonly KeyHash[] =>
        slice.kind === 'range' ? rows.flatMap(listedOf) : rows.map((row) => keyHashOf(plan, row))
      const atOnce = slice.kind === 'range' ? batchTexts : batchRows
      if (!tx) return yield batch(await asker.ask<Answer>(text, [], signal))
      for await (const rows of tx.stream<Answer>(text, atOnce, signal)) yield batch(rows)
    },
  }
}

function listedOf({ answer }: Answer): KeyHash[] {
  return answer!.split(';').map((text) => {
    const comma = text.indexOf(',')
    return { key: [text.slice(0, comma)], hash: text.slice(comma + 1) }
  })
}

/** By its commas alone: there may be a hundred thousand buckets, and splitting them takes twice as long. */
function digestsOf(text: string): Digest[] {
  const digests: Digest[] = []
  for (let at = 0; at < text.length;) {
    const rows = text.indexOf(',', at) + 1
    const sum = text.indexOf(',', rows) + 1
    const found = text.indexOf(';', sum)
    const end = found === -1 ? text.length : found
    digests.push({
      bucket: Number(text.slice(at, rows - 1)),
      rows: Number(text.slice(rows, sum - 1)),
      sum: text.slice(sum, end),
    })
    at = end + 1
  }
  return digests
}
