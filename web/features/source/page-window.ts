// Which pages of a document are on the screen's list. A document may have thousands: it opens at the cited page
// and grows towards where one scrolls, a few pages at a time, letting go at the other end.

/** Pages that stay in the list at most; beyond that the far end goes. */
export const WINDOW_PAGES = 30
const STEP = 3

/** Page numbers, from 1, both inclusive. */
export interface PageWindow {
  readonly first: number
  readonly last: number
}

/** The window that opens at `page`: itself and its next, so that a passage over a page's end reads on. */
export function openAt(page: number, pages: number): PageWindow {
  const first = Math.min(Math.max(1, Math.trunc(page) || 1), Math.max(1, pages))
  return { first, last: Math.min(pages, first + 1) }
}

export function growDown(window: PageWindow, pages: number): PageWindow {
  const last = Math.min(pages, window.last + STEP)
  return { first: Math.max(window.first, last - WINDOW_PAGES + 1), last }
}

export function growUp(window: PageWindow): PageWindow {
  const first = Math.max(1, window.first - STEP)
  return { first, last: Math.min(window.last, first + WINDOW_PAGES - 1) }
}

export function pageNumbers({ first, last }: PageWindow): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => first + n)
}
