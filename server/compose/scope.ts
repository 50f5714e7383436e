import { Fault } from '../fault.ts'
import type { Mode } from '../reconcile/mode.ts'
import type { PairSpec } from '../reconcile/pair.ts'
import type { Scope } from '../reconcile/scope.ts'
import type { Db } from '../store/open.ts'
import { lastVerified, verifiedParts } from '../store/verified.ts'
import type { Claimed } from '../work/runner.ts'

/** What a run is to compare, with what the store remembers of earlier ones. */
export async function scopeOf(db: Db, run: Claimed): Promise<Scope> {
  switch (run.mode) {
    case 'full':
      return { mode: 'full' }
    case 'incremental':
      return { mode: 'incremental', base: await lastVerified(db, run) }
    case 'sample':
      return { mode: 'sample', seed: run.seed ?? run.id }
    case 'scrub':
      return { mode: 'scrub', verified: (fingerprint) => verifiedParts(db, run.pairId, { fingerprint }) }
  }
}

/** @throws Fault `bad_request` for a mode that the config of a pair does not allow. */
export function refuseMode({ id, incremental }: PairSpec, mode: Mode): void {
  if (mode !== 'incremental' || incremental) return
  throw new Fault('bad_request', `${id} has no column that tells what was written lately.`, {
    hint: 'Name one in incremental.column of the pair, or ask for another mode.',
  })
}
