import { addressOf, pageOf, withChoices } from './page.ts'

/** Addresses that belong to the server, not to a page. */
const serverPaths = /^\/(api|metrics|probe|livez|readyz|ping)(\/|$)/

/** The address bar, as state: links move it without loading the page anew. */
export class Router {
  #href = $state(window.location.href)
  readonly #address = $derived(addressOf(this.#href))
  readonly path = $derived(this.#address.path)
  readonly query = $derived(this.#address.query)
  readonly page = $derived(pageOf(this.path))

  go(href: string) {
    window.history.pushState(null, '', href)
    this.#href = window.location.href
    window.scrollTo(0, 0)
  }

  /** Changes what is shown of the present page; an undefined value removes its key. Leaves no step in the history. */
  choose(values: Readonly<Record<string, string | undefined>>) {
    this.#href = withChoices(this.#href, values)
    window.history.replaceState(null, '', this.#href)
  }

  start(): () => void {
    const back = () => (this.#href = window.location.href)
    const click = (event: MouseEvent) => {
      const link = event.target instanceof Element ? event.target.closest('a') : null
      if (!link || !isOurs(link, event)) return
      event.preventDefault()
      this.go(link.href)
    }
    window.addEventListener('popstate', back)
    document.addEventListener('click', click)
    return () => {
      window.removeEventListener('popstate', back)
      document.removeEventListener('click', click)
    }
  }
}

function isOurs(link: HTMLAnchorElement, event: MouseEvent): boolean {
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey
  const here = link.origin === window.location.origin && !link.target && !link.hasAttribute('download')
  const jump = link.hash !== '' && link.pathname === window.location.pathname
  return plain && !event.defaultPrevented && here && !jump && !serverPaths.test(link.pathname)
}
