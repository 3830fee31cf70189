// What the boot test asks of the machine that it runs on, each by the program that knows.
import { execFile } from 'node:child_process'
import { readFile, statfs } from 'node:fs/promises'
import { promisify } from 'node:util'
import type { MachineFacts } from './facts.ts'

const ANSWER_MS = 30_000

/** @returns what it writes; of one that fails, too. @throws Error when it can't be started, or does not end */
async function say(file: string, ...args: string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(file, args, { timeout: ANSWER_MS })
    return stdout.trim()
  } catch (error) {
    if (error instanceof Error && typeof Reflect.get(error, 'code') === 'number')
      return `${Reflect.get(error, 'stdout')}`.trim()
    throw error
  }
}

export async function disk(): Promise<Pick<MachineFacts, 'rootBytes' | 'application'>> {
  const { blocks, bsize } = await statfs('/')
  return {
    rootBytes: blocks * bsize,
    application: await say('findmnt', '-no', 'FSTYPE,OPTIONS', '/opt/terrace'),
  }
}

/** @param server whose memory is limited */
export async function units(server: string): Promise<Pick<MachineFacts, 'failedUnits' | 'memoryMax'>> {
  const failed = await say('systemctl', 'list-units', '--failed', '--plain', '--no-legend')
  return {
    failedUnits: failed.split('\n').flatMap((line) => line.trim().split(/\s+/)[0] || []),
    memoryMax: Number(await property(server, 'MemoryMax')),
  }
}

export const property = (unit: string, name: string): Promise<string> =>
  say('systemctl', 'show', '--value', `--property=${name}`, unit)

/** The end of what a unit has said. */
export const journalOf = (unit: string): Promise<string> =>
  say('journalctl', '--no-pager', '--output=cat', '--lines=40', `--unit=${unit}`)

/** Sources of the time as chrony has them, a line each (chronyc(1), `sources`, as CSV): its second field is `*` for the one in use. */
export const timeSources = (): Promise<string> => say('chronyc', '-h', '127.0.0.1', '-n', '-c', 'sources')

/** @returns undefined when there is none */
export async function selfCheckResult(file: string): Promise<string[] | undefined> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  if (text === undefined) return undefined
  const { findings } = JSON.parse(text) as { findings: unknown }
  if (!Array.isArray(findings)) throw new Error(`${file} is no result of the self-check`)
  return findings.map(String)
}
