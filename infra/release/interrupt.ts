// A run that is told to end (Ctrl-C, a pipeline that is cancelled): what is being asked is answered, nothing new is begun,
// and what can be closed is closed on the way out. What AWS has begun goes on.
import type { Aws } from '../../aws/port.ts'
import { wrapped } from './wrapped.ts'

/** What a shell makes of a process that a signal has ended: 128 and the signal's number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const
type Signal = keyof typeof EXIT_CODES

export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  readonly exitCode: number

  constructor(signal: Signal) {
    super(
      `Ended by ${signal}: nothing more is done from here. Running the same command again goes on from what is there.`,
    )
    this.exitCode = EXIT_CODES[signal]
  }
}

/** What a terminal sends reaches a program under `npm run` twice: npm, which gets it as well, hands it on. */
const SAME_MS = 1_000

/**
 * Listens for signals from now on. A second one ends the process at once.
 * @returns aborted by the first one; its reason is an `Interrupted`
 */
export function untilSignalled(say: (line: string) => void): AbortSignal {
  const controller = new AbortController()
  let first = 0
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      const now = performance.now()
      if (controller.signal.aborted) {
        if (now - first > SAME_MS) process.exit(EXIT_CODES[signal])
        return
      }
      first = now
      say(`${signal}: ending. Once more ends it at once, and leaves open what is open.`)
      controller.abort(new Interrupted(signal))
    })
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
