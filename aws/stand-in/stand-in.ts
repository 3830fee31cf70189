// AWS for tests: the port of ../port.ts over states in memory. Its clock is virtual, its states last and follow each other
// as AWS's do, and any call can be made to fail or its answer to be lost. What it does not know it refuses.
import type { Aws, Service } from '../port.ts'
import { Groups } from './autoscaling.ts'
import { VirtualClock } from './clock.ts'
import { CloudFormation } from './cloudformation/operations.ts'
import { DirectAccess } from './ebs.ts'
import { Compute } from './ec2/ec2.ts'
import { Roles } from './iam.ts'
import { Databases } from './rds.ts'
import { Buckets } from './s3.ts'
import { Secrets } from './secrets.ts'
import { type Call, client, Faults, type Operations } from './service.ts'
import { Parameters } from './ssm.ts'
import { securityTokens } from './sts.ts'

export interface StandIn {
  readonly aws: Aws
  readonly clock: VirtualClock
  readonly faults: Faults
  /** Every call, oldest first. */
  readonly calls: readonly Call[]
  /** Everything that it answers: `ec2 RunInstances`. */
  readonly operations: readonly string[]
  readonly blocks: DirectAccess
  readonly buckets: Buckets
  readonly compute: Compute
  readonly databases: Databases
  readonly groups: Groups
  readonly roles: Roles
  readonly secrets: Secrets
  readonly stacks: CloudFormation
}

export function standIn(account = '222233334444', region = 'eu-west-1'): StandIn {
  const clock = new VirtualClock()
  const faults = new Faults()
  const calls: Call[] = []
  const known: string[] = []
  const buckets = new Buckets(account, clock)
  const compute = new Compute(account, clock)
  const blocks = new DirectAccess(clock, compute.snapshots)
  const databases = new Databases(clock)
  const groups = new Groups(clock)
  const roles = new Roles(account, clock)
  const secrets = new Secrets()
  const stacks = new CloudFormation(clock, region, account, { databases, groups, buckets, roles })
  const of = <S extends Service>(service: S, operations: Operations) => {
    known.push(...Object.keys(operations).map((operation) => `${service} ${operation}`))
    return client(service, region, operations, faults, calls)
  }
  const aws: Aws = {
    region,
    clock,
    autoscaling: of('autoscaling', groups.operations),
    cloudformation: of('cloudformation', stacks.operations),
    ebs: of('ebs', blocks.operations),
    ec2: of('ec2', compute.operations),
    iam: of('iam', roles.operations),
    rds: of('rds', databases.operations),
    s3: of('s3', buckets.operations),
    secretsmanager: of('secretsmanager', secrets.operations),
    ssm: of('ssm', new Parameters().operations),
    sts: of('sts', securityTokens(account)),
  }
  const settings = { blocks, buckets, compute, databases, groups, roles, secrets, stacks }
  return { aws, clock, faults, calls, operations: known, ...settings }
}
