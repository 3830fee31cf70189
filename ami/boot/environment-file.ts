// The environment as a file for systemd's EnvironmentFile=, in memory (tmpfs) only.
// Syntax: systemd.exec(5). Inside double quotes everything stands for itself, line breaks too, but for the quote and the
// backslash; nothing is expanded, neither % nor $.
import { randomUUID } from 'node:crypto'
import { open, rename, statfs, unlink } from 'node:fs/promises'
import path from 'node:path'
import { VARIABLE } from './launch.ts'
import type { Values } from './settings.ts'

/** Bytes of `NAME=value` that a program can be started with (Linux: MAX_ARG_STRLEN, with the NUL at its end). */
const LONGEST = 128 * 1024 - 1
/** statfs(2). */
const TMPFS = 0x01021994

/**
 * @throws Error naming each variable that no environment can hold, or that systemd would leave out
 */
export function formatEnvironment(variables: Values): string {
  const wrong = Object.entries(variables).flatMap(([name, value]) => {
    const reason = refused(name, value)
    return reason === undefined ? [] : [`${name}: ${reason}`]
  })
  if (wrong.length > 0) throw new Error(`The environment can not be handed on: ${wrong.join('; ')}.`)
  return Object.entries(variables)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}="${value.replaceAll(/["\\]/g, '\\$&')}"\n`)
    .join('')
}

function refused(name: string, value: string): string | undefined {
  if (!VARIABLE.test(name)) return 'is not a name for a variable'
  if (value.includes('\0')) return 'has a NUL character'
  if (!value.isWellFormed() || /[\p{Noncharacter_Code_Point}]/u.test(value))
    return 'has characters that Unicode has no meaning for'
  if (Buffer.byteLength(`${name}=${value}`) > LONGEST) return 'is longer than 128 KiB'
  return undefined
}

/**
 * Puts the file in the place of the one before, in one step.
 * @param mode default: for its owner's eyes only
 * @throws Error when the folder is not in memory; what the file system says
 */
export async function writeInMemory(file: string, text: string, mode = 0o600): Promise<void> {
  const folder = path.dirname(file)
  // Images are Linux; elsewhere only its tests run.
  if (process.platform === 'linux' && (await statfs(folder)).type !== TMPFS)
    throw new Error(`${folder} is not in memory (tmpfs), so no secret is written there.`)
  const draft = path.join(folder, `.${path.basename(file)}-${randomUUID()}`)
  try {
    const handle = await open(draft, 'wx', mode)
    try {
      await handle.writeFile(text)
      // Whatever the umask.
      await handle.chmod(mode)
    } finally {
      await handle.close()
    }
    await rename(draft, file)
  } catch (error) {
    await unlink(draft).catch(() => {})
    throw error
  }
}
