/**
 * Rows keep their places while somebody points at them: what is shown stays in its order, rows that are gone leave,
 * and new ones come last. Pure; ids are unique.
 */
export function heldOrder(shown: readonly string[], wanted: readonly string[]): string[] {
  const alive = new Set(wanted)
  const kept = shown.filter((id) => alive.has(id))
  const old = new Set(kept)
  return [...kept, ...wanted.filter((id) => !old.has(id))]
}

/** How many rows stand somewhere else than they should. */
export const misplaced = (shown: readonly string[], wanted: readonly string[]): number =>
  shown.filter((id, index) => wanted[index] !== id).length
