// The network: a VPC over two availability zones with public, app and database subnets, the ways out of them, and who
// may talk to whom. Losing a zone takes nothing of the other one's ways, unless the stage shares one NAT gateway.
import { PORTS } from '../contract/ports.ts'
import { type Resource, type Stack, sub } from './cfn.ts'
import type { Stage } from './stage-schema.ts'
import type { LogBucket } from './storage.ts'

const SUBNETS = ['public', 'app', 'database'] as const
type SubnetKind = (typeof SUBNETS)[number]
type Subnet = Resource<'AWS::EC2::Subnet'>
export type SecurityGroup = Resource<'AWS::EC2::SecurityGroup'>

export interface Network {
  readonly vpc: Resource<'AWS::EC2::VPC'>
  /** By kind, one in each of the stage's zones, in their order. */
  readonly subnets: Readonly<Record<SubnetKind, readonly [Subnet, Subnet]>>
  readonly groups: Readonly<Record<'external' | 'web' | 'internal' | 'api' | 'database', SecurityGroup>> & {
    /** Undefined without a search domain. */
    readonly search: SecurityGroup | undefined
  }
  /** What has to be there before a server can reach AWS and the world. */
  readonly waysOut: readonly Resource<'AWS::EC2::Route'>[]
  /** One, or one in each zone. */
  readonly nats: readonly Resource<'AWS::EC2::NatGateway'>[]
}

export const ZONES = ['A', 'B'] as const
/** One of something in each zone. */
export const inBothZones = <T>(make: (zone: 'A' | 'B', index: 0 | 1) => T): [T, T] => [
  make('A', 0),
  make('B', 1),
]

const capital = (word: string) => word[0]?.toUpperCase() + word.slice(1)
const named = (what: string) => [{ Key: 'Name', Value: sub('${AWS::StackName} ${what}', { what }) }]

export function network(stack: Stack, stage: Stage, logs: LogBucket): Network {
  const vpc = stack.add('Vpc', 'AWS::EC2::VPC', {
    CidrBlock: stage.vpc,
    EnableDnsSupport: true,
    EnableDnsHostnames: true,
    Tags: named('network'),
  })
  const subnetsOf = (kind: SubnetKind) =>
    inBothZones((zone, index) =>
      stack.add(`${capital(kind)}Subnet${zone}`, 'AWS::EC2::Subnet', {
        VpcId: vpc.ref,
        AvailabilityZoneId: stage.zones[index],
        CidrBlock: stage.subnets[kind][index],
        // Public addresses are given to servers that need one, by their launch template.
        MapPublicIpOnLaunch: false,
        Tags: named(`${kind} ${zone}`),
      }),
    )
  const subnets = { public: subnetsOf('public'), app: subnetsOf('app'), database: subnetsOf('database') }
  const { waysOut, nats } = routes(stack, stage, vpc, subnets)
  stack.add(
    'FlowLog',
    'AWS::EC2::FlowLog',
    {
      ResourceType: 'VPC',
      ResourceId: vpc.ref,
      TrafficType: 'ALL',
      LogDestinationType: 's3',
      LogDestination: sub('${bucket}/flow', { bucket: logs.bucket.att('Arn') }),
      // Hive's own prefixes would not be those that the bucket's policy lets in.
      DestinationOptions: { FileFormat: 'parquet', HiveCompatiblePartitions: false, PerHourPartition: false },
      MaxAggregationInterval: 600,
    },
    { DependsOn: [logs.policy] },
  )
  return { vpc, subnets, groups: securityGroups(stack, stage, vpc), waysOut, nats }
}

function routes(
  stack: Stack,
  stage: Stage,
  vpc: Resource<'AWS::EC2::VPC'>,
  subnets: Network['subnets'],
): Pick<Network, 'waysOut' | 'nats'> {
  const gateway = stack.add('InternetGateway', 'AWS::EC2::InternetGateway', { Tags: named('internet') })
  const attached = stack.add('InternetGatewayAttachment', 'AWS::EC2::VPCGatewayAttachment', {
    VpcId: vpc.ref,
    InternetGatewayId: gateway.ref,
  })
  const table = (id: string, name: string) =>
    stack.add(id, 'AWS::EC2::RouteTable', { VpcId: vpc.ref, Tags: named(name) })
  const associate = (id: string, routeTable: Resource<'AWS::EC2::RouteTable'>, subnet: Subnet) =>
    stack.add(id, 'AWS::EC2::SubnetRouteTableAssociation', {
      RouteTableId: routeTable.ref,
      SubnetId: subnet.ref,
    })

  const publicTable = table('PublicRoutes', 'public')
  const publicRoute = stack.add(
    'PublicDefaultRoute',
    'AWS::EC2::Route',
    { RouteTableId: publicTable.ref, DestinationCidrBlock: '0.0.0.0/0', GatewayId: gateway.ref },
    { DependsOn: [attached] },
  )
  const natIn = (zone: 'A' | 'B', index: 0 | 1) => {
    const address = stack.add(
      `NatAddress${zone}`,
      'AWS::EC2::EIP',
      { Domain: 'vpc', Tags: named(`NAT ${zone}`) },
      { DependsOn: [attached] },
    )
    return stack.add(
      `Nat${zone}`,
      'AWS::EC2::NatGateway',
      {
        AllocationId: address.att('AllocationId'),
        SubnetId: subnets.public[index].ref,
        Tags: named(`NAT ${zone}`),
      },
      { DependsOn: [publicRoute] },
    )
  }
  const first = natIn('A', 0)
  const nats = [first, stage.nat === 'per-zone' ? natIn('B', 1) : first] as const

  // Without a route out: nothing in a database subnet begins a conversation.
  const databaseTable = table('DatabaseRoutes', 'database')
  const app = inBothZones((zone, index) => {
    // A table a zone, also with one gateway: a second one is then one route more, and replaces nothing.
    const own = table(`App${zone}Routes`, `app ${zone}`)
    associate(`PublicSubnet${zone}Routes`, publicTable, subnets.public[index])
    associate(`AppSubnet${zone}Routes`, own, subnets.app[index])
    associate(`DatabaseSubnet${zone}Routes`, databaseTable, subnets.database[index])
    const route = stack.add(`App${zone}DefaultRoute`, 'AWS::EC2::Route', {
      RouteTableId: own.ref,
      DestinationCidrBlock: '0.0.0.0/0',
      NatGatewayId: nats[index].ref,
    })
    return { table: own, route }
  })
  // Free, and it keeps documents off the NAT gateways' bill. Only to buckets of this account.
  stack.add('S3Endpoint', 'AWS::EC2::VPCEndpoint', {
    VpcId: vpc.ref,
    VpcEndpointType: 'Gateway',
    ServiceName: sub('com.amazonaws.${AWS::Region}.s3'),
    RouteTableIds: [publicTable.ref, ...app.map((one) => one.table.ref)],
    PolicyDocument: {
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: '*',
          Action: 's3:*',
          Resource: '*',
          Condition: { StringEquals: { 'aws:ResourceAccount': stage.account } },
        },
      ],
    },
  })
  return { waysOut: [publicRoute, ...app.map((one) => one.route)], nats: [...new Set(nats)] }
}

/** Port of the internal load balancer: what travels there stays in the VPC. */
export const INTERNAL_PORT = 80
export const DATABASE_PORT = 5432
const SEARCH_PORT = 443

function securityGroups(stack: Stack, stage: Stage, vpc: Resource<'AWS::EC2::VPC'>): Network['groups'] {
  const group = (id: string, description: string) =>
    stack.add(`${id}SecurityGroup`, 'AWS::EC2::SecurityGroup', {
      GroupDescription: description,
      VpcId: vpc.ref,
      // A group without a rule of its own is given one that allows everything out. This one matches nothing.
      SecurityGroupEgress: [
        {
          IpProtocol: 'icmp',
          FromPort: 252,
          ToPort: 86,
          CidrIp: '255.255.255.255/32',
          Description: 'Nothing',
        },
      ],
      Tags: named(description),
    })
  const groups = {
    external: group('External', 'External load balancer'),
    web: group('Web', 'Web servers'),
    internal: group('Internal', 'Internal load balancer'),
    api: group('Api', 'API servers'),
    database: group('Database', 'Database and replica'),
    search: stage.search && group('Search', 'Search domain'),
  }
  // Standalone rules, since two groups that name each other in their own rules can't be made.
  const world = (id: string, to: SecurityGroup, port: number, why: string) =>
    stack.add(`${id}In`, 'AWS::EC2::SecurityGroupIngress', {
      GroupId: to.att('GroupId'),
      IpProtocol: 'tcp',
      FromPort: port,
      ToPort: port,
      CidrIp: '0.0.0.0/0',
      Description: why,
    })
  const between = (id: string, from: SecurityGroup, to: SecurityGroup, port: number, why: string) => {
    const rule = { IpProtocol: 'tcp', FromPort: port, ToPort: port, Description: why }
    stack.add(`${id}Out`, 'AWS::EC2::SecurityGroupEgress', {
      ...rule,
      GroupId: from.att('GroupId'),
      DestinationSecurityGroupId: to.att('GroupId'),
    })
    stack.add(`${id}In`, 'AWS::EC2::SecurityGroupIngress', {
      ...rule,
      GroupId: to.att('GroupId'),
      SourceSecurityGroupId: from.att('GroupId'),
    })
  }
  const out = (id: string, from: SecurityGroup, why: string) =>
    stack.add(`${id}Out`, 'AWS::EC2::SecurityGroupEgress', {
      GroupId: from.att('GroupId'),
      IpProtocol: 'tcp',
      FromPort: 443,
      ToPort: 443,
      CidrIp: '0.0.0.0/0',
      Description: why,
    })

  if (stage.entrance.kind !== 'plain-http') world('WorldToHttps', groups.external, 443, 'People')
  world(
    'WorldToHttp',
    groups.external,
    80,
    stage.entrance.kind === 'plain-http' ? 'People' : 'People, to be sent to HTTPS',
  )
  between('ExternalToWeb', groups.external, groups.web, PORTS.web, 'Pages and what they ask for')
  between('WebToInternal', groups.web, groups.internal, INTERNAL_PORT, 'What the API answers')
  between('InternalToApi', groups.internal, groups.api, PORTS.api, 'What the API answers')
  between('ApiToDatabase', groups.api, groups.database, DATABASE_PORT, 'PostgreSQL')
  if (groups.search) between('ApiToSearch', groups.api, groups.search, SEARCH_PORT, 'The search index')
  // Name service, time and instance metadata are the VPC's own and pass no security group.
  out('WebToWorld', groups.web, 'Settings, logs and lifecycle of this server')
  out('ApiToWorld', groups.api, 'Documents, settings, logs, lifecycle and model endpoints')
  return groups
}
