// A run that is told to end (Ctrl-C, a pipeline that is cancelled), or that nobody can follow any more (its output's disk is
// full, its reader gone): what is being asked is answered, nothing new is begun,
// and what can be closed is closed on the way out. What AWS has begun goes on.
import type { Aws } from '../../aws/port.ts'
import { wrapped } from './wrapped.ts'

/** What a shell makes of a process that a signal has ended: 128 and the signal's number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const
type Signal = keyof typeof EXIT_CODES
const SIGNALS = ['SIGINT', 'SIGTERM'] as const satisfies readonly Signal[]

export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  readonly exitCode: number

  /** @param by a signal, or why nothing can be written any more */
  constructor(by: Signal | Error) {
    const why =
      by instanceof Error ? `, because what it says can’t be written any more (${by.message})` : ` by ${by}`
    super(
      `Ended${why}: nothing more is done from here. Running the same command again goes on from what is there.`,
    )
    this.exitCode = by instanceof Error ? 1 : EXIT_CODES[by]
  }
}

/**
 * One Ctrl-C may come twice: the terminal sends it to the whole group, and npm passes its own on, a millisecond later
 * (npm/cli#1591), where the shell that it runs scripts by has made room for the script (bash does, dash does not).
 */
const ECHO_MS = 1_000

/**
 * Listens for signals from now on. A second one ends the process at once, whichever it is.
 * @returns aborted by the first one, or when what is said can't be written; its reason is an `Interrupted`
 */
export function untilSignalled(say: (line: string) => void): AbortSignal {
  const controller = new AbortController()
  let firstAt = 0
  const listen = (signal: Signal) => {
    if (!controller.signal.aborted) {
      firstAt = performance.now()
      controller.abort(new Interrupted(signal))
      return say(`${signal}: ending. Once more ends it at once, and leaves open what is open.`)
    }
    if (performance.now() - firstAt < ECHO_MS) return
    for (const one of SIGNALS) process.off(one, listen)
    process.kill(process.pid, signal)
  }
  for (const signal of SIGNALS) process.on(signal, listen)
  // Unheard, such an error would end the process where it stands: with a policy open, and a lock that nobody has.
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error) => controller.abort(new Interrupted(error)))
  return controller.signal
}

/** Signals whose reason has been thrown: what is asked since then is asked to put things in order. */
const told = new WeakSet<AbortSignal>()

/** What whoever notices the signal throws. Nobody else throws it again. */
export function reasonOf(signal: AbortSignal): unknown {
  told.add(signal)
  return signal.reason
}

/** AWS whose next call throws once the signal has come, unless somebody has noticed it already. */
export function interruptible(aws: Aws, signal: AbortSignal): Aws {
  const tell = () => {
    if (signal.aborted && !told.has(signal)) throw reasonOf(signal)
  }
  const sleep = async (ms: number, own?: AbortSignal) => {
    tell()
    if (signal.aborted) return aws.clock.sleep(ms, own)
    try {
      await aws.clock.sleep(ms, own === undefined ? signal : AbortSignal.any([signal, own]))
    } catch (error) {
      throw error === signal.reason ? reasonOf(signal) : error
    }
  }
  return wrapped(aws, tell, sleep)
}
