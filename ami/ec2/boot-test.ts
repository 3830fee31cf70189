// Both images started on EC2 before their set is recorded: real firmware, disks, network, processor and clock. Each checks
// itself (ami/boot/boot-test), in the builders' network, without rights and without a way out, and is gone afterwards.
import type { _InstanceType as InstanceType } from '@aws-sdk/client-ec2'
import { z } from 'zod'
import { BOOT_CHECKS, BOOT_REPORT, type BootReport, type BootTestData } from '../../contract/boot-test.ts'
import type { ImageSet } from '../../infra/images.ts'
import { INSTANCE_TYPES } from '../../infra/instance-types.ts'
import { inPlain } from '../../infra/plain-text.ts'
import { BakeFailure } from '../ledger/failure.ts'
import type { Tier } from '../recipe/debian.ts'
import { type Baking, TIERS } from '../upload/baking.ts'
import { ROOT_DEVICE } from '../upload/image.ts'
import type { BootPlace } from './boot-place.ts'
import { endOfConsole, lineOf } from './console.ts'
import { type Judge, runMachine } from './machine.ts'

/** Tried in this order, the cheapest first; each boots by UEFI and shows its console while it runs (Nitro). */
export const BOOT_TYPES = {
  api: ['t3.medium', 't3a.medium', 'm6i.large', 'm7i.large'],
  web: ['t3.small', 't3a.small', 't3.medium', 'm6i.large'],
} as const satisfies Readonly<Record<Tier, readonly (InstanceType & keyof typeof INSTANCE_TYPES)[]>>

/** More than any image has: its root has to grow. */
const VOLUME_GIB = 8
/** The checks themselves end after ten minutes each; EC2 shows a console late. */
export const PATIENCE_MINUTES = 25

type BootTestRecord = NonNullable<ImageSet['bootTests']>[number]

export const bootTestName = (tier: Tier): string => `${tier} boot test`

/**
 * One after the other: what is wrong with the first is most likely wrong with the second.
 * @param images that are available, by tier
 * @returns what the record says of them
 * @throws BakeFailure with what is wrong and the end of the console, when an image is not as it has to be or says nothing;
 *   Continuable when there was no room for it; AwsProblem
 */
export async function bootOnEc2(
  baking: Baking,
  place: BootPlace,
  release: string,
  images: Readonly<Record<Tier, string>>,
): Promise<BootTestRecord[]> {
  const records: BootTestRecord[] = []
  for (const tier of TIERS)
    records.push(
      baking.ledger.state.proofs?.[images[tier]] ?? (await prove(baking, place, release, tier, images[tier])),
    )
  return records
}

async function prove(
  baking: Baking,
  { subnets, group }: BootPlace,
  release: string,
  tier: Tier,
  image: string,
): Promise<BootTestRecord> {
  const { aws, ledger, say } = baking
  const wanted = { tier, release, id: `${ledger.state.bake}-${tier}` }
  const told: BootTestData = {
    bootTest: { ...wanted, volumeGiB: VOLUME_GIB, checks: BOOT_CHECKS[tier] },
  }
  const report = await runMachine(
    baking,
    {
      name: bootTestName(tier),
      image,
      types: BOOT_TYPES[tier],
      ...{ subnets, group, profile: undefined, hasPublicAddress: false },
      ...{ rootDevice: ROOT_DEVICE, volumeGiB: VOLUME_GIB, userData: JSON.stringify(told) },
      patienceMs: PATIENCE_MINUTES * 60_000,
    },
    judgeOf(wanted),
  )
  const { seconds, passed, processor } = report
  say(`${tier}: booted on EC2, ${processor}: all is well after ${seconds} s`)
  const record = {
    tier,
    where: 'ec2' as const,
    at: aws.clock.now().toISOString(),
    seconds,
    checked: [...passed],
    processor,
  }
  await ledger.proved(image, record)
  return record
}

interface Wanted {
  readonly tier: Tier
  readonly release: string
  readonly id: string
}

/** Believes a report of this test and this machine alone. Its verdict is the first whole one: they are all the same. */
export const judgeOf =
  (wanted: Wanted): Judge<BootReport> =>
  (console, instance) => {
    const report = reportsIn(console).find((one) => one.id === wanted.id && one.instance === instance)
    if (report === undefined) return undefined
    const wrong = wrongOf(report, wanted)
    if (wrong.length === 0) return report
    throw new BakeFailure(
      `The ${wanted.tier} image failed its boot test on EC2 (${instance}): ${wrong.map(lineOf).join('; ')}. ${endOfConsole(console)}`,
    )
  }

function wrongOf({ findings, passed, tier, release }: BootReport, wanted: Wanted): string[] {
  if (findings.length > 0) return [...findings]
  const missing = BOOT_CHECKS[wanted.tier].filter((name) => !passed.includes(name))
  return [
    ...(tier === wanted.tier ? [] : [`it is an image of ${tier}`]),
    ...(release === wanted.release ? [] : [`it is of release ${release}, and not ${wanted.release}`]),
    ...(missing.length === 0 ? [] : [`it did not look at ${missing.join(', ')}`]),
  ]
}

const schema = z.object({
  id: z.string(),
  instance: z.string(),
  tier: z.enum(['api', 'web']),
  release: z.string(),
  passed: z.array(z.enum([...BOOT_CHECKS.api, ...BOOT_CHECKS.web])),
  findings: z.array(z.string()),
  processor: z
    .string()
    .max(200)
    .transform((text) => inPlain(text, 200)),
  seconds: z.number().positive(),
})

/** Lines that others have written into are none. @param console with what else was written there */
export function reportsIn(console: string): BootReport[] {
  return console.split(/\r?\n/).flatMap((line) => {
    const [, text = ''] = line.split(BOOT_REPORT)
    try {
      const parsed = schema.safeParse(JSON.parse(text))
      return parsed.success ? [parsed.data] : []
    } catch {
      return []
    }
  })
}

/** The most that both may cost, in USD: by their first types' list price in us-east-1, for as long as they are waited for. */
export const mostUsd = (): number =>
  TIERS.reduce((sum, tier) => sum + (INSTANCE_TYPES[BOOT_TYPES[tier][0]].price?.[0] ?? 0), 0) *
  (PATIENCE_MINUTES / 60)
