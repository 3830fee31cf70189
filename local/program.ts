// One supervised program: started, watched until it is ready, restarted when it crashes, stopped when asked.
// It gets a session of its own, so that a terminal's Ctrl-C reaches only us and things stop in order, and a pipe
// as its stdin, whose end tells it that we are gone, however we went.
import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LogFile } from './logs.ts'
import { Problem } from './problem.ts'

export interface Program {
  readonly name: string
  readonly command: readonly [string, ...string[]]
  readonly env: NodeJS.ProcessEnv
  readonly cwd?: string
  /** Asked again and again until it says true; what it throws means no. */
  ready(): Promise<boolean>
  /** Whether what is left of its process group is killed once it has ended. Default `kill`. */
  readonly leftovers?: 'kill' | 'keep'
  beforeRestart?(): Promise<void>
  /** Makes a sentence of a first start that failed, from the last lines it wrote. */
  explain?(tail: string): Problem | undefined
}

export interface Supervised {
  readonly name: string
  /** Undefined while it is down. */
  pid(): number | undefined
  /** Resolves when it is ready for the first time. @throws Problem when it ends before that */
  readonly started: Promise<void>
  /** SIGTERM, then SIGKILL after `graceMs`. */
  stop(graceMs: number): Promise<void>
  /** Without waiting. */
  kill(): void
}

export interface SuperviseOptions {
  readonly log: LogFile
  readonly say: (line: string) => void
  /** Default: half a second, doubling to 30 s; from the beginning again after a minute of running. */
  readonly backoffMs?: (crashes: number) => number
}

const doubling = (crashes: number) => Math.min(30_000, 500 * 2 ** (crashes - 1))

export function supervise(program: Program, options: SuperviseOptions): Supervised {
  const { log, say, backoffMs = doubling } = options
  let child: ChildProcess | undefined
  let ended: Promise<string> = Promise.resolve('')
  let stopping = false
  const wake = new AbortController()

  const launch = () => {
    const [command, ...args] = program.command
    const spawned = spawn(command, args, {
      cwd: program.cwd,
      env: program.env,
      detached: true,
      stdio: ['pipe', log.fd, log.fd],
    })
    // Writing to a child that has just died is no event.
    spawned.stdin?.on('error', () => {})
    child = spawned
    ended = new Promise((resolve) => {
      const over = (how: string) => {
        if (child === spawned) child = undefined
        if (program.leftovers !== 'keep') killGroup(spawned)
        resolve(how)
      }
      spawned.once('error', (error) => over(error.message))
      spawned.once('exit', (code, signal) => over(signal ?? `exit code ${code}`))
    })
    return ended
  }

  const becomesReady = async (exit: Promise<string>) => {
    let over = false
    exit.then(() => {
      over = true
    })
    const late = setTimeout(() => say(`${program.name} is not ready yet. What it does: ${log.path}`), 60_000)
    try {
      while (!over && !stopping) {
        if (await program.ready().catch(() => false)) return true
        await sleep(40)
      }
      return false
    } finally {
      clearTimeout(late)
    }
  }

  const keepRunning = async (first: Promise<string>) => {
    let exit = first
    let crashes = 0
    for (;;) {
      const since = Date.now()
      const how = await exit
      if (stopping) return
      crashes = Date.now() - since > 60_000 ? 1 : crashes + 1
      const delay = backoffMs(crashes)
      say(
        `${program.name} ended unexpectedly (${how}); starting it again in ${delay / 1000} s. Log: ${log.path}`,
      )
      await sleep(delay, undefined, { signal: wake.signal }).catch(() => {})
      if (stopping) return
      await program.beforeRestart?.().catch((error: Error) => say(error.message))
      if (stopping) return
      exit = launch()
      becomesReady(exit).then((ready) => {
        if (ready) say(`${program.name} is running again.`)
      })
    }
  }

  const start = async () => {
    const exit = launch()
    if (await becomesReady(exit)) {
      keepRunning(exit)
      return
    }
    if (stopping) return
    const tail = log.tail()
    throw (
      program.explain?.(tail) ??
      new Problem(
        `${program.name} does not start (${await exit}). The end of its log:\n${tail}`,
        `Whole log: ${log.path}`,
      )
    )
  }

  return {
    name: program.name,
    pid: () => child?.pid,
    started: start(),
    async stop(graceMs) {
      stopping = true
      wake.abort()
      const running = child
      if (!running) return
      running.kill('SIGTERM')
      const late = setTimeout(() => {
        // A keeper is waited for: killing it would leave behind what it keeps.
        say(`${program.name} does not stop${program.leftovers === 'keep' ? ' yet' : '; killing it'}.`)
        if (program.leftovers !== 'keep') running.kill('SIGKILL')
      }, graceMs)
      await ended
      clearTimeout(late)
    },
    kill() {
      stopping = true
      wake.abort()
      child?.kill(program.leftovers === 'keep' ? 'SIGTERM' : 'SIGKILL')
    },
  }
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // nobody is left
  }
}
