import type { Reads, Tokens } from '../expose/reads.ts'
import { alertRow, alertRows } from '../store/alerts.ts'
import type { Db } from '../store/open.ts'
import { allDifferences, differencePage } from '../store/difference-reads.ts'
import { runDetail, runRows } from '../store/run-reads.ts'
import { sampleBuckets, silences, stateBuckets } from '../store/series.ts'
import { anyToken, tokenBySha256 } from '../store/tokens.ts'
import type { PairSpec } from '../reconcile/pair.ts'

/** The store's answers in the words of the pages. */
export function storeReads(db: Db, { pair, now }: { pair(id: string): PairSpec | undefined; now(): Date }): Reads {
  return {
    runs: (filter) => runRows(db, filter),
    async run(id) {
      const run = await runDetail(db, id)
      if (!run) return undefined
      const spec = pair(run.pair)
      const blocked = blockedBecause(run, spec)
      const kept = { ...run.kept, limit: spec?.keep ?? run.kept.items }
      return { ...run, kept, ...(blocked ? { blocked } : {}) }
    },
    differences: (run, page) => differencePage(db, run, page),
    allDifferences: (run, filter) => allDifferences(db, run, filter),
    samples: (request) => sampleBuckets(db, { ...request, now: now() }),
    silences: (request) => silences(db, request),
    states: (request) => stateBuckets(db, { ...request, now: now() }),
    alerts: (filter) => alertRows(db, filter),
    alert: (id) => alertRow(db, id),
  }
}

export const storeTokens = (db: Db): Tokens => ({
  async find(sha256) {
    const token = await tokenBySha256(db, sha256)
    return token && { name: token.name, role: token.role, sha256: token.hash }
  },
  any: () => anyToken(db),
})

type Detail = NonNullable<Awaited<ReturnType<typeof runDetail>>>

/** Why nothing of a run can be approved; undefined when something can, or when nothing is proposed. */
export function blockedBecause(run: Detail, spec: PairSpec | undefined): string | undefined {
  if (!spec) return `${run.pair} is no longer in the config.`
  if (spec.corrections.mode === 'off') return 'Corrections are off for this pair.'
  const failing = run.guards.find(({ state }) => state === 'fail')
  if (failing) return `${failing.name}: ${failing.detail}`
  return undefined
}
