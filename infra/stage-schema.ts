// What a stage is made of, and everything that can be wrong with one, checked before anything is sent to AWS.
import { z } from 'zod'
import { contains, overlaps, parseCidr, type Range } from './cidr.ts'
import {
  DATABASE_CLASS_NAMES,
  type DATABASE_CLASSES,
  INSTANCE_TYPE_NAMES,
  INSTANCE_TYPES,
  type InstanceTypeName,
  steadyFamilies,
} from './instance-types.ts'
import { SEARCH_TYPE_NAMES, SEARCH_TYPES } from './search-types.ts'

/** An account of AWS's own examples: a table that still names it is packaged, but never deployed. */
export const EXAMPLE_ACCOUNT = '111122223333'

const cidr = z.string().superRefine((value, context) => {
  try {
    parseCidr(value)
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'not a range' })
  }
})
const pair = <T extends z.ZodType>(item: T) => z.tuple([item, item])
const domain = z
  .string()
  .regex(/^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}$/, 'is not a domain name')
const zone = z.string().regex(/^Z[A-Z0-9]{5,31}$/, 'is not the id of a hosted zone (Z…)')

const CERTIFICATE = /^arn:aws(?:-[a-z]+)*:acm:([a-z0-9-]+):(\d{12}):certificate\/[0-9a-f-]{36}$/

/** How people reach the stage. */
const entrance = z.discriminatedUnion('kind', [
  /** A certificate that exists; whoever owns the domain points it at the load balancer. */
  z.strictObject({
    kind: z.literal('certificate'),
    domain,
    certificate: z
      .string({
        error: 'is missing: the ARN of an ACM certificate for the domain, in the region of the stage',
      })
      .regex(CERTIFICATE, 'is not the ARN of an ACM certificate'),
  }),
  /** A hosted zone of the account: the stack makes the certificate, its validation and the alias record. */
  z.strictObject({ kind: z.literal('hosted-zone'), domain, zone }),
  /** No encryption between people and the load balancer. For stages without anyone's documents only. */
  z.strictObject({ kind: z.literal('plain-http') }),
])

const fleetOf = (largest: number) =>
  z
    .strictObject({
      instanceType: z.enum(INSTANCE_TYPE_NAMES),
      min: z.int().min(1).max(largest),
      max: z.int().min(1).max(largest),
      /** GiB of the root volume; an API server keeps its part of the index there. */
      diskGiB: z.int().min(8).max(1024),
      /** Requests a minute that one server should carry: more make the group grow. */
      requestsPerMinute: z.int().min(10),
    })
    .refine(({ min, max }) => min <= max, 'min is above max')

const searchDomain = z.strictObject({
  /** Which engine a new installation begins with; `npm run engine` switches one that is there. */
  engine: z.enum(['embedded', 'opensearch']),
  instanceType: z.enum(SEARCH_TYPE_NAMES),
  /** Data nodes: as many in each zone. */
  instances: z.int().min(2).max(40).multipleOf(2, 'has to be even: as many in each zone'),
  /** Type of three nodes that hold no data and keep the cluster together. Default: data nodes do it. */
  managers: z.enum(SEARCH_TYPE_NAMES).optional(),
  /** Of each data node. AWS has larger ones for some types; more nodes are faster too. */
  volumeGiB: z.int().min(10).max(1024),
})

export const stageSchema = z
  .strictObject({
    account: z.string().regex(/^\d{12}$/, 'is not an account (12 digits)'),
    region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'is not a region'),
    /** Ids, not names: what one account calls `eu-west-1a` another one calls `eu-west-1c`. */
    zones: pair(z.string().regex(/^[a-z0-9]+-az\d+$/, 'is not the id of an availability zone (euw1-az1)')),
    vpc: cidr,
    subnets: z.strictObject({ public: pair(cidr), app: pair(cidr), database: pair(cidr) }),
    /** `public`: reachable from their load balancer only, and no NAT gateway between them and the world. */
    webPlacement: z.enum(['public', 'private']),
    /** `one`: half the price, and without its zone the servers of the other one have no way out. */
    nat: z.enum(['per-zone', 'one']),
    /** `none`: everything but the servers, for the time until the database is migrated. */
    fleet: z.enum(['none', 'serving']),
    entrance,
    web: fleetOf(50),
    api: fleetOf(50),
    database: z.strictObject({
      instanceClass: z.enum(DATABASE_CLASS_NAMES),
      /** A standby in the other zone that takes over by itself. */
      multiAz: z.boolean(),
      replica: z.boolean(),
      /** Which of the two zones the replica stands in. The primary's can't be chosen beside a standby. */
      replicaZone: z.union([z.literal(0), z.literal(1)]),
      storageGiB: z.int().min(20).max(65_536),
      maxStorageGiB: z.int().min(22).max(65_536),
      /** Days that the database can be restored to any second of. */
      backupDays: z.int().min(1).max(35),
    }),
    /** An OpenSearch domain beside the database. Default: none, the index is in the API servers' memory. */
    search: searchDomain.optional(),
    /** Models of Amazon Bedrock that API servers may ask: ids, or inference profiles (`eu.…`), as `MODELS` names them. */
    bedrockModels: z.array(
      z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+(:\d+)*$/, 'is not the id of a model (provider.model)'),
    ),
    /** `at-start`: the API migrates when it starts, with the database's owner's rights. `release`: a step before it. */
    migrations: z.enum(['at-start', 'release']),
    /** Data, load balancers and the stack itself can't be removed by mistake, once servers run. */
    isProtected: z.boolean(),
    /** Whether operators may open a shell on servers by Session Manager. Default: no. */
    sessionManager: z.boolean().optional(),
    logDays: z.union([z.literal(7), z.literal(14), z.literal(30), z.literal(90), z.literal(365)]),
    /** Who is told of alarms; each confirms by mail. */
    alerts: z.array(z.email()),
  })
  .superRefine((stage, context) => {
    const problem = (path: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path, message })

    if (stage.zones[0] === stage.zones[1])
      problem(['zones'], `${stage.zones[0]} stands there twice: losing it would be losing all`)
    for (const [path, message] of networkProblems(stage)) problem(path, message)
    for (const [path, message] of serverProblems(stage)) problem(path, message)

    if (stage.entrance.kind === 'certificate') {
      const [, region, account] = CERTIFICATE.exec(stage.entrance.certificate) ?? []
      const path = ['entrance', 'certificate']
      if (region !== stage.region) problem(path, `is in ${region}; the load balancer is in ${stage.region}`)
      if (account !== stage.account) problem(path, `belongs to account ${account}, not to ${stage.account}`)
    }
    if (stage.isProtected && stage.entrance.kind === 'plain-http')
      problem(['entrance'], 'has no certificate: only a stage that is not protected may be without')

    for (const [path, message] of searchProblems(stage)) problem(path, message)

    const { database } = stage
    if (database.replica && !database.multiAz)
      problem(
        ['database', 'multiAz'],
        'has to be on beside a replica: a replica does not take over by itself, a standby does',
      )
    if (database.maxStorageGiB < database.storageGiB * 1.1)
      problem(['database', 'maxStorageGiB'], 'has to be at least a tenth above storageGiB')
    if (stage.isProtected && database.backupDays < 7)
      problem(['database', 'backupDays'], 'has to be at least 7 in a protected stage')
    if (stage.isProtected && stage.migrations === 'at-start')
      problem(['migrations'], 'can’t be at-start in a protected stage: servers would own the database')
  })
export type Stage = Readonly<z.infer<typeof stageSchema>>

type Problems = Generator<[(string | number)[], string]>

function* networkProblems(stage: { vpc: string; subnets: Record<string, string[]> }): Problems {
  const vpc = range(stage.vpc)
  const seen: { readonly name: string; readonly text: string; readonly range: Range }[] = []
  if (vpc && (vpc.bits < 16 || vpc.bits > 28))
    yield [['vpc'], `${stage.vpc} is a /${vpc.bits}; AWS takes /16 to /28`]
  for (const [tier, texts] of Object.entries(stage.subnets))
    for (const [index, text] of texts.entries()) {
      const found = range(text)
      if (!found || !vpc) continue
      const path = ['subnets', tier, index]
      if (!contains(vpc, found)) yield [path, `${text} is not inside the VPC’s ${stage.vpc}`]
      // Eight addresses a load balancer, five AWS's own: the smallest that AWS lets a load balancer grow in.
      if (found.bits > 27) yield [path, `${text} is a /${found.bits}; load balancers need a /27 or larger`]
      for (const other of seen)
        if (overlaps(other.range, found)) yield [path, `${text} overlaps ${other.name}’s ${other.text}`]
      seen.push({ name: `${tier}[${index}]`, text, range: found })
    }
}

/** Undefined for what `cidr` has already refused. */
function range(text: string): Range | undefined {
  try {
    return parseCidr(text)
  } catch {
    return undefined
  }
}

function* serverProblems(stage: {
  isProtected: boolean
  web: { instanceType: InstanceTypeName; min: number }
  api: { instanceType: InstanceTypeName; min: number }
  database: { instanceClass: keyof typeof DATABASE_CLASSES }
}): Problems {
  const [web, api] = [INSTANCE_TYPES[stage.web.instanceType], INSTANCE_TYPES[stage.api.instanceType]]
  if (web.architecture !== api.architecture)
    yield [
      ['web', 'instanceType'],
      `${stage.web.instanceType} is ${web.architecture}, the API’s ${stage.api.instanceType} is ${api.architecture}: an image set has one architecture`,
    ]
  if (!stage.isProtected) return
  // Embedding keeps a core busy for hours.
  if (api.burstable)
    yield [
      ['api', 'instanceType'],
      `${stage.api.instanceType} has CPU credits, which embedding documents uses up: take one of ${steadyFamilies(api.architecture).join(', ')}`,
    ]
  for (const tier of ['web', 'api'] as const)
    if (stage[tier].min < 2)
      yield [[tier, 'min'], 'has to be at least 2 in a protected stage: one server in each zone']
}

function* searchProblems({
  search,
  isProtected,
}: {
  isProtected: boolean
  search?: z.infer<typeof searchDomain> | undefined
}): Problems {
  if (search === undefined) return
  for (const name of ['instanceType', 'managers'] as const) {
    const type = search[name]
    if (type === undefined || !SEARCH_TYPES[type].burstable) continue
    if (isProtected) yield [['search', name], `${type} has CPU credits: it is for trying things`]
    else if (search.volumeGiB > 200) yield [['search', 'volumeGiB'], `${type} has disks up to 200 GiB`]
  }
  // Two halves can't tell which of them is left.
  if (isProtected && search.managers === undefined)
    yield [
      ['search', 'managers'],
      'are needed in a protected stage: without them the loss of a zone takes the other one’s nodes along',
    ]
}
