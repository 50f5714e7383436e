/**
 * Waits for both sides even when one fails: no statement of ours is left running inside a transaction that ends, and when
 * both fail it is always the source that is told.
 */
export async function both<S, T>(source: Promise<S>, target: Promise<T>): Promise<[S, T]> {
  const [one, other] = await Promise.allSettled([source, target])
  if (one.status === 'rejected') throw one.reason
  if (other.status === 'rejected') throw other.reason
  return [one.value, other.value]
}
