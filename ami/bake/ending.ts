// Ctrl-C and SIGTERM end a bake in order: programs that it runs are ended too, and then everything that cleans up behind
// itself does so. npm hands a signal on, so that it comes twice: the second one changes nothing.
import { readdirSync, readFileSync } from 'node:fs'

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** What is cleaning up may start programs for that: they get so long before they are looked at again. */
const AGAIN_MS = 2_000

export interface Ending {
  readonly signal: AbortSignal
  /** Signals have their usual effect again. */
  done(): void
}

export function endable(say: (line: string) => void): Ending {
  const controller = new AbortController()
  let again: NodeJS.Timeout | undefined
  const end = () => {
    if (controller.signal.aborted) return
    say('Ending: what was begun is taken back. This may take a while.')
    controller.abort()
    // Programs that make roots and disks know nothing of the signal. Those that are of long standing are ended again and again.
    let before = endAll()
    again = setInterval(() => {
      const now = descendants(process.pid)
      endEach(now.filter((pid) => before.includes(pid)))
      before = now
    }, AGAIN_MS)
    again.unref()
  }
  for (const signal of SIGNALS) process.on(signal, end)
  return {
    signal: controller.signal,
    done() {
      clearInterval(again)
      for (const signal of SIGNALS) process.off(signal, end)
    },
  }
}

function endAll(): number[] {
  const all = descendants(process.pid)
  endEach(all)
  return all
}

function endEach(pids: readonly number[]): void {
  for (const pid of pids)
    try {
      process.kill(pid, 'SIGTERM')
    } catch {
      // It has ended.
    }
}

/** Pids of what a process has started, and of what that has; the deepest first. */
export function descendants(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [...descendants(child), child])
}

/** Only Linux says, and only there disks are made. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
        .trim()
        .split(/\s+/)
        .filter(Boolean)
        .map(Number),
    )
  } catch {
    return []
  }
}
