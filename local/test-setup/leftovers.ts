// Nothing may be left running after the tests. Every process that a test starts inherits TERRACE_TEST_RUN;
// whoever still carries it at the end is named, counted as a failed test, and ended.
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Leftover {
  readonly pid: number
  readonly command: string
}

/** Linux only: elsewhere environments can't be read and nothing is found. */
function carrying(mark: string): Leftover[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    if (!Number.isInteger(pid) || pid === process.pid) return []
    try {
      if (!readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').includes(`TERRACE_TEST_RUN=${mark}`))
        return []
      return [{ pid, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() }]
    } catch {
      return []
    }
  })
}

/** Those that have not ended by themselves within `patienceMs`; they are killed. */
export async function endLeftovers(mark: string, patienceMs: number): Promise<Leftover[]> {
  for (let waited = 0; waited < patienceMs; waited += 250) {
    if (carrying(mark).length === 0) return []
    await sleep(250)
  }
  const left = carrying(mark)
  for (const { pid } of left)
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // ended meanwhile
    }
  return left
}
