// How far an index is behind the log, in time: from what its process has reported last.
import type { IndexReport } from './messages.ts'
import type { IndexStatus } from './port.ts'

/** @param now Date.now(); the process's clock is the same machine's, and may have been set since */
export function lagOf(
  { caughtUpAt, busyMs }: Pick<IndexReport, 'caughtUpAt' | 'busyMs'>,
  now: number,
): Pick<IndexStatus, 'behindMs' | 'stalledMs'> {
  if (caughtUpAt === null) return { behindMs: null, stalledMs: null }
  const behindMs = Math.max(0, now - caughtUpAt)
  return { behindMs, stalledMs: Math.max(0, behindMs - Math.round(busyMs)) }
}
