// Fetches the packages that are pinned and puts what an image needs of them into its root. Only files that are named
// are taken: a package of somebody else's runs no script here, and lays nothing over Debian's own.
import { existsSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { $ } from 'zx'
import { download } from '../../local/models/download.ts'
import { sha256 } from '../../local/models/weights.ts'
import { Problem } from '../../local/problem.ts'
import { AGENT_NAMES, AGENTS, type AgentName, type Pin, type Pins } from './agents.ts'

export interface FetchedAgent {
  readonly name: AgentName
  readonly pin: Pin
  /** The package. */
  readonly file: string
}

/**
 * @param cache folder; a package that is there already and is the pinned one is not fetched again
 * @returns in the order of AGENT_NAMES; an agent without a pin is left out
 * @throws Problem when one can't be had, or is not the one that is pinned
 */
export async function fetchAgents(pins: Pins, cache: string): Promise<readonly FetchedAgent[]> {
  mkdirSync(cache, { recursive: true })
  const fetched: FetchedAgent[] = []
  for (const name of AGENT_NAMES) {
    const pin = pins[name]
    if (pin === undefined) continue
    const file = path.join(cache, `${AGENTS[name].package}-${pin.sha256}.deb`)
    if (!existsSync(file) || (await sha256(file)) !== pin.sha256) await fetchPinned(name, pin, file)
    fetched.push({ name, pin, file })
  }
  return fetched
}

async function fetchPinned(name: AgentName, pin: Pin, file: string): Promise<void> {
  const unfinished = `${file}.${process.pid}.part`
  try {
    await download({ url: pin.url, to: unfinished, bytes: pin.bytes, sha256: pin.sha256 })
    renameSync(unfinished, file)
  } catch (error) {
    throw new Problem(
      `${AGENTS[name].package} ${pin.version} could not be fetched from ${new URL(pin.url).host}: ${error instanceof Error ? error.message : error}.`,
      'Look whether that host is reached, and bake again. A package that has changed there is not taken.',
      { cause: error },
    )
  } finally {
    rmSync(unfinished, { force: true })
  }
}

/** Puts an agent into a root, as root's and readable by everybody. @throws Problem when its package lacks a file */
export async function installAgent({ name, pin, file }: FetchedAgent, root: string): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-agent-'))
  try {
    await $({ quiet: true })`dpkg-deb --extract ${file} ${folder}`
    for (const [from, to] of Object.entries(AGENTS[name].files)) {
      const source = path.join(folder, from)
      if (!existsSync(source) || !lstatSync(source).isFile())
        throw new Problem(
          `${AGENTS[name].package} ${pin.version} has no ${from}: it is put together otherwise than the versions that are known.`,
          'Pin the version before, or say in ami/agents/agents.ts where that file is now.',
        )
      const target = path.join(root, to)
      mkdirSync(path.dirname(target), { recursive: true })
      await $({ quiet: true })`install --owner=0 --group=0 --mode=0755 ${source} ${target}`
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
