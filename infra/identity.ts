// Who the servers are to AWS: a role per tier that can do what its programs do, on the resources of this stage.
import { METRIC_NAMESPACE } from '../contract/metrics.ts'
import { SESSION_ACTIONS } from './bootstrap/boundary.ts'
import { boundaryName } from './bootstrap/names.ts'
import { type Resource, type Stack, sub, type Text, type Token } from './cfn.ts'
import { APPLICATION_ROLE, type Database } from './database.ts'
import { capital, type Environment, TIERS, type Tier } from './environment.ts'
import { allow, document, type Statement, TRUST_SERVERS } from './policy.ts'
import { type Search, searchRights } from './search.ts'
import type { Stage } from './stage-schema.ts'
import { PREFIX } from './storage.ts'

type Profile = Resource<'AWS::IAM::InstanceProfile'>

export function identities(
  stack: Stack,
  stage: Stage,
  environments: Readonly<Record<Tier, Environment>>,
  database: Database,
  documents: Resource<'AWS::S3::Bucket'>,
  search: Search | undefined,
): Readonly<Record<Tier, Profile>> {
  const profile = (tier: Tier): Profile => {
    const statements = [
      ...ownSettings(stage, environments[tier]),
      ...ownLife(stage, tier),
      ...sessions(stage),
      ...(tier === 'api' ? [...data(stage, database, documents), ...models(stage)] : []),
      ...(tier === 'api' && search ? [searchRights(stage, search)] : []),
    ]
    const role = stack.add(`${capital(tier)}Role`, 'AWS::IAM::Role', {
      Description: `What ${tier} servers may do`,
      AssumeRolePolicyDocument: TRUST_SERVERS,
      PermissionsBoundary: boundary(stage),
      Policies: [{ PolicyName: tier, PolicyDocument: document(...statements) }],
    })
    return stack.add(`${capital(tier)}Profile`, 'AWS::IAM::InstanceProfile', { Roles: [role.ref] })
  }
  const [api, web] = TIERS.map(profile) as [Profile, Profile]
  return { api, web }
}

/** For the one server of a release that changes tables: the only one that may sign in as the database's owner. */
export function migrationIdentity(stack: Stack, stage: Stage, api: Environment, database: Database): Profile {
  const settings = { ...api, secrets: { DATABASE_URL: database.ownerSecret } }
  const role = stack.add('MigrationRole', 'AWS::IAM::Role', {
    Description: 'What the server that migrates the database may do',
    AssumeRolePolicyDocument: TRUST_SERVERS,
    PermissionsBoundary: boundary(stage),
    Policies: [{ PolicyName: 'migration', PolicyDocument: document(...ownSettings(stage, settings)) }],
  })
  return stack.add('MigrationProfile', 'AWS::IAM::InstanceProfile', { Roles: [role.ref] })
}

/** What no role of a stage can go beyond; the bootstrap's. */
const boundary = (stage: Stage): Token<string> =>
  sub('arn:${AWS::Partition}:iam::${account}:policy/${name}', {
    account: stage.account,
    name: boundaryName(stage),
  })
/** An ARN of this account and region. */
const here = (stage: Stage, service: string, resource: Text): Token<string> =>
  sub('arn:${AWS::Partition}:${service}:${AWS::Region}:${account}:${resource}', {
    service,
    account: stage.account,
    resource,
  })

function ownSettings(stage: Stage, { path, secrets, logGroup }: Environment): Statement[] {
  const parameters = here(stage, 'ssm', `parameter${path}`)
  const arns = Object.values(secrets).map((secret) => secret.ref)
  return [
    allow(['ssm:GetParametersByPath'], [parameters, sub('${parameters}/*', { parameters })]),
    ...(arns.length > 0 ? [allow(['secretsmanager:GetSecretValue'], arns)] : []),
    allow(['logs:CreateLogStream', 'logs:PutLogEvents'], logGroup.att('Arn')),
    // Knows no resources: what it can be held to is the namespace.
    allow(['cloudwatch:PutMetricData'], '*', { StringEquals: { 'cloudwatch:namespace': METRIC_NAMESPACE } }),
  ]
}

/** A server ends its own group's lifecycle waits, by the name that CloudFormation gives that group, and no other's. */
function ownLife(stage: Stage, tier: Tier): Statement[] {
  const group = sub('autoScalingGroup:*:autoScalingGroupName/${AWS::StackName}-${group}-*', {
    group: groupId(tier),
  })
  return [
    // Which group that is; it knows no resources, and only reads.
    allow(['autoscaling:DescribeAutoScalingInstances'], '*'),
    allow(
      ['autoscaling:CompleteLifecycleAction', 'autoscaling:RecordLifecycleActionHeartbeat'],
      here(stage, 'autoscaling', group),
    ),
  ]
}

/** What the SSM agent takes for Session Manager and no more: no parameters, inventories or documents of its own. */
function sessions(stage: Stage): Statement[] {
  if (stage.sessionManager !== true) return []
  // None of them knows resources. Asked from a server, not by somebody who took its credentials elsewhere.
  const fromServers = { ArnLike: { 'ec2:SourceInstanceARN': here(stage, 'ec2', 'instance/*') } }
  return [allow(SESSION_ACTIONS, '*', fromServers)]
}

/** Logical id of a tier's Auto Scaling group. */
export const groupId = (tier: Tier) => `${capital(tier)}Group` as const

function data(stage: Stage, database: Database, documents: Resource<'AWS::S3::Bucket'>): Statement[] {
  const bucket = documents.att('Arn')
  const instances = [database.primary, ...(database.replica ? [database.replica] : [])]
  return [
    allow(
      ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload'],
      sub('${bucket}/${prefix}/*', { bucket, prefix: PREFIX }),
    ),
    allow(['s3:ListBucket', 's3:ListBucketMultipartUploads'], bucket),
    ...(stage.migrations === 'at-start'
      ? []
      : [
          allow(
            ['rds-db:connect'],
            instances.map((instance) =>
              here(
                stage,
                'rds-db',
                sub('dbuser:${id}/${role}', { id: instance.att('DbiResourceId'), role: APPLICATION_ROLE }),
              ),
            ),
          ),
        ]),
  ]
}

/** Places that an inference profile sends its requests to; the first part of its id. */
const PROFILE = /^(us|us-gov|eu|apac|jp|au|global)\.(.+)$/

function models(stage: Stage): Statement[] {
  if (stage.bedrockModels.length === 0) return []
  const arns = stage.bedrockModels.flatMap((id) => {
    const [, , model] = PROFILE.exec(id) ?? []
    if (model === undefined)
      return [sub('arn:${AWS::Partition}:bedrock:${AWS::Region}::foundation-model/${id}', { id })]
    // A profile asks its model in whichever region has room: the caller needs the right to both.
    return [
      here(stage, 'bedrock', `inference-profile/${id}`),
      sub('arn:${AWS::Partition}:bedrock:*::foundation-model/${model}', { model }),
    ]
  })
  return [allow(['bedrock:InvokeModel', 'bedrock:InvokeModelWithResponseStream'], arns)]
}
