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

/**
 * Listens for signals from now on. A second one ends the process at once.
 * @returns aborted by the first one; its reason is an `Interrupted`
 */
export function untilSignalled(say: (line: string) => void): AbortSignal {
  const controller = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      if (controller.signal.aborted) return
      say(`${signal}: ending. Once more ends it at once, and leaves open what is open.`)
      controller.abort(new Interrupted(signal))
    })
  return controller.signal
}

/** AWS whose next call throws once the signal has come; the calls after it are those that put things in order. */
export function interruptible(aws: Aws, signal: AbortSignal): Aws {
  let isTold = false
  const tell = () => {
    if (!signal.aborted || isTold) return
    isTold = true
    throw signal.reason
  }
  const sleep = async (ms: number, own?: AbortSignal) => {
    tell()
    if (isTold) return aws.clock.sleep(ms, own)
    try {
      await aws.clock.sleep(ms, own === undefined ? signal : AbortSignal.any([signal, own]))
    } catch (error) {
      isTold ||= error === signal.reason
      throw error
    }
  }
  return wrapped(aws, tell, sleep)
}
