// A lock that lives in a file and dies with its holder. No dependencies: start.mjs uses it before anything is installed.
// The file names the holder's process id and the moment that process began, because process ids are used again.
// It appears complete or not at all (written aside, then hard-linked), so that no reader sees half a line.
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** When a process began, in the kernel's ticks; null where that can't be read (not Linux, or no such process). */
function began(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null
  } catch {
    return null
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

/** Whether the process with this id is still the one that began at `start`. */
export function isSameProcess(pid, start) {
  if (!Number.isInteger(pid) || pid <= 0 || !alive(pid)) return false
  const now = began(pid)
  return now === null || start === null || now === start
}

/** Who holds a lock, or null. */
export function holder(file) {
  try {
    const held = JSON.parse(readFileSync(file, 'utf8'))
    return isSameProcess(held.pid, held.start) ? held : null
  } catch {
    return null
  }
}

/**
 * Takes the lock, or returns null when a living process holds it.
 * @param note is kept with it, for whoever finds it taken
 * @returns a function that releases it
 */
export function tryLock(file, note = {}) {
  const own = { pid: process.pid, start: began(process.pid), ...note }
  const aside = `${file}.${process.pid}`
  writeFileSync(aside, JSON.stringify(own), { mode: 0o644 })
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      try {
        linkSync(aside, file)
        return () => {
          if (holder(file)?.pid === process.pid) rmSync(file, { force: true })
        }
      } catch (error) {
        if (error.code !== 'EEXIST') throw error
      }
      if (holder(file)) return null
      clearStale(file, aside)
    }
    return null
  } finally {
    rmSync(aside, { force: true })
  }
}

/** Two may find the same dead lock: what was moved away is looked at again, and put back when it was a living one. */
function clearStale(file, aside) {
  const away = `${aside}.stale`
  try {
    renameSync(file, away)
  } catch {
    return
  }
  try {
    if (holder(away)) linkSync(away, file)
  } catch {
    // a third has taken it meanwhile
  }
  rmSync(away, { force: true })
}

/**
 * Waits for the lock.
 * @param waiting is called once, with the holder, when it is not free at once
 */
export async function lock(file, waiting = () => {}) {
  for (let told = false; ; told = true) {
    const release = tryLock(file)
    if (release) return release
    if (!told) waiting(holder(file))
    await sleep(300)
  }
}
