// A page that is older than its server's files asks in vain for a part of itself. Loaded anew, it is the newest and has all its
// parts; so it loads itself, once for each build, and never in a circle.

const RELOADED = 'terrace-reloaded:'
const NOTE = 'terrace-reloaded-now'
/** Milliseconds between two looks at whether something is still under way. */
const LOOK_MS = 250

type Items = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>

/** Whether it is a part of the page that did not come: Turbopack's own words first, then those of browsers. */
export function isMissingPart(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return (
    error.name === 'ChunkLoadError' ||
    /dynamically imported module|importing a module script failed/i.test(error.message)
  )
}

export interface OldPage {
  /** Of the page's own build: one key each, since two servers in turn may draw pages of two. */
  readonly build: string
  /** The tab's own storage; undefined where a browser has none: nothing would end a circle there. */
  readonly storage: Items | undefined
  /** Something that loading the page again would cut off. */
  readonly isUnderWay: () => boolean
  /** False when there is no server to load it from: the browser's own error page would take its place. */
  readonly isServerThere: () => Promise<boolean>
  readonly pause: (ms: number) => Promise<unknown>
  readonly reload: () => void
  /** Called once when there is something to wait for. */
  readonly onWaiting: () => void
  readonly signal: AbortSignal
}

/** @returns false when the page stays as it is: it was loaded again before, or can't be; nothing is said after an abort */
export async function reloadOnce(page: OldPage): Promise<boolean> {
  const { build, storage, signal } = page
  if (storage === undefined || wasReloaded(storage, build)) return false
  if (page.isUnderWay()) page.onWaiting()
  do {
    while (page.isUnderWay() && !signal.aborted) await page.pause(LOOK_MS)
    if (!(await page.isServerThere())) return false
    // Something may have begun meanwhile.
  } while (page.isUnderWay() && !signal.aborted)
  if (signal.aborted) return true
  if (!claim(storage, build)) return false
  page.reload()
  return true
}

function wasReloaded(storage: Items, build: string): boolean {
  try {
    return storage.getItem(RELOADED + build) !== null
  } catch {
    return true
  }
}

/** Whoever can't write it down may not do it: nobody would know of it afterwards. */
function claim(storage: Items, build: string): boolean {
  try {
    storage.setItem(RELOADED + build, 'yes')
    storage.setItem(NOTE, 'yes')
    return true
  } catch {
    return false
  }
}

/** Whether this page has just loaded itself again; true once. */
export function takeReloadNote(storage: Items | undefined): boolean {
  try {
    if (storage === undefined || storage.getItem(NOTE) === null) return false
    storage.removeItem(NOTE)
    return true
  } catch {
    return false
  }
}

/** Reading the name alone throws in a browser that forbids storage. */
export function tabStorage(): Storage | undefined {
  try {
    return window.sessionStorage
  } catch {
    return undefined
  }
}
