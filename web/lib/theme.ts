// Light, dark or as the system says. Kept in a cookie so that the server writes it into <html>: the first
// paint is right, and no inline script is needed for it.
export const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

const COOKIE = 'terrace-theme'
const YEAR_SECONDS = 365 * 24 * 60 * 60

export function readTheme(cookies: string | undefined): Theme {
  const value = cookies?.match(/(?:^|;\s*)terrace-theme=(\w+)/)?.[1]
  return THEMES.find((theme) => theme === value) ?? 'system'
}

/** Browser only: shows the theme at once and remembers it. */
export function setTheme(theme: Theme): void {
  document.documentElement.dataset.theme = theme
  // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is not in every browser that we support
  document.cookie = `${COOKIE}=${theme}; Path=/; Max-Age=${YEAR_SECONDS}; SameSite=Lax`
}
