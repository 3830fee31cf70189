// What the person who runs the bootstrap decides, and everything that can be wrong with it.
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { STAGES } from '../stages.ts'
import type { Home } from './names.ts'

export interface Settings extends Home {
  /** Who gets the budget's mail. */
  readonly alertEmail: string
  /** USD a month, the whole account. */
  readonly budget: number
  /** Ids of two availability zones that builders may stand in. */
  readonly zones: readonly [string, string]
  /** The repository that may release, as GitHub's tokens name it; its main branch. */
  readonly ci: string | undefined
  /** Of that repository: the environment that may release, instead of the main branch. */
  readonly ciEnvironment?: string | undefined
  /** Ids of the hosted zones that stages have names in; undefined: any of the account. */
  readonly hostedZones?: readonly string[] | undefined
}

export interface BootstrapLine {
  readonly settings: Settings
  readonly yes: boolean
  readonly profile: string | undefined
  /** `print-policy` and `template` ask nobody anything. */
  readonly mode: 'apply' | 'print-policy' | 'template'
}

/** A command line that can't be followed. Nothing has been sent. */
export class InvalidSettings extends Error {
  override readonly name = 'InvalidSettings'
}

export const USAGE =
  'npm run bootstrap -- --account 12-DIGITS --region REGION --alert-email ADDRESS --budget USD-A-MONTH\n' +
  '  [--ci github:OWNER/REPO [--ci-environment NAME]] [--hosted-zones ID,…] [--zones ID,ID] [--profile NAME] [--yes]\n' +
  '  [--print-policy | --template]'

const name = '[A-Za-z0-9_.-]+(?:@[0-9]+)?'
const hostedZone = 'Z[A-Z0-9]{5,31}'
const zone = z.string().regex(/^[a-z0-9]+-az\d+$/, 'is not the id of an availability zone (euw1-az1)')
const schema = z
  .object({
    account: z.string('is missing').regex(/^\d{12}$/, 'is not an account (12 digits)'),
    region: z.string('is missing').regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'is not a region (eu-west-1)'),
    'alert-email': z.email('is not an address: who hears when the budget is nearly spent'),
    budget: z.coerce
      .number('is not a number: USD a month, the whole account')
      .positive('has to be above 0: USD a month, the whole account')
      .max(1_000_000, 'is above 1,000,000'),
    ci: z
      .string()
      .regex(new RegExp(`^github:${name}/${name}$`), 'is not github:OWNER/REPO (or github:OWNER@ID/REPO@ID)')
      .optional(),
    // As it stands in a token's subject, where a colon would end it.
    'ci-environment': z
      .string()
      .regex(
        /^[\w.-]{1,255}$/,
        'is not the name of an environment (production): letters, digits, dots, dashes and underscores',
      )
      .optional(),
    'hosted-zones': z
      .string()
      .regex(
        // A policy has only so much room.
        new RegExp(`^${hostedZone}(,${hostedZone}){0,9}$`),
        'are not the ids of at most ten hosted zones (Z0123456789ABC,Z…)',
      )
      .optional(),
    zones: z.string().optional(),
  })
  .transform((values, context): Settings => {
    const { account, region, budget, ci } = values
    const environment = values['ci-environment']
    const hostedZones = values['hosted-zones']?.split(',')
    const problem = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message })
    if (environment !== undefined && ci === undefined)
      problem('ci-environment', 'goes with --ci: it is an environment of that repository')
    const left = zonesInUse(account, region).filter((id) => hostedZones?.includes(id) === false)
    if (left.length > 0) problem('hosted-zones', `lack ${left.join(', ')}, which infra/stages.ts has`)
    const zones = z
      .tuple([zone, zone])
      .refine(([first, second]) => first !== second, 'are twice the same')
      .safeParse(values.zones?.split(',') ?? zonesOfStages(region))
    if (!zones.success) {
      const message =
        values.zones === undefined
          ? `are missing: no stage in infra/stages.ts is in ${region}; name two (euw1-az1,euw1-az2)`
          : zones.error.issues.map((issue) => issue.message).join('; ')
      problem('zones', message)
      return z.NEVER
    }
    return {
      account,
      region,
      alertEmail: values['alert-email'],
      budget,
      zones: zones.data,
      ci: ci?.slice('github:'.length),
      ...(environment !== undefined && { ciEnvironment: environment }),
      ...(hostedZones !== undefined && { hostedZones }),
    }
  })

const zonesOfStages = (inRegion: string): readonly string[] =>
  Object.values(STAGES).find(({ region }) => region === inRegion)?.zones ?? []

/** Hosted zones of this account's stages: what can't be named can't be deployed. */
const zonesInUse = (account: string, region: string): string[] =>
  Object.values(STAGES).flatMap(({ entrance, ...stage }) =>
    stage.account === account && stage.region === region && entrance.kind === 'hosted-zone'
      ? [entrance.zone]
      : [],
  )

/**
 * @param args without the program's name
 * @throws InvalidSettings naming every option that is wrong, and how
 */
export function readSettings(args: readonly string[]): BootstrapLine {
  let values: ReturnType<typeof parse>
  try {
    values = parse(args)
  } catch (cause) {
    throw new InvalidSettings(`${cause instanceof Error ? cause.message : ''}\n${USAGE}`, { cause })
  }
  const result = schema.safeParse(values)
  if (!result.success) {
    const lines = result.error.issues.map(({ path, message }) => `--${path.join('.')} ${message}`)
    throw new InvalidSettings([...lines, USAGE].join('\n'))
  }
  if (values['print-policy'] && values.template)
    throw new InvalidSettings(`--print-policy or --template: standard output takes one of them.\n${USAGE}`)
  const mode = values['print-policy'] ? 'print-policy' : values.template ? 'template' : 'apply'
  return { settings: result.data, yes: values.yes === true, profile: values.profile, mode }
}

const parse = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    options: {
      account: { type: 'string' },
      region: { type: 'string' },
      'alert-email': { type: 'string' },
      budget: { type: 'string' },
      ci: { type: 'string' },
      'ci-environment': { type: 'string' },
      'hosted-zones': { type: 'string' },
      zones: { type: 'string' },
      profile: { type: 'string' },
      yes: { type: 'boolean' },
      'print-policy': { type: 'boolean' },
      template: { type: 'boolean' },
    },
  }).values
