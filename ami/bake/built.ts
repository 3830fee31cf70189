// What a bake has made on this machine and what it has passed, beside its disks: a run that was ended goes on from there.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import type { Tier } from '../recipe/debian.ts'
import { checksumOf } from '../upload/disk.ts'

const made = z.object({
  /** `checksumOf` the disk, taken before it was booted. */
  checksum: z.string(),
  bytes: z.number(),
  allocatedBytes: z.number(),
  /** Undefined until it has passed. */
  boot: z.object({ at: z.iso.datetime(), seconds: z.number().positive() }).optional(),
})
const schema = z.object({
  /** Of the first run: the images bear it. */
  madeAt: z.iso.datetime(),
  tiers: z.object({ api: made.optional(), web: made.optional() }),
})
export type MadeTier = Readonly<z.infer<typeof made>>

export interface Built {
  readonly madeAt: string
  tier(tier: Tier): MadeTier | undefined
  file(tier: Tier): string
  set(tier: Tier, made: MadeTier): void
}

/**
 * @param folder of one set of inputs; made if it is not there
 * @param now of a bake that begins
 */
export async function openBuilt(folder: string, now: Date): Promise<Built> {
  mkdirSync(folder, { recursive: true })
  const place = path.join(folder, 'built.json')
  const file = (tier: Tier) => path.join(folder, `${tier}.raw`)
  const state = read(place) ?? { madeAt: now.toISOString(), tiers: {} }
  const write = () => {
    writeFileSync(`${place}.tmp`, `${JSON.stringify(state, null, 2)}\n`)
    renameSync(`${place}.tmp`, place)
  }
  // A disk that is gone, or another, has passed nothing.
  for (const tier of ['api', 'web'] as const) {
    const there = state.tiers[tier]
    if (there !== undefined && (await checksum(file(tier))) !== there.checksum) delete state.tiers[tier]
  }
  write()
  return {
    madeAt: state.madeAt,
    tier: (tier) => state.tiers[tier],
    file,
    set(tier, made) {
      state.tiers[tier] = made
      write()
    },
  }
}

const checksum = (file: string) => checksumOf(file).catch(() => undefined)

function read(place: string): z.infer<typeof schema> | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(place, 'utf8')))
  } catch {
    // There is none, or one of another version: it is made again.
    return undefined
  }
}
