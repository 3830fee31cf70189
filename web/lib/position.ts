// How far this browser has seen the index and the database (contract/position.ts): said with every request, so that no
// search goes back in time when another server answers, and no list. Shared by all tabs; nothing about anybody's documents.
import { formatPosition, laterPosition, POSITION_HEADER, parsePosition } from '../../contract/position.ts'

const KEY = 'terrace.position'

function read(): string | null {
  try {
    return localStorage.getItem(KEY)
  } catch {
    return null
  }
}

/** For a request. */
export function seenHeader(): Record<string, string> {
  const seen = parsePosition(read())
  return seen === null ? {} : { [POSITION_HEADER]: formatPosition(seen) }
}

/** From a reply. */
export function noteSeen(headers: Pick<Headers, 'get'>): void {
  notePosition(headers.get(POSITION_HEADER))
}

/** From an event, before what it changes is asked for again. */
export function notePosition(text: string | null | undefined): void {
  const heard = parsePosition(text)
  if (heard === null) return
  try {
    localStorage.setItem(KEY, formatPosition(laterPosition(parsePosition(read()), heard)))
  } catch {
    // Without storage this tab knows as much as before.
  }
}
