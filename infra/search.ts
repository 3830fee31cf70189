// An OpenSearch domain over the stage's two zones, for stages that outgrow the index in their servers' memory
// (docs/scaling.md). What it holds is a cache of PostgreSQL: it can be filled anew, so nothing of it outlives the stack.
import { stageStack } from './bootstrap/names.ts'
import { GOES_WITH_STACK, json, Resource, type Stack, sub, type Token } from './cfn.ts'
import type { Network } from './network.ts'
import { allow, allowService, document, type Statement } from './policy.ts'
import type { Stage } from './stage-schema.ts'
import type { StageName } from './stages.ts'

export interface Search {
  readonly domain: Resource<'AWS::OpenSearchService::Domain'>
  /** What the domain is called at AWS, and in its metrics. */
  readonly name: string
}

/** Of the line that the tests run against (2.19.1); AWS keeps its patches current. */
const ENGINE = 'OpenSearch_2.19'
/** What the index is searched by there. */
const INDEX = 'terrace'
/** Dedicated managers: an odd number, of which one may be missing. */
export const MANAGERS = 3
/** UTC. AWS changes software in the ten hours from then on. */
const QUIET_FROM = { Hours: 22, Minutes: 0 }

/** By the stage: the domain's own policy has to name it, and so has the boundary of servers, before there is one. */
export const searchDomainName = (name: StageName) => `${stageStack(name)}-search`

/** The calls of the client: no others, and nothing of the domain's own settings at AWS. */
export const SEARCH_ACTIONS = [
  'es:ESHttpDelete',
  'es:ESHttpGet',
  'es:ESHttpHead',
  'es:ESHttpPost',
  'es:ESHttpPut',
] as const

export function search(stack: Stack, name: StageName, stage: Stage, network: Network): Search | undefined {
  const { search: settings } = stage
  const group = network.groups.search
  if (settings === undefined || group === undefined) return undefined
  const domainName = searchDomainName(name)
  const { logs, policy } = errorLog(stack, stage, domainName)
  // It is made later in the program: what it may do depends on what servers are told, and that on this domain.
  const servers = new Resource('ApiRole', 'AWS::IAM::Role', {}, {})
  const { managers } = settings
  const domain = stack.add(
    'Search',
    'AWS::OpenSearchService::Domain',
    {
      DomainName: domainName,
      EngineVersion: ENGINE,
      ClusterConfig: {
        InstanceType: settings.instanceType,
        InstanceCount: settings.instances,
        ZoneAwarenessEnabled: true,
        ZoneAwarenessConfig: { AvailabilityZoneCount: 2 },
        DedicatedMasterEnabled: managers !== undefined,
        ...(managers !== undefined && { DedicatedMasterType: managers, DedicatedMasterCount: MANAGERS }),
      },
      EBSOptions: { EBSEnabled: true, VolumeType: 'gp3', VolumeSize: settings.volumeGiB },
      VPCOptions: {
        SubnetIds: network.subnets.database.map((subnet) => subnet.ref),
        SecurityGroupIds: [group.att('GroupId')],
      },
      // By AWS's own key, as the database's disks: without one of ours nothing can be lost with it.
      EncryptionAtRestOptions: { Enabled: true },
      NodeToNodeEncryptionOptions: { Enabled: true },
      DomainEndpointOptions: { EnforceHTTPS: true, TLSSecurityPolicy: 'Policy-Min-TLS-1-2-PFS-2023-10' },
      AccessPolicies: document({
        Effect: 'Allow',
        Principal: { AWS: servers.att('Arn') },
        Action: SEARCH_ACTIONS,
        Resource: below(stage, domainName),
      }),
      // Errors only: slow logs would have text of questions and documents in them.
      LogPublishingOptions: {
        ES_APPLICATION_LOGS: { Enabled: true, CloudWatchLogsLogGroupArn: logs.att('Arn') },
      },
      OffPeakWindowOptions: { Enabled: true, OffPeakWindow: { WindowStartTime: QUIET_FROM } },
      SoftwareUpdateOptions: { AutoSoftwareUpdateEnabled: true },
    },
    // A newer line is an upgrade in place, and no empty domain.
    { ...GOES_WITH_STACK, UpdatePolicy: { EnableVersionUpgrade: true }, DependsOn: [policy] },
  )
  return { domain, name: domainName }
}

function errorLog(stack: Stack, stage: Stage, domainName: string) {
  const logs = stack.add(
    'SearchLogs',
    'AWS::Logs::LogGroup',
    { RetentionInDays: stage.logDays },
    GOES_WITH_STACK,
  )
  const policy = stack.add('SearchLogsPolicy', 'AWS::Logs::ResourcePolicy', {
    PolicyName: domainName,
    PolicyDocument: json(
      document(
        allowService('es.amazonaws.com', ['logs:CreateLogStream', 'logs:PutLogEvents'], logs.att('Arn'), {
          StringEquals: { 'aws:SourceAccount': stage.account },
          ArnLike: { 'aws:SourceArn': here(stage, domainName) },
        }),
      ),
    ),
  })
  return { logs, policy }
}

const here = (stage: Stage, domainName: string): Token<string> =>
  sub('arn:${AWS::Partition}:es:${AWS::Region}:${account}:domain/${domainName}', {
    account: stage.account,
    domainName,
  })
const below = (stage: Stage, domainName: string): Token<string> =>
  sub('${domain}/*', { domain: here(stage, domainName) })

/** What API servers may do there. */
export const searchRights = (stage: Stage, { name }: Search): Statement =>
  allow(SEARCH_ACTIONS, below(stage, name))

/** What API servers are told of it. Which engine answers is the database's to say once one has been switched to. */
export const searchVariables = (stage: Stage, found: Search | undefined) =>
  found &&
  stage.search && {
    INDEX_ENGINE: stage.search.engine,
    OPENSEARCH_URL: sub('https://${host}/${index}', {
      host: found.domain.att('DomainEndpoint'),
      index: INDEX,
    }),
    OPENSEARCH_AUTH: 'iam',
  }
