// The builder of this machine: roots, disks and virtual machines of ami/local, as steps of a bake.
import { copyFileSync, mkdirSync, statfsSync } from 'node:fs'
import path from 'node:path'
import { lock } from '../../local/lock.mjs'
import { Problem } from '../../local/problem.ts'
import { makeDisk } from '../local/disk.ts'
import { IMAGES, mirrors, needRoot, needTools } from '../local/host.ts'
import { imageRoot } from '../local/image-root.ts'
import { hashOfLock, lockPackages } from '../local/package-lock.ts'
import type { Tier } from '../recipe/debian.ts'
import { BUILD_PACKAGES, packagesOf } from '../recipe/debian.ts'
import { SBOM_FILE } from '../sbom/sbom.ts'
import { bootDisks } from './boot-disks.ts'
import type { Checkout } from './checkout.ts'
import type { DebianLists } from './inputs.ts'
import { sbomBeside } from './inspection.ts'

export interface Facts {
  readonly release: string
  /** ISO 8601, UTC. */
  readonly madeAt: string
  /** Static files of another set's pages, which the web image carries beside its own; undefined: none. */
  readonly previous?: Carried | undefined
}
export interface Carried {
  readonly sha256: string
  /** Folder of this machine, as `_next/static` is. */
  readonly dir: string
}
export interface DiskSize {
  /** Bytes. */
  readonly bytes: number
  readonly allocatedBytes: number
}
export type Report = (line: string) => void

export interface Builder {
  /** In words, for the plan. */
  readonly where: string
  /** What a dry run says of a builder that has to be made first; undefined: it is there, and its lists say it. */
  foresee?(): Promise<string[]>
  /**
   * What Debian's mirror has now of what images are made of.
   * @param checkout for a builder that is elsewhere, and is sent it
   */
  lists(checkout?: Checkout): Promise<DebianLists>
  /** Puts a tier's disk at `file`, of just those lists, and its SBOM beside it (`sbomBeside`). */
  make(tier: Tier, facts: Facts, lists: DebianLists, file: string, report: Report): Promise<DiskSize>
  /**
   * Boots disks until they serve.
   * @returns seconds from power-on to the first 200 of `/readyz`
   * @throws BakeFailure with what the machine said
   */
  boot(
    disks: Readonly<Partial<Record<Tier, string>>>,
    report: Report,
    signal: AbortSignal,
  ): Promise<Partial<Record<Tier, number>>>
  /** Nothing more is asked of it; what was made for it goes. A second time does nothing. */
  close?(): Promise<void>
}

const GIB = 2 ** 30
/** Of roots, parts and both disks, with nothing there yet. */
const ROOM_GIB = 5

export const localBuilder: Builder = {
  where: 'on this machine',

  async lists() {
    needRoot()
    await needTools('mmdebstrap', 'debian-archive-keyring', 'systemd-container')
    const from = await mirrors()
    const roots = path.join(IMAGES, 'roots')
    mkdirSync(roots, { recursive: true })
    // Whoever makes a root at this moment reads the same lists of apt.
    const release = await lock(path.join(roots, 'building.lock'), () => {})
    try {
      // apt reads all of its lists anew for each: at once, since a bake that has nothing to do waits for this alone.
      const [api, web, tools] = await Promise.all(
        [packagesOf('api'), packagesOf('web'), BUILD_PACKAGES].map((names) => lockPackages(names, from)),
      )
      if (api === undefined || web === undefined || tools === undefined) throw new Error('a list is missing')
      return { images: { api, web }, tools }
    } finally {
      release()
    }
  },

  async make(tier, facts, lists, file, report) {
    requireRoom()
    const root = await imageRoot(tier, { ...facts, report })
    if (hashOfLock(root.packages) !== hashOfLock(lists.images[tier]))
      throw new Problem('The mirror changed while an image was made of it.', 'Run it again.')
    copyFileSync(path.join(root.dir, SBOM_FILE), sbomBeside(file))
    report('its disk')
    return makeDisk(root.dir, file)
  },

  boot: bootDisks,
}

function requireRoom(): void {
  const { bavail, bsize } = statfsSync(IMAGES)
  const free = (bavail * bsize) / GIB
  if (free < ROOM_GIB)
    throw new Problem(
      `The disk that holds ${IMAGES} has ${free.toFixed(1)} GiB left, and a bake may need ${ROOM_GIB}.`,
      'Make room and run it again.',
    )
}
