// A folder of files that are only being made: each carries the name of the process that makes it, so that what a
// killed process left can be told from what a living one is writing. Safe beside other processes in the same folder.
import { randomUUID } from 'node:crypto'
import { readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'

/** One per process: a file of our pid with another token was left by an earlier process of that pid. */
const TOKEN = randomUUID()

/** A path in `folder` that nobody else uses. */
export function ownFile(folder: string): string {
  return path.join(folder, `${process.pid}.${TOKEN}.${randomUUID()}`)
}

/**
 * Removes what no living process made, and what was not touched for `abandonedMs`: a pid may have been given to a
 * stranger since. No limit by default, for files that are read for as long as their process lives.
 */
export async function sweepOwnFiles(folder: string, abandonedMs = Number.POSITIVE_INFINITY): Promise<void> {
  for (const name of await readdir(folder)) {
    const [pid = '', token] = name.split('.')
    const file = path.join(folder, name)
    if (Number(pid) === process.pid ? token === TOKEN : alive(Number(pid))) {
      const modified = (await stat(file).catch(() => null))?.mtimeMs ?? 0
      if (Date.now() - modified < abandonedMs) continue
    }
    await rm(file, { force: true })
  }
}

function alive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
