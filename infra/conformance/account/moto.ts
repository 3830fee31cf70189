// moto: the emulator that knows the calls of a bake, which ministack mostly does not. Its stacks are no match for ours, so
// that only the comparison of calls asks it.
import { answersAt, type Emulator, startEmulator } from './emulator.ts'

/** @throws Error with what it wrote, when it does not answer */
export const startMoto = (): Promise<Emulator> =>
  startEmulator({
    program: 'moto_server',
    args: (port) => ['-H', '127.0.0.1', '-p', String(port)],
    // Without the thousand images of Amazon's that it knows: the stand-in has none of them either.
    env: () => ({ MOTO_EC2_LOAD_DEFAULT_AMIS: 'false' }),
    isUp: (endpoint) => answersAt(`${endpoint}/moto-api/data.json`),
  })
