// What a bake looks at before it sends images away: whether their agents are in them, what else is (an SBOM, valid and of
// licences that may be passed on), and what of it is known to be weak.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { ImageSet } from '../../infra/images.ts'
import { Problem } from '../../local/problem.ts'
import { readPins, requireAgents } from '../agents/pins.ts'
import type { Tier } from '../recipe/debian.ts'
import { requireLicences } from '../sbom/licences.ts'
import { type Bom, digestOf, mergeBoms, printBom } from '../sbom/sbom.ts'
import { requireValid } from '../sbom/valid.ts'
import { type Scanning, scan } from '../scan/scan.ts'

export interface Looking extends Pick<Scanning, 'now' | 'say' | 'stops' | 'allowUnscanned'> {
  /** Disks, with the SBOM of each beside it (`sbomBeside`). */
  readonly disks: Readonly<Partial<Record<Tier, string>>>
  readonly release: string
}

export interface Inspected {
  /** Of all of them together. */
  readonly sbom: { readonly text: string; readonly sha256: string }
  readonly scan: NonNullable<ImageSet['scan']>
}

export interface Inspection {
  /** @throws Problem when what this checkout makes is for tests only */
  requireShippable(): void
  /** @throws Problem naming what may not be sent; without `stops` only what may not be made at all */
  look(of: Looking): Promise<Inspected>
}

/** Where a disk's SBOM is put by whoever makes it: what the image has at SBOM_FILE. */
export const sbomBeside = (disk: string): string =>
  path.join(path.dirname(disk), `${path.basename(disk, path.extname(disk))}.cdx.json`)

export const inspection: Inspection = {
  requireShippable: () => requireAgents(readPins()),
  look,
}

async function look({ disks, release, ...scanning }: Looking): Promise<Inspected> {
  const boms = Object.fromEntries(Object.entries(disks).map(([tier, disk]) => [tier, readBom(disk)]))
  const bom = mergeBoms(boms, release)
  const text = printBom(bom)
  await requireValid(text)
  requireLicences(bom, undefined, Object.keys(disks).length > 1)
  return { sbom: { text, sha256: digestOf(text) }, scan: await scan({ bom, ...scanning }) }
}

function readBom(disk: string): Bom {
  const file = sbomBeside(disk)
  if (!existsSync(file))
    throw new Problem(
      `${disk} is there, and nothing says what is in it: ${file} is missing.`,
      'Remove that folder and bake again.',
    )
  return JSON.parse(readFileSync(file, 'utf8'))
}
