// ministack: the emulator that makes stacks.
import { answersAt, type Emulator, startEmulator } from './emulator.ts'

/** @throws Error with what it wrote, when it does not answer */
export const startMinistack = (): Promise<Emulator> =>
  startEmulator({
    program: 'ministack',
    args: () => [],
    env: (port) => ({ GATEWAY_PORT: String(port), BIND_HOST: '127.0.0.1', LOG_LEVEL: 'WARNING' }),
    isUp: isMinistack,
  })

/** Whether that is what answers there. */
export const isMinistack = (endpoint: string): Promise<boolean> => answersAt(`${endpoint}/_ministack/health`)

/** Everything in it is gone then. */
export async function resetMinistack(endpoint: string): Promise<void> {
  const { ok, status } = await fetch(`${endpoint}/_ministack/reset`, { method: 'POST' })
  if (!ok) throw new Error(`the emulator can’t be reset: ${status}`)
}
