// Waiting for what AWS does by itself.
import type { Clock } from '../../aws/port.ts'
import { Continuable } from '../ledger/failure.ts'

const FIRST_MS = 2_000
const LONGEST_MS = 15_000

/** @throws Continuable `what` after `longestMs`, or what `isDone` throws */
export async function until(
  clock: Clock,
  longestMs: number,
  signal: AbortSignal | undefined,
  what: string,
  isDone: () => Promise<boolean>,
): Promise<void> {
  const started = clock.now().getTime()
  for (let pause = FIRST_MS; !(await isDone()); pause = Math.min(pause * 1.5, LONGEST_MS)) {
    const waited = clock.now().getTime() - started
    // AWS goes on with it: to take it back would throw away what may be there in a moment.
    if (waited >= longestMs) throw new Continuable(`${what} after ${Math.round(waited / 60_000)} minutes`)
    await clock.sleep(pause, signal)
  }
}
