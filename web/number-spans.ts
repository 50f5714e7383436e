/** A stretch of a sentence; numbers with their units are set apart so that they are drawn upright and never broken. */
export interface Span {
  readonly text: string
  readonly number: boolean
}

// A number that stands alone: not the 2 of `orders.v2` nor the 7 of `erp-sync-7`.
const pattern =
  /(?<![\w.:/#-])(?:[≥<>±]\s?)?[−-]?\d[\d.,:]*(?:[ \u202f\u00a0]\d{3}(?!\d))*(?:[ \u202f\u00a0]?(?:%|ms|min|s|m|h|d|k|M|G|kB|MB|GB|B)(?![\w-]))?(?:[ \u202f\u00a0]?\/\s?(?:s|min|h)(?!\w))?(?![\w-])/gu

/** Parts a sentence at its numbers. Joining the spans gives the sentence again. */
export function numberSpans(sentence: string): Span[] {
  const spans: Span[] = []
  let end = 0
  for (const match of sentence.matchAll(pattern)) {
    // A full stop or comma at the end belongs to the sentence.
    const text = match[0].replace(/[.,:]+$/, '')
    if (match.index > end) spans.push({ text: sentence.slice(end, match.index), number: false })
    spans.push({ text, number: true })
    end = match.index + text.length
  }
  if (end < sentence.length) spans.push({ text: sentence.slice(end), number: false })
  return spans
}
