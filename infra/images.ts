// Which machine images a stage starts its servers from: the record of an image set, read from a local copy that git
// ignores. Ids stand in the template as they are: a rollback needs them there, and a difference shows them.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { issueLines, plainName } from './plain-text.ts'
import type { Stage } from './stage-schema.ts'
import { architectureOf, type StageName } from './stages.ts'

const image = z.string().regex(/^ami-[0-9a-f]{8,17}$/, 'is not an image id (ami-…)')
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in hex')

/** How a release ends that was made of files nobody has committed; protected stages refuse it. */
export const UNCOMMITTED = '-dirty'

/** A boot that an image has passed. */
export const bootTestSchema = z.object({
  tier: z.enum(['api', 'web']),
  where: z.enum(['local', 'ec2']),
  at: z.iso.datetime(),
  /** `local`: from power-on to the first 200 of `/readyz`; `ec2`: from the kernel's start to the end of its checks. */
  seconds: z.number().positive(),
  /** `ec2`: what the image has looked at (contract/boot-test.ts), and the model of the processor there. */
  checked: z.array(z.string().max(32)).optional(),
  processor: z.string().max(200).optional(),
})

export const imageSetSchema = z.object({
  /** SHA-256 over everything that the images were made from. */
  inputs: sha256,
  /** What `TERRACE_RELEASE` says on these servers. */
  release: plainName.max(64),
  madeAt: z.iso.datetime(),
  account: z.string().regex(/^\d{12}$/),
  architecture: z.enum(['arm64', 'x86_64']),
  regions: z.record(plainName.max(32), z.object({ api: image, web: image })),
  /** Seconds from power-on to the first 200 of `/readyz`, the slowest of the boot tests. */
  bootSeconds: z.object({ api: z.number().positive(), web: z.number().positive() }),
  /** Boots that they have passed, of the very bytes: `local` in a virtual machine of whoever baked, `ec2` on a server. */
  bootTests: z.array(bootTestSchema).optional(),
  /** SHA-256 of the list of Debian packages that are in them (LAYOUT.packages). */
  packages: sha256.optional(),
  /** SHA-256 of their SBOM (LAYOUT.sbom). */
  sbom: sha256.optional(),
  /** Who was asked for weaknesses that are known of what is in them, before they were uploaded. */
  scan: z
    .object({
      at: z.iso.datetime(),
      sources: z.array(z.enum(['debian', 'npm'])),
      /** Ids of what a person has let pass (ami/scan/waivers.ts). */
      waived: z.array(z.string()),
      /** Why they were uploaded although not everybody could be asked. */
      unscanned: z.string().min(1).max(500).optional(),
    })
    .optional(),
  /** Inputs of the set whose static files the web image carries too, so that open pages survive a roll. */
  previous: sha256.optional(),
  /** The pages' build, and the SHA-256 of its static files (LAYOUT.staticFiles), which the next set's web image carries. */
  pages: z.object({ build: z.string().min(1).max(64), files: sha256 }).optional(),
  /** What was checked out when they were made. Other commits may have the same inputs. */
  commit: z
    .string()
    .regex(/^[0-9a-f]{40}$/)
    .optional(),
})
export type ImageSet = Readonly<z.infer<typeof imageSetSchema>>

/** What a server of one tier starts from. */
export interface TierImage {
  readonly id: string
  readonly release: string
  readonly bootSeconds: number
  /** ISO time. */
  readonly madeAt: string
}
export type StageImages = Readonly<Record<'api' | 'web', TierImage>>

export const IMAGE_CHOICES = ['live', 'candidate'] as const
export type ImageChoice = (typeof IMAGE_CHOICES)[number]

/** No image set, or one that this stage can't use. Nothing has been sent. */
export class UnusableImages extends Error {
  override readonly name = 'UnusableImages'
}

/**
 * The images of a stage: those that it runs (`live`), or those that it is to run next (`candidate`).
 * @param folder where `STAGE-CHOICE.json` lies
 * @throws UnusableImages when there is no record, or it is of another region, account or architecture; of a protected stage,
 *   also when its record shows no boot on EC2, or it was made of uncommitted files
 */
export function readImages(name: StageName, stage: Stage, choice: ImageChoice, folder: string): StageImages {
  const file = path.join(folder, `${name}-${choice}.json`)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    throw new UnusableImages(
      `There is no image set here that is ${choice} in ${name}: ${file} is missing.\n` +
        `npm run images:pull -- --stage ${name} fetches it, once a bake of api and web for ${architectureOf(stage)} in ` +
        `${stage.region}, account ${stage.account}, has made one. For everything but the servers: --param fleet=none`,
    )
  }
  const parsed = imageSetSchema.safeParse(parseJson(text))
  if (!parsed.success)
    throw new UnusableImages(
      [`${file} is not the record of an image set:`, ...issueLines(parsed.error)].join('\n  '),
    )
  return imagesFor(name, stage, parsed.data)
}

/** @throws UnusableImages like readImages */
export function imagesFor(name: string, stage: Stage, set: ImageSet): StageImages {
  const refuse = (what: string) =>
    new UnusableImages(`Image set ${set.inputs.slice(0, 12)} can’t be used by stage ${name}: ${what}.`)
  if (set.account !== stage.account)
    throw refuse(`it belongs to account ${set.account}, the stage to ${stage.account}`)
  if (set.architecture !== architectureOf(stage))
    throw refuse(
      `it is ${set.architecture}, ${stage.api.instanceType} and ${stage.web.instanceType} are ${architectureOf(stage)}`,
    )
  const ids = set.regions[stage.region]
  if (ids === undefined)
    throw refuse(
      `it is in ${Object.keys(set.regions).join(', ') || 'no region'}, the stage in ${stage.region}`,
    )
  if (stage.isProtected) {
    const reason = unproven(set)
    if (reason !== undefined) throw refuse(reason)
  }
  const of = (tier: 'api' | 'web') => ({
    id: ids[tier],
    release: set.release,
    bootSeconds: set.bootSeconds[tier],
    madeAt: set.madeAt,
  })
  return { api: of('api'), web: of('web') }
}

export const isBootedOnEc2 = ({ bootTests = [] }: ImageSet, tier: 'api' | 'web'): boolean =>
  bootTests.some((test) => test.tier === tier && test.where === 'ec2')

/** Why nobody's work may depend on it; undefined: it may. */
function unproven(set: ImageSet): string | undefined {
  const { release } = set
  if (release.endsWith(UNCOMMITTED))
    return `its release is ${release}, made of files that nobody has committed. Commit them and bake again`
  const untested = (['api', 'web'] as const).filter((tier) => !isBootedOnEc2(set, tier))
  if (untested.length === 0) return undefined
  return (
    `no boot of its ${untested.join(' and ')} image on EC2 is recorded, and a protected stage starts its servers ` +
    'from images only that have started there before'
  )
}

/** Undefined for what is no JSON: a schema says then what is missing. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
