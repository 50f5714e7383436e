/** A stretch of a text, and whether the other side reads differently there. */
export interface Stretch {
  readonly text: string
  readonly differs: boolean
}

/** Past this many characters a side, only the common start and end are told apart: the table below grows as a square. */
const fineMax = 300

/**
 * Parts two texts into what they share and what differs, so that the eye finds one changed letter in a long value.
 * Joining the stretches of a side gives that side again.
 */
export function differingStretches(source: string, target: string): { source: Stretch[]; target: Stretch[] } {
  const from = [...source]
  const to = [...target]
  let start = 0
  while (start < from.length && start < to.length && from[start] === to[start]) start++
  let end = 0
  while (end < from.length - start && end < to.length - start && from.at(-1 - end) === to.at(-1 - end)) end++

  const middle = middleOf(from.slice(start, from.length - end), to.slice(start, to.length - end))
  const head = { text: from.slice(0, start).join(''), differs: false }
  const tail = { text: from.slice(from.length - end).join(''), differs: false }
  return { source: joined([head, ...middle.source, tail]), target: joined([head, ...middle.target, tail]) }
}

function middleOf(from: readonly string[], to: readonly string[]): { source: Stretch[]; target: Stretch[] } {
  const wholly = (characters: readonly string[]) => [{ text: characters.join(''), differs: true }]
  if (from.length > fineMax || to.length > fineMax) return { source: wholly(from), target: wholly(to) }

  const lengths = sharedLengths(from, to)
  const shared = lengths[0]![0]!
  // Letters that happen to recur are noise: below a third in common, the whole middle is simply different.
  if (shared * 3 < Math.max(from.length, to.length)) return { source: wholly(from), target: wholly(to) }

  const steps: Step[] = []
  let i = 0
  let j = 0
  while (i < from.length || j < to.length) {
    if (i < from.length && j < to.length && from[i] === to[j])
      steps.push({ source: from[i++]!, target: to[j++]!, same: true })
    else if (j >= to.length || (i < from.length && lengths[i + 1]![j]! >= lengths[i]![j + 1]!)) {
      steps.push({ source: from[i++]!, target: '', same: false })
    } else steps.push({ source: '', target: to[j++]!, same: false })
  }
  const read = withoutIslands(steps)
  return {
    source: read.map(({ source, same }) => ({ text: source, differs: !same })),
    target: read.map(({ target, same }) => ({ text: target, differs: !same })),
  }
}

interface Step {
  readonly source: string
  readonly target: string
  readonly same: boolean
}

/** So few shared characters between two differences are chance: the eye reads one change more easily than two. */
const islandMax = 2

function withoutIslands(steps: readonly Step[]): Step[] {
  const result = [...steps]
  for (let first = 0; first < steps.length; first++) {
    if (!steps[first]!.same) continue
    let last = first
    while (steps[last + 1]?.same) last++
    const between = first > 0 && last < steps.length - 1
    if (between && last - first < islandMax) {
      for (let at = first; at <= last; at++) result[at] = { ...steps[at]!, same: false }
    }
    first = last
  }
  return result
}

/** `lengths[i][j]`: how many characters `from` after i and `to` after j share in order. */
function sharedLengths(from: readonly string[], to: readonly string[]): number[][] {
  const lengths = Array.from({ length: from.length + 1 }, () => new Array<number>(to.length + 1).fill(0))
  for (let i = from.length - 1; i >= 0; i--) {
    for (let j = to.length - 1; j >= 0; j--) {
      lengths[i]![j] =
        from[i] === to[j] ? lengths[i + 1]![j + 1]! + 1 : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!)
    }
  }
  return lengths
}

function joined(stretches: readonly Stretch[]): Stretch[] {
  const result: { text: string; differs: boolean }[] = []
  for (const { text, differs } of stretches) {
    if (text === '') continue
    const last = result.at(-1)
    if (last?.differs === differs) last.text += text
    else result.push({ text, differs })
  }
  return result
}

/** Spaces at either end made visible: they are the commonest difference nobody sees. */
export const withVisibleEnds = (text: string): string => text.replace(/^ +| +$/g, (spaces) => '·'.repeat(spaces.length))
