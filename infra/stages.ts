// The stages: what differs between them, and nothing else. Edit this table; every line of it is checked before anything
// is sent to AWS (stage-schema.ts). `npx serverless package --stage NAME` says what is wrong with it.
import { overlaps, parseCidr } from './cidr.ts'
import { INSTANCE_TYPES } from './instance-types.ts'
import { EXAMPLE_ACCOUNT, type Stage, stageSchema } from './stage-schema.ts'

export const STAGE_NAMES = ['dev', 'staging', 'prod'] as const
export type StageName = (typeof STAGE_NAMES)[number]

/** One /16 a stage, in /20 parts: 4,091 addresses a subnet, and as much again unused. */
const addresses = (second: number) => {
  const part = (third: number) => `10.${second}.${third}.0/20`
  return {
    vpc: `10.${second}.0.0/16`,
    subnets: {
      public: [part(0), part(16)],
      app: [part(32), part(48)],
      database: [part(64), part(80)],
    },
  } satisfies Pick<Stage, 'vpc' | 'subnets'>
}

// Servers are x86_64: images are not baked for arm64 yet. What RDS runs on is RDS's.
const shared = {
  account: EXAMPLE_ACCOUNT,
  region: 'eu-west-1',
  zones: ['euw1-az1', 'euw1-az2'],
  webPlacement: 'public',
  fleet: 'serving',
  bedrockModels: [],
} satisfies Partial<Stage>

export const STAGES: Readonly<Record<StageName, Stage>> = {
  dev: {
    ...shared,
    ...addresses(20),
    nat: 'one',
    entrance: { kind: 'plain-http' },
    web: { instanceType: 't3.small', min: 1, max: 2, diskGiB: 16, requestsPerMinute: 1_200 },
    api: { instanceType: 't3.medium', min: 1, max: 2, diskGiB: 20, requestsPerMinute: 600 },
    database: {
      instanceClass: 'db.t4g.small',
      multiAz: false,
      replica: false,
      replicaZone: 1,
      storageGiB: 20,
      maxStorageGiB: 100,
      backupDays: 1,
    },
    migrations: 'at-start',
    isProtected: false,
    logDays: 14,
    alerts: [],
  },
  staging: {
    ...shared,
    ...addresses(21),
    nat: 'one',
    entrance: { kind: 'hosted-zone', domain: 'terrace-staging.example.com', zone: 'Z0EXAMPLE0STAGING' },
    web: { instanceType: 't3.small', min: 2, max: 4, diskGiB: 16, requestsPerMinute: 1_200 },
    api: { instanceType: 'm7i.large', min: 2, max: 4, diskGiB: 30, requestsPerMinute: 600 },
    database: {
      instanceClass: 'db.t4g.medium',
      multiAz: true,
      replica: true,
      replicaZone: 1,
      storageGiB: 20,
      maxStorageGiB: 200,
      backupDays: 7,
    },
    migrations: 'release',
    isProtected: true,
    logDays: 30,
    alerts: ['terrace-operators@example.com'],
  },
  prod: {
    ...shared,
    ...addresses(22),
    nat: 'per-zone',
    entrance: {
      kind: 'certificate',
      domain: 'terrace.example.com',
      certificate: `arn:aws:acm:eu-west-1:${EXAMPLE_ACCOUNT}:certificate/00000000-0000-4000-8000-000000000000`,
    },
    web: { instanceType: 't3.medium', min: 2, max: 6, diskGiB: 16, requestsPerMinute: 1_200 },
    api: { instanceType: 'm7i.large', min: 2, max: 8, diskGiB: 60, requestsPerMinute: 600 },
    database: {
      instanceClass: 'db.m7g.large',
      multiAz: true,
      replica: true,
      replicaZone: 1,
      storageGiB: 100,
      maxStorageGiB: 1_000,
      backupDays: 14,
    },
    migrations: 'release',
    isProtected: true,
    logDays: 90,
    alerts: ['terrace-operators@example.com'],
  },
}

/** A stage that can't be built as it stands in the table. Nothing has been sent. */
export class InvalidStage extends Error {
  override readonly name = 'InvalidStage'
}

/**
 * A stage, checked.
 * @throws InvalidStage naming every field that is wrong, and how
 */
export function readStage(name: string, table: Readonly<Record<string, unknown>> = STAGES): Stage {
  if (!Object.hasOwn(table, name))
    throw new InvalidStage(`There is no stage ${name}: infra/stages.ts has ${Object.keys(table).join(', ')}.`)
  const result = stageSchema.safeParse(table[name])
  const lines = result.success
    ? overlapping(name, result.data, table)
    : result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
  if (!result.success || lines.length > 0)
    throw new InvalidStage([`Stage ${name} in infra/stages.ts can’t be built:`, ...lines].join('\n  '))
  return result.data
}

/** Stages of one account may be connected some day: two that share addresses never can. */
function overlapping(name: string, stage: Stage, table: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(table).flatMap(([other, value]) => {
    const parsed = stageSchema.safeParse(value)
    if (other === name || !parsed.success || parsed.data.account !== stage.account) return []
    return overlaps(parseCidr(stage.vpc), parseCidr(parsed.data.vpc))
      ? [`vpc: ${stage.vpc} overlaps stage ${other}’s ${parsed.data.vpc}`]
      : []
  })
}

/** The architecture of a stage's servers; its image set has to have the same. */
export const architectureOf = (stage: Stage) => INSTANCE_TYPES[stage.api.instanceType].architecture

/** Whether data, load balancers and stack are locked: not before there is something to lose. */
export const isLocked = (stage: Stage): boolean => stage.isProtected && stage.fleet === 'serving'

/** @throws InvalidStage for a stage of the table as it is delivered: nobody has its account */
export function requireOwnAccount(name: StageName, { account }: Stage): void {
  if (account === EXAMPLE_ACCOUNT)
    throw new InvalidStage(
      `Stage ${name} in infra/stages.ts still has the example’s account. Put your own account, domain and certificate there.`,
    )
}
