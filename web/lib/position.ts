// How far this browser has seen the index (contract/position.ts): said with every request, so that no search goes back
// in time when another server answers. Shared by all tabs; nothing about anybody's documents.
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
export function noteSeen(headers: Headers): void {
  const heard = parsePosition(headers.get(POSITION_HEADER))
  if (heard === null) return
  try {
    localStorage.setItem(KEY, formatPosition(laterPosition(parsePosition(read()), heard)))
  } catch {
    // Without storage this tab knows as much as before.
  }
}
