import { api, type Pair } from './api.ts'

/** Checks are run this many at a time, so that one press does not storm the systems being watched. */
const checksAtOnce = 4

/** Runs every check of a pipeline once, now. Throws the first refusal, after all have been tried. */
export async function runChecksOf(pipeline: string): Promise<void> {
  const { checks } = await api.pipeline(pipeline)
  const refusals: unknown[] = []
  for (let first = 0; first < checks.length; first += checksAtOnce) {
    const outcomes = await Promise.allSettled(
      checks.slice(first, first + checksAtOnce).map(({ id }) => api.runCheck(id)),
    )
    refusals.push(...outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : [])))
  }
  if (refusals.length > 0) throw refusals[0]
}

/** Takes on everything that is open on a pipeline: who is on it is on all of it. Throws the first refusal, at the end. */
export async function acknowledgeAll(pipeline: string, comment: string): Promise<void> {
  const { open } = await api.alerts()
  const free = open.filter((alert) => alert.pipeline === pipeline && alert.acknowledged === null)
  const outcomes = await Promise.allSettled(free.map(({ id }) => api.acknowledge(id, comment)))
  const refused = outcomes.find((outcome) => outcome.status === 'rejected')
  if (refused) throw refused.reason
}

export interface PairPlace {
  readonly pair: Pair
  readonly pipeline: { readonly id: string; readonly title: string }
}

/** Pipelines asked for their pairs, and how many at once. */
const pipelinesAskedMax = 100
const pipelinesAtOnce = 4

/** The pairs of these pipelines, in their order; the pipelines that did not answer are named in `silent`. */
export async function pairsOf(
  pipelines: readonly { readonly id: string; readonly title: string }[],
  signal: AbortSignal,
): Promise<{ pairs: PairPlace[]; silent: string[] }> {
  const pairs: PairPlace[] = []
  const silent: string[] = []
  const asked = pipelines.slice(0, pipelinesAskedMax)
  for (let first = 0; first < asked.length; first += pipelinesAtOnce) {
    const some = asked.slice(first, first + pipelinesAtOnce)
    const outcomes = await Promise.allSettled(some.map(({ id }) => api.pipeline(id, signal)))
    outcomes.forEach((outcome, index) => {
      const pipeline = some[index]!
      if (outcome.status === 'rejected') silent.push(pipeline.title)
      else pairs.push(...outcome.value.pairs.map((pair) => ({ pair, pipeline })))
    })
  }
  return { pairs, silent: [...silent, ...pipelines.slice(pipelinesAskedMax).map(({ title }) => title)] }
}
