// Resources that are there for other services too: an instance of a stack is one of RDS, a bucket one of S3.
import type { Groups } from '../autoscaling.ts'
import type { Roles } from '../iam.ts'
import type { Databases } from '../rds.ts'
import type { Buckets } from '../s3.ts'
import type { Live } from './stack.ts'
import { Refusal } from './tasks.ts'

export interface Others {
  readonly databases: Databases
  readonly groups: Groups
  readonly buckets: Buckets
  readonly roles: Roles
}

interface Kind {
  create?(live: Live): void
  update?(live: Live): void
  /** @throws Refusal when it does not go */
  remove?(live: Live): void
  snapshot?(live: Live): void
}

const isTrue = (value: unknown) => String(value) === 'true'

export function kinds({ databases, groups, buckets, roles }: Others): Readonly<Record<string, Kind>> {
  return {
    'AWS::RDS::DBInstance': {
      create: ({ physicalId, properties }) => {
        const source = properties.SourceDBInstanceIdentifier
        databases.instances.set(physicalId, {
          status: 'available',
          deletionProtection: isTrue(properties.DeletionProtection),
          source: source === undefined ? undefined : String(source),
        })
      },
      update: ({ physicalId, properties }) => {
        const instance = databases.instances.get(physicalId)
        if (instance) instance.deletionProtection = isTrue(properties.DeletionProtection)
      },
      remove: ({ physicalId }) => {
        if (databases.instances.get(physicalId)?.deletionProtection === true)
          throw new Refusal(
            'Cannot delete protected DB Instance, please disable deletion protection and try again. (Service: Rds, Status Code: 400)',
          )
        databases.instances.delete(physicalId)
      },
      snapshot: ({ physicalId, properties }) => {
        // Whatever the template says, there is none of a replica.
        if (properties.SourceDBInstanceIdentifier === undefined)
          databases.snapshot(`${physicalId}-snapshot`, physicalId)
      },
    },
    'AWS::AutoScaling::AutoScalingGroup': {
      create: ({ physicalId, properties }) =>
        groups.make(physicalId, Number(properties.MinSize), Number(properties.MaxSize)),
      update: ({ physicalId, properties }) =>
        groups.resize(physicalId, { min: Number(properties.MinSize), max: Number(properties.MaxSize) }),
      remove: ({ physicalId }) => groups.groups.delete(physicalId),
    },
    'AWS::S3::Bucket': {
      create: ({ physicalId }) => {
        if (buckets.has(physicalId) && !buckets.takenOver.delete(physicalId))
          throw new Refusal(`${physicalId} already exists`)
        buckets.make(physicalId)
      },
      remove: ({ physicalId }) => {
        if (!buckets.remove(physicalId))
          throw new Refusal(
            'The bucket you tried to delete is not empty. You must delete all versions in the bucket. (Service: S3, Status Code: 409)',
          )
      },
    },
    'AWS::IAM::OIDCProvider': {
      create: ({ properties }) => {
        const arn = roles.provider(String(properties.Url))
        if (roles.providers.has(arn))
          throw new Refusal(`Provider with url ${String(properties.Url)} already exists.`)
        roles.providers.add(arn)
      },
      remove: ({ properties }) => roles.providers.delete(roles.provider(String(properties.Url))),
    },
    'AWS::KMS::Key': {
      create: ({ properties }) => {
        if (roles.isUnknownIn(properties.KeyPolicy))
          throw new Refusal('Policy contains a statement with one or more invalid principals.')
      },
    },
    'AWS::ElasticLoadBalancingV2::LoadBalancer': {
      remove: ({ properties }) => {
        const attributes = JSON.stringify(properties.LoadBalancerAttributes ?? [])
        if (/"deletion_protection.enabled","Value":"true"/.test(attributes))
          throw new Refusal(
            'Load balancer cannot be deleted because deletion protection is enabled (Service: ElasticLoadBalancingV2, Status Code: 400)',
          )
      },
    },
  }
}
