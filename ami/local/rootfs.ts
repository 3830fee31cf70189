// Roots of Debian, made by mmdebstrap and kept under the hash of what they are made of: the list of packages with their
// versions and hashes, and how they are installed. Whoever needs one to write into takes a copy.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { lock as holdLock } from '../../local/lock.mjs'
import { Problem } from '../../local/problem.ts'
import { DPKG_RULES, EPOCH, SUITE } from '../recipe/debian.ts'
import { attempt, fullDisk, IMAGES, isFull, type Mirrors, mirrors, needRoot, needTools, run } from './host.ts'
import { type Kept, kept } from './kept.ts'
import { hashOfLock, type LockedPackage, lockPackages, sourcesList } from './package-lock.ts'

const KIND = 'roots'
const ROOTS = path.join(IMAGES, KIND)
/** Both tiers' and the one to build in, of two states of the mirror. */
const KEPT = 6

/** `dir` is not to be written to. */
export interface Root extends Kept {
  readonly packages: readonly LockedPackage[]
}

/**
 * @param include names of packages beside Debian's essential ones
 * @throws Problem when the machine or the mirror has not what it takes
 */
export async function debianRoot(include: readonly string[]): Promise<Root> {
  needRoot()
  await needTools('mmdebstrap', 'debian-archive-keyring')
  const from = await mirrors()
  mkdirSync(ROOTS, { recursive: true })
  const release = await holdLock(path.join(ROOTS, 'building.lock'), () => {})
  try {
    const packages = await lockPackages(include, from)
    const key = createHash('sha256')
      .update(JSON.stringify([hashOfLock(packages), include, SUITE, DPKG_RULES, EPOCH]))
      .digest('hex')
      .slice(0, 16)
    const root = await kept(KIND, key, (dir) => build(dir, include, from, packages), KEPT)
    return { ...root, packages }
  } finally {
    release()
  }
}

/**
 * Runs a shell script in a root, which stays as it is, without a network.
 * @param writable folder of this machine → `/mnt` or another folder that every Debian has
 * @param readable the same, to be read only
 * @param hidden folders below those that are to look empty
 */
export async function inBuildRoot(
  root: Root,
  script: string,
  writable: Readonly<Record<string, string>>,
  readable: Readonly<Record<string, string>> = {},
  hidden: readonly string[] = [],
): Promise<{ exitCode: number | null; text: string }> {
  const { exitCode, stdout, stderr } = await attempt`systemd-nspawn ${[
    ...['--quiet', `--directory=${root.dir}`, '--read-only', '--register=no', '--keep-unit'],
    ...['--private-network', '--resolv-conf=off', '--timezone=off', '--link-journal=no', '--console=pipe'],
    ...Object.entries(writable).map(([from, to]) => `--bind=${from}:${to}`),
    ...Object.entries(readable).map(([from, to]) => `--bind-ro=${from}:${to}`),
    ...hidden.map((place) => `--tmpfs=${place}:mode=0755`),
    `--setenv=SOURCE_DATE_EPOCH=${EPOCH}`,
    ...['/bin/sh', '-e', '-c', `cd /mnt\n${script}`],
  ]}`
  return { exitCode, text: stdout + stderr }
}

async function build(
  dir: string,
  include: readonly string[],
  from: Mirrors,
  packages: readonly LockedPackage[],
): Promise<void> {
  rmSync(dir, { recursive: true, force: true })
  const sources = `${dir}.list`
  writeFileSync(sources, sourcesList(from))
  const made = await attempt({ env: { ...process.env, SOURCE_DATE_EPOCH: String(EPOCH) } })`mmdebstrap ${[
    ...['--mode=root', '--variant=minbase', '--format=directory'],
    ...['--aptopt=Apt::Install-Recommends "false"', '--aptopt=Acquire::Check-Valid-Until "false"'],
    ...DPKG_RULES.map((rule) => `--dpkgopt=${rule}`),
    `--include=${include.join(',')}`,
    ...[SUITE, dir, sources],
  ]}`
  rmSync(sources, { force: true })
  if (made.exitCode !== 0) throw failure(made.stderr, dir)
  const changed = difference(packages, await installed(dir))
  if (changed.length > 0)
    throw new Problem(
      `The mirror changed while a root was made of it (${changed.slice(0, 5).join(', ')}).`,
      'Run it again.',
    )
  forgetBuilding(dir)
}

function failure(text: string, dir: string): Error {
  if (isFull(text)) return fullDisk(path.dirname(dir))
  return new Error(`mmdebstrap made no root:\n${text.trim().split('\n').slice(-15).join('\n')}`)
}

/** `name=version` of every package in a root. */
export async function installed(root: string): Promise<string[]> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the words of dpkg-query, not ours
  const format = '${Package}=${Version}\\n'
  const { stdout } = await run`dpkg-query --admindir=${path.join(root, 'var/lib/dpkg')} -W -f ${format}`
  return stdout.trim().split('\n')
}

const difference = (packages: readonly LockedPackage[], there: readonly string[]): string[] => {
  const wanted = new Set(packages.map(({ name, version }) => `${name}=${version}`))
  const have = new Set(there)
  return [...wanted].filter((one) => !have.has(one)).concat(there.filter((one) => !wanted.has(one)))
}

/** What says how, where and from what it was made; an image is not updated in place, so it needs no mirror. */
function forgetBuilding(root: string): void {
  for (const name of [
    'etc/apt/sources.list',
    'etc/apt/apt.conf.d/99mmdebstrap',
    'etc/hostname',
    'etc/resolv.conf',
    'var/log/dpkg.log',
    'var/log/apt',
    'var/log/bootstrap.log',
    'var/log/alternatives.log',
    'var/cache/ldconfig/aux-cache',
    // Made by the kernel's package for machines that need one; this kernel mounts its root itself.
    ...initialDisks(root),
  ])
    rmSync(path.join(root, name), { recursive: true, force: true })
  writeFileSync(path.join(root, 'etc/machine-id'), '')
}

const initialDisks = (root: string): string[] =>
  readFileSync(path.join(root, 'var/lib/dpkg/status'), 'utf8')
    .split('\n')
    .flatMap((line) => /^Package: linux-image-(\d\S*)$/.exec(line)?.[1] ?? [])
    .map((version) => `boot/initrd.img-${version}`)
