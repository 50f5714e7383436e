/** A seeded source of chance: the same seed draws the same sequence. */
export interface Random {
  /** From 0 up to, not including, `below`; whole. */
  whole(below: number): number
  pick<T>(list: readonly [T, ...T[]]): T
  chance(probability: number): boolean
}

/** Mulberry32: small, fast, and good enough for made-up names. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const whole = (below: number) => Math.floor(next() * below)
  return {
    whole,
    pick: (list) => list[whole(list.length)] ?? list[0],
    chance: (probability) => next() < probability,
  }
}
