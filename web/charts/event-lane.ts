export interface LaneEvent {
  readonly at: number
  readonly label: string
}

/** Pixels of one letter of 11 px type, and of a shape with its gap; estimates on the safe side. */
const letterWidth = 5.8
const shapeWidth = 16

/**
 * Decides which events of the lane keep their words: those that do not run into the next one's shape. Positions are
 * shares of the window; all events keep their shape. Oldest first.
 *
 * @param width of the lane, in pixels.
 */
export function laneOf<Event extends LaneEvent>(
  events: readonly Event[],
  from: number,
  to: number,
  width: number,
): { event: Event; share: number; worded: boolean; left: boolean }[] {
  const inside = events.filter(({ at }) => at >= from && at <= to).toSorted((a, b) => a.at - b.at)
  const shares = inside.map(({ at }) => (at - from) / (to - from || 1))
  let busyUntil = 0
  return inside.map((event, index) => {
    const share = shares[index]!
    const room = (event.label.length * letterWidth + shapeWidth) / width
    // Near the right edge the words stand before the shape.
    const left = share + room > 1
    const [start, end] = left ? [share - room, share + shapeWidth / width] : [share, share + room]
    const before = shares[index - 1] ?? -1
    const free =
      start >= busyUntil && (!left || start > before + shapeWidth / width) && (left || end <= (shares[index + 1] ?? 1))
    busyUntil = free ? end : Math.max(busyUntil, share + shapeWidth / width)
    return { event, share, worded: free, left }
  })
}
