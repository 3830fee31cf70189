// Helpers for tests: they take part in small scans too, and may be in trouble.
import { Helper } from './helper.ts'

export const urlOf = (name: string) => JSON.stringify(new URL(name, import.meta.url).href)

/** The thread with something happening after each block that it has taken. */
const after = (happening: string) =>
  new URL(
    `data:text/javascript,${encodeURIComponent(`
      const { sub } = Atomics
      Atomics.sub = (...of) => {
        const before = sub(...of)
        ${happening}
        return before
      }
      await import(${urlOf('./helper-thread.ts')})`)}`,
  )

const programs = {
  /** Kept from its core for a while. */
  slow: after('Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)'),
  dead: after('throw new Error("dies")'),
  never: new URL('data:text/javascript,throw new Error("does not start")'),
}
export type Trouble = keyof typeof programs

export function eagerHelper(trouble?: Trouble): Helper {
  return new Helper({ leastBlocks: 2, ...(trouble && { program: programs[trouble] }) })
}
