/** Every single key and what it does, in the order the list shows them. */
export const keyList: readonly (readonly [keys: string, does: string])[] = [
  ['/', 'search'],
  ['j k', 'next, previous row'],
  ['Enter', 'open the row'],
  ['a', 'acknowledge'],
  ['r', 'run checks, or reconcile'],
  ['o', 'open the runbook'],
  ['[ ]', 'shorter, longer range'],
  ['1 to 5', 'one of the five signals'],
  ['x', 'select the difference'],
  ['Shift+A', 'approve (asks)'],
  ['.', 're-sort'],
  ['t', 'light or dark'],
  ['?', 'all keys'],
  ['Esc', 'back'],
]

const fields = 'input:not([type=checkbox]), textarea, select, [contenteditable]'

/**
 * Presses what a key names. Controls say their key in `data-key`; rows are marked `data-row` and hold the element that
 * takes the focus. A key goes to the focused row first, then to the page. True when something was pressed.
 */
export function press(event: KeyboardEvent, root: ParentNode): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false
  const focused = event.target instanceof Element ? event.target : null
  // Typing is typing: only Escape leaves a field.
  if (focused?.closest(fields)) {
    if (event.key !== 'Escape') return false
    if (focused.closest('[data-form]')) return press1('Escape', focused, root)
    if (focused instanceof HTMLElement) focused.blur()
    return true
  }
  if (event.key === 'j' || event.key === 'k') return move(event.key === 'j' ? 1 : -1, focused, root)
  return press1(event.key, focused, root)
}

function press1(key: string, focused: Element | null, root: ParentNode): boolean {
  const named = `[data-key="${CSS.escape(key)}"]`
  const row = focused?.closest('[data-row], [data-form]')
  const inRow = row?.querySelector<HTMLElement>(named)
  const onPage = [...root.querySelectorAll<HTMLElement>(named)].find((each) => !each.closest('[data-row]'))
  // Without a focused row the first one is meant; with one, a key it does not know must not act on another.
  const firstRow = row ? null : root.querySelector<HTMLElement>(`[data-row] ${named}`)
  const control = inRow ?? onPage ?? firstRow
  if (!control || control.hasAttribute('disabled')) return false
  if (control.matches(fields)) control.focus()
  else control.click()
  return true
}

function move(step: 1 | -1, focused: Element | null, root: ParentNode): boolean {
  const rows = [...root.querySelectorAll<HTMLElement>('[data-row]')]
  const here = rows.findIndex((row) => row.contains(focused))
  const next = rows[here < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, here + step))]
  const target =
    next?.querySelector<HTMLElement>('[data-row-focus]') ?? next?.querySelector<HTMLElement>('a, button') ?? next
  target?.focus()
  target?.scrollIntoView({ block: 'nearest' })
  return target !== undefined
}
