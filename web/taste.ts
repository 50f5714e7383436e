/** What a person prefers on this computer. It lives in the browser; without storage the defaults hold. */

export type Theme = 'light' | 'dark'
const themeKey = 'tallyman.theme'
const keysKey = 'tallyman.keys'

const recall = (key: string): string | null => {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

function keep(key: string, value: string) {
  try {
    localStorage.setItem(key, value)
  } catch {
    // Storage is forbidden: the choice holds until the page is closed.
  }
}

export const chosenTheme = (): Theme | null => {
  const theme = recall(themeKey)
  return theme === 'light' || theme === 'dark' ? theme : null
}

export function wear(theme: Theme) {
  document.documentElement.dataset['theme'] = theme
  keep(themeKey, theme)
}

/** The theme on screen: the chosen one, else the system's. */
export const wornTheme = (): Theme => {
  const worn = document.documentElement.dataset['theme']
  if (worn === 'light' || worn === 'dark') return worn
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'
}

export const keysAreOn = (): boolean => recall(keysKey) !== 'off'
export const switchKeys = (on: boolean) => keep(keysKey, on ? 'on' : 'off')
