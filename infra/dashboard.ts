// One dashboard, from the people inwards: what they get, what the API gives, servers, database, ways out.
// It shows what AWS measures by itself; what the application measures is not sent anywhere yet.
import type { Balanced, Balancing } from './balancing.ts'
import { json, type Resource, type Stack, type Text } from './cfn.ts'
import type { Database } from './database.ts'
import type { Tier } from './environment.ts'
import type { Network } from './network.ts'
import type { Stage } from './stage-schema.ts'

export type Groups = Readonly<Record<Tier, Resource<'AWS::AutoScaling::AutoScalingGroup'>>>
type Dimensions = Readonly<Record<string, Text>>
/** Namespace, name, dimensions, statistic, and what the line is called. */
type Line = readonly [namespace: string, metric: string, of: Dimensions, stat: string, label: string]
interface Chart {
  readonly title: string
  readonly lines: readonly Line[]
}

/** CloudWatch's grid has 24 columns. */
const COLUMNS = 24
const HEIGHT = 6

export function dashboard(
  stack: Stack,
  stage: Stage,
  parts: {
    readonly network: Network
    readonly balancing: Balancing
    readonly database: Database
    /** Undefined before there are servers. */
    readonly groups: Groups | undefined
  },
): void {
  const rows = [
    requests('People', parts.balancing.web),
    requests('API', parts.balancing.api),
    ...(parts.groups ? [servers(parts.groups)] : []),
    databases(parts.database),
    waysOut(parts.network),
  ]
  const widgets = rows.flatMap((charts, row) =>
    charts.map((chart, column) => ({
      type: 'metric',
      x: (column * COLUMNS) / charts.length,
      y: row * HEIGHT,
      width: COLUMNS / charts.length,
      height: HEIGHT,
      properties: {
        title: chart.title,
        region: stage.region,
        period: 60,
        metrics: chart.lines.map(([namespace, metric, of, stat, label]) => [
          namespace,
          metric,
          ...Object.entries(of).flat(),
          { stat, label },
        ]),
      },
    })),
  )
  stack.add('Dashboard', 'AWS::CloudWatch::Dashboard', { DashboardBody: json({ widgets }) })
}

function requests(who: string, { balancer, targets }: Balanced): Chart[] {
  const ALB = 'AWS/ApplicationELB'
  const all = { LoadBalancer: balancer.att('LoadBalancerFullName') }
  const of = { ...all, TargetGroup: targets.att('TargetGroupFullName') }
  return [
    {
      title: `${who}: requests`,
      lines: [
        [ALB, 'RequestCount', of, 'Sum', 'requests'],
        [ALB, 'ActiveConnectionCount', all, 'Sum', 'open connections'],
      ],
    },
    {
      title: `${who}: errors`,
      lines: [
        [ALB, 'HTTPCode_Target_5XX_Count', of, 'Sum', 'by servers'],
        [ALB, 'HTTPCode_ELB_5XX_Count', all, 'Sum', 'by the load balancer'],
        [ALB, 'HTTPCode_Target_4XX_Count', of, 'Sum', 'refused'],
      ],
    },
    {
      title: `${who}: seconds to the first byte`,
      lines: (['p50', 'p95', 'p99'] as const).map(
        (stat): Line => [ALB, 'TargetResponseTime', of, stat, stat],
      ),
    },
    {
      title: `${who}: servers`,
      lines: [
        [ALB, 'HealthyHostCount', of, 'Minimum', 'ready'],
        [ALB, 'UnHealthyHostCount', of, 'Maximum', 'not ready'],
      ],
    },
  ]
}

function servers(groups: Groups): Chart[] {
  const of = (tier: Tier) => ({ AutoScalingGroupName: groups[tier].ref })
  const both = (namespace: string, metric: string, stat: string): Line[] => [
    [namespace, metric, of('web'), stat, 'web'],
    [namespace, metric, of('api'), stat, 'API'],
  ]
  return [
    { title: 'Servers in service', lines: both('AWS/AutoScaling', 'GroupInServiceInstances', 'Average') },
    { title: 'Servers coming', lines: both('AWS/AutoScaling', 'GroupPendingInstances', 'Maximum') },
    { title: 'CPU, %', lines: both('AWS/EC2', 'CPUUtilization', 'Average') },
  ]
}

function databases({ primary, replica }: Database): Chart[] {
  const one = (metric: string, stat: string): Line[] => [
    ['AWS/RDS', metric, { DBInstanceIdentifier: primary.ref }, stat, 'primary'],
    ...(replica
      ? [['AWS/RDS', metric, { DBInstanceIdentifier: replica.ref }, stat, 'replica'] satisfies Line]
      : []),
  ]
  return [
    { title: 'Database: CPU, %', lines: one('CPUUtilization', 'Average') },
    { title: 'Database: connections', lines: one('DatabaseConnections', 'Maximum') },
    {
      title: 'Database: free bytes',
      lines: [...one('FreeStorageSpace', 'Minimum'), ...one('FreeableMemory', 'Minimum')],
    },
    {
      title: replica ? 'Replica: seconds behind' : 'Database: seconds a read takes',
      lines: replica
        ? [['AWS/RDS', 'ReplicaLag', { DBInstanceIdentifier: replica.ref }, 'Maximum', 'behind']]
        : one('ReadLatency', 'Average'),
    },
  ]
}

function waysOut({ nats }: Network): Chart[] {
  const each = (metric: string, stat: string): Line[] =>
    nats.map((nat): Line => ['AWS/NATGateway', metric, { NatGatewayId: nat.ref }, stat, nat.id])
  return [
    { title: 'NAT: bytes out', lines: each('BytesOutToDestination', 'Sum') },
    { title: 'NAT: connections', lines: each('ActiveConnectionCount', 'Maximum') },
    { title: 'NAT: no port left', lines: each('ErrorPortAllocation', 'Sum') },
  ]
}
