// What this machine has to bring: Debian packages of tools, root's rights, and a mirror. Packages that are missing are
// installed when we are root on a Debian, else the line to type is said.
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'
import { $ } from 'zx'
import { Problem } from '../../local/problem.ts'
import { KEYRING } from '../recipe/debian.ts'

/** Roots, disks and records of bakes; nobody commits them. */
export const IMAGES = path.resolve(import.meta.dirname, '../../.images')

/** Debian package → a file of it. */
const TOOLS = {
  mmdebstrap: '/usr/bin/mmdebstrap',
  'debian-archive-keyring': KEYRING,
  'systemd-container': '/usr/bin/systemd-nspawn',
  iproute2: '/usr/sbin/ip',
  'qemu-system-x86': '/usr/bin/qemu-system-x86_64',
  ovmf: '/usr/share/OVMF/OVMF_CODE_4M.fd',
} as const
/** Runs a command without showing what it says. @throws ProcessOutput when it fails */
export const run = $({ quiet: true })
/** The same, for whoever looks at the exit code. */
export const attempt = $({ quiet: true, nothrow: true })
export type Tool = keyof typeof TOOLS

const there = (tool: Tool): boolean => {
  const file = TOOLS[tool]
  return existsSync(file) || existsSync(file.replace(/^\/usr/, ''))
}

/** @throws Problem naming what is missing and how to get it */
export async function needTools(...tools: Tool[]): Promise<void> {
  const missing = tools.filter((tool) => !there(tool))
  if (missing.length === 0) return
  if (process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) await install(missing)
  const still = missing.filter((tool) => !there(tool))
  if (still.length > 0)
    throw new Problem(
      `To build images this machine needs ${still.join(', ')}.`,
      `On Debian or Ubuntu: sudo apt-get install -y --no-install-recommends ${still.join(' ')}`,
    )
}

async function install(packages: readonly string[]): Promise<void> {
  mkdirSync(IMAGES, { recursive: true })
  const options = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3', '-q', '-y']
  const quiet = attempt({ env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
  await quiet`apt-get ${options} update`
  await quiet`apt-get ${options} --no-install-recommends install ${packages}`
}

/** Owners and devices of the files in a root are made by root only. @throws Problem for anyone else */
export function needRoot(): void {
  if (process.getuid?.() !== 0)
    throw new Problem(
      'Images are built and tested by root: files in them belong to other users.',
      'Run it with sudo, or in a container or virtual machine of its own.',
    )
}

/** Addresses of an archive and of its security updates, without a slash at the end. */
export interface Mirrors {
  readonly main: string
  readonly security: string
}

/**
 * The mirrors that this machine's own apt uses, or DEBIAN_MIRROR and DEBIAN_SECURITY_MIRROR: a snapshot archive of a
 * date, or a mirror of the team's own.
 * @throws Problem when there are none
 */
export async function mirrors(env: NodeJS.ProcessEnv = process.env): Promise<Mirrors> {
  const { DEBIAN_MIRROR: main, DEBIAN_SECURITY_MIRROR: security } = env
  const used = main && security ? [] : await usedByApt()
  const found = {
    main: main || used.find((address) => /\/debian$/.test(address)),
    security: security || used.find((address) => /\/debian-security$/.test(address)),
  }
  if (!found.main || !found.security)
    throw new Problem(
      'The apt of this machine names no Debian mirror.',
      'Say which to use: DEBIAN_MIRROR=http://…/debian DEBIAN_SECURITY_MIRROR=http://…/debian-security',
    )
  return { main: found.main.replace(/\/$/, ''), security: found.security.replace(/\/$/, '') }
}

/** What a machine is told of addresses that reaches others by HTTPS alone. */
export interface Addresses {
  /** Undefined: as its own apt has it. */
  readonly mirrors: Readonly<Record<keyof Mirrors, string | undefined>>
  /** Where the embedder's weights are, when that is not their own place. */
  readonly modelUrl: string | undefined
}

/**
 * Those that are named; the rest is as the machine has it.
 * @throws Problem for others than `https://…`
 */
export function addressesByHttps(env: NodeJS.ProcessEnv = process.env): Addresses {
  const of = (name: string) => env[name]?.replace(/\/$/, '') || undefined
  const mirrors = { main: of('DEBIAN_MIRROR'), security: of('DEBIAN_SECURITY_MIRROR') }
  const modelUrl = of('MODEL_URL')
  for (const address of [mirrors.main, mirrors.security, modelUrl])
    if (address !== undefined && !/^https:\/\/[\w.:-]+(?:\/[\w.~:%@+-]+)*$/.test(address))
      throw new Problem(
        `A builder on EC2 reaches others by HTTPS alone, and ${address} is no such address.`,
        'Name others, or none: DEBIAN_MIRROR=https://…/debian DEBIAN_SECURITY_MIRROR=https://…/debian-security MODEL_URL=https://…',
      )
  return { mirrors, modelUrl }
}

/** Those that it would update itself from: said at once, where its list of targets takes as long as reading all lists. */
async function usedByApt(): Promise<string[]> {
  const { stdout } = await attempt`apt-get update --print-uris`
  return [...new Set(Array.from(stdout.matchAll(/^'(.+)\/dists\//gm), ([, mirror = '']) => mirror))]
}

/** Whether that is why a program has failed, by what it said. */
export const isFull = (said: string): boolean => /No space left on device/i.test(said)

export const fullDisk = (place: string): Problem =>
  new Problem(`The disk that holds ${place} is full.`, 'Make room (about 3 GB) and run it again.')
