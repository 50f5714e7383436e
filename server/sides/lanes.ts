import type { Applied, ApplyOutcome, Change } from './side.ts'

/**
 * Sends changes side by side, but for those to rows of one key: two of them would reach for the same copy. Outcomes stand
 * in the order of the changes. After a lost connection nothing more is sent.
 *
 * @param connections never more at a time than there are: what waits for one may be forgotten when all of them break.
 */
export async function inLanes(
  connections: number,
  changes: readonly Change[],
  send: (change: Change) => Promise<ApplyOutcome>,
  maySend: () => boolean = () => true,
): Promise<readonly Applied[]> {
  const byKey = new Map<string, number[]>()
  for (const [place, { key }] of changes.entries()) {
    const name = JSON.stringify(key)
    byKey.set(name, [...(byKey.get(name) ?? []), place])
  }
  const lanes = byKey.values()
  const outcomes: Applied[] = []
  let lost: string | undefined
  const work = async () => {
    for (const lane of lanes) {
      for (const place of lane) {
        if (!lost && !maySend()) {
          outcomes[place] = 'unsent'
          continue
        }
        const outcome: ApplyOutcome = lost
          ? { state: 'failed', message: `Not sent, because the connection was lost: ${lost}` }
          : await send(changes[place]!)
        if (outcome.state === 'failed' && outcome.unsure) lost ??= outcome.message
        outcomes[place] = outcome
      }
    }
  }
  await Promise.all(Array.from({ length: connections }, work))
  return outcomes
}
