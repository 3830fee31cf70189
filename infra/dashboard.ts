// One dashboard, from the people inwards: whether somebody has to get up and what was promised, what people get, what
// the API gives, answers, documents, servers, database, ways out; last, every alarm that tells.
import type { MetricName } from '../contract/metrics.ts'
import type { Balanced, Balancing } from './balancing.ts'
import { json, type Stack } from './cfn.ts'
import type { Database } from './database.ts'
import type { Tier } from './environment.ts'
import type { Groups } from './fleet.ts'
import type { Network } from './network.ts'
import type { Search } from './search.ts'
import type { Stage } from './stage-schema.ts'
import type { StageName } from './stages.ts'
import type { Alarm, Metric, StateAlarm } from './watch/alarm.ts'
import { measured } from './watch/application.ts'
import { left, type Objective } from './watch/objectives.ts'
import { searchMetric } from './watch/search.ts'
import type { Watched } from './watch/watch.ts'

/** A metric, and what its line is called. */
type Line = readonly [metric: Metric, label: string]
interface Widget {
  readonly type: 'metric' | 'alarm'
  /** Rows of the grid; a row of widgets is as high as its first. */
  readonly height: number
  readonly properties: object
}

/** CloudWatch's grid has 24 columns. */
const COLUMNS = 24

export function dashboard(
  stack: Stack,
  name: StageName,
  stage: Stage,
  parts: {
    readonly network: Network
    readonly balancing: Balancing
    readonly database: Database
    readonly search: Search | undefined
    /** Undefined before there are servers. */
    readonly groups: Groups | undefined
    readonly watched: Watched
  },
): void {
  const { network, balancing, database, search, groups, watched } = parts
  const chart = (title: string, ...lines: readonly Line[]): Widget => ({
    type: 'metric',
    height: 6,
    properties: { title, region: stage.region, period: 60, metrics: lines.map(drawn) },
  })
  const states: Widget[] = [
    alarmList('Does somebody have to get up?', watched.states, 3),
    ...(watched.objectives.length > 0 ? [budgets(stage.region, watched.objectives)] : []),
  ]
  const rows: Widget[][] = [
    states,
    requests(chart, 'People', balancing.web),
    requests(chart, 'API', balancing.api),
    ...(groups
      ? [answers(chart, name), documents(chart, name), servers(chart, groups), machines(chart, name)]
      : []),
    databases(chart, database),
    ...(search ? [searchDomain(chart, stage, search)] : []),
    waysOut(chart, network),
    [alarmList('Alarms that tell', watched.alarms, 10)],
  ]
  stack.add('Dashboard', 'AWS::CloudWatch::Dashboard', { DashboardBody: json({ widgets: placed(rows) }) })
}

/** Rows below each other, what stands in one equally wide. */
function placed(rows: readonly (readonly Widget[])[]): object[] {
  let below = 0
  return rows.flatMap((row) => {
    const [y, height] = [below, row[0]?.height ?? 0]
    below += height
    const width = COLUMNS / row.length
    return row.map(({ type, properties }, index) => ({
      type,
      x: index * width,
      y,
      width,
      height,
      properties,
    }))
  })
}

const drawn = ([{ namespace, metric, dimensions, statistic }, label]: Line) => [
  namespace,
  metric,
  ...Object.entries(dimensions).flat(),
  { stat: statistic, label },
]

function alarmList(title: string, alarms: readonly (Alarm | StateAlarm)[], height: number): Widget {
  return { type: 'alarm', height, properties: { title, alarms: alarms.map((one) => one.att('Arn')) } }
}

/** One number for each objective: what is left of its budget, over thirty days. */
function budgets(region: string, objectives: readonly Objective[]): Widget {
  const metrics = objectives.flatMap((objective) => {
    const { metrics, expressions } = left(objective)
    // All numbers share one widget: each objective's names get its own in front.
    const own = (id: string) => `${objective.id.toLowerCase()}_${id}`
    const names = [...Object.keys(metrics), ...Object.keys(expressions)]
    const renamed = (expression: string) =>
      expression.replace(/\b[a-z]\w*/g, (word) => (names.includes(word) ? own(word) : word))
    const last = Object.keys(expressions).at(-1)
    return [
      ...Object.entries(metrics).map(([id, metric]) => [
        ...drawn([metric, id]).slice(0, -1),
        { id: own(id), stat: metric.statistic, visible: false },
      ]),
      ...Object.entries(expressions).map(([id, expression]) => [
        {
          id: own(id),
          expression: renamed(expression),
          visible: id === last,
          ...(id === last && { label: `${objective.title} (${100 - objective.budget} %)` }),
        },
      ]),
    ]
  })
  return {
    type: 'metric',
    height: 3,
    properties: {
      title: 'Left of what may fail in 30 days, %',
      region,
      view: 'singleValue',
      start: '-P30D',
      end: 'P0D',
      setPeriodToTimeRange: true,
      metrics,
    },
  }
}

type Draw = (title: string, ...lines: readonly Line[]) => Widget

function requests(chart: Draw, who: string, { balancer, targets }: Balanced): Widget[] {
  const all = { LoadBalancer: balancer.att('LoadBalancerFullName') }
  const of = { ...all, TargetGroup: targets.att('TargetGroupFullName') }
  const line = (metric: string, dimensions: Metric['dimensions'], statistic: string, label: string): Line => [
    { namespace: 'AWS/ApplicationELB', metric, dimensions, statistic },
    label,
  ]
  return [
    chart(
      `${who}: requests`,
      line('RequestCount', of, 'Sum', 'requests'),
      line('ActiveConnectionCount', all, 'Sum', 'open connections'),
    ),
    chart(
      `${who}: errors`,
      line('HTTPCode_Target_5XX_Count', of, 'Sum', 'by servers'),
      line('HTTPCode_ELB_5XX_Count', all, 'Sum', 'by the load balancer'),
      line('HTTPCode_Target_4XX_Count', of, 'Sum', 'refused'),
    ),
    chart(
      `${who}: seconds to the first byte`,
      ...['p50', 'p95', 'p99'].map((stat) => line('TargetResponseTime', of, stat, stat)),
    ),
    chart(
      `${who}: servers`,
      line('HealthyHostCount', of, 'Minimum', 'ready'),
      line('UnHealthyHostCount', of, 'Maximum', 'not ready'),
    ),
  ]
}

function answers(chart: Draw, stage: string): Widget[] {
  const of = (metric: MetricName, statistic: string) => measured(stage, 'api', metric, statistic)
  return [
    chart(
      'Answers: milliseconds to the first token',
      ...['p50', 'p95', 'p99'].map((stat): Line => [of('TimeToFirstToken', stat), stat]),
    ),
    chart('Answers', [of('AnswersServed', 'Sum'), 'served'], [of('AnswersFailed', 'Sum'), 'failed']),
    chart(
      'Open streams',
      // Every server says once a minute how many it holds.
      [of('OpenStreams', 'Sum'), 'all servers'],
      [of('OpenStreams', 'Maximum'), 'the fullest'],
    ),
  ]
}

function documents(chart: Draw, stage: string): Widget[] {
  const worst = (metric: MetricName, label: string): Line => [
    measured(stage, 'api', metric, 'Maximum'),
    label,
  ]
  return [
    chart('Index: seconds behind the log', worst('IndexLag', 'the last server')),
    chart('Documents: seconds that the oldest waits', worst('IngestQueueAge', 'oldest')),
    chart('Dead letters', worst('DeadLetters', 'jobs given up')),
  ]
}

/** A line for each tier. */
const both = (made: (tier: Tier) => Metric): Line[] => [
  [made('web'), 'web'],
  [made('api'), 'API'],
]

function servers(chart: Draw, groups: Groups): Widget[] {
  const of = (namespace: string, metric: string, statistic: string) =>
    both((tier) => ({
      namespace,
      metric,
      dimensions: { AutoScalingGroupName: groups[tier].ref },
      statistic,
    }))
  return [
    chart('Servers in service', ...of('AWS/AutoScaling', 'GroupInServiceInstances', 'Average')),
    chart('Servers coming', ...of('AWS/AutoScaling', 'GroupPendingInstances', 'Maximum')),
    chart('CPU, %', ...of('AWS/EC2', 'CPUUtilization', 'Average')),
  ]
}

function machines(chart: Draw, stage: string): Widget[] {
  const worst = (metric: MetricName) => both((tier) => measured(stage, tier, metric, 'Maximum'))
  return [
    chart('Memory, % on the fullest server', ...worst('MemoryUsed')),
    chart('Disk, % on the fullest server', ...worst('DiskUsed')),
    chart('Image: days old', ...worst('ImageAge')),
  ]
}

function databases(chart: Draw, { primary, replica }: Database): Widget[] {
  const of = (instance: Database['primary'], metric: string, statistic: string): Metric => ({
    namespace: 'AWS/RDS',
    metric,
    dimensions: { DBInstanceIdentifier: instance.ref },
    statistic,
  })
  const each = (metric: string, statistic: string, what = ''): Line[] => [
    [of(primary, metric, statistic), `primary${what}`],
    ...(replica ? [[of(replica, metric, statistic), `replica${what}`] satisfies Line] : []),
  ]
  return [
    chart('Database: CPU, %', ...each('CPUUtilization', 'Average')),
    chart('Database: connections', ...each('DatabaseConnections', 'Maximum')),
    chart(
      'Database: free bytes',
      ...each('FreeStorageSpace', 'Minimum', ', disk'),
      ...each('FreeableMemory', 'Minimum', ', memory'),
    ),
    replica
      ? chart('Replica: seconds behind', [of(replica, 'ReplicaLag', 'Maximum'), 'behind'])
      : chart('Database: seconds a read takes', ...each('ReadLatency', 'Average')),
  ]
}

function searchDomain(chart: Draw, stage: Stage, search: Search): Widget[] {
  const line = (metric: string, statistic: string, label: string): Line => [
    searchMetric(stage, search, metric, statistic),
    label,
  ]
  return [
    chart(
      'Search domain: parts missing',
      line('ClusterStatus.red', 'Maximum', 'red: lost'),
      line('ClusterStatus.yellow', 'Maximum', 'yellow: one copy'),
      line('ClusterIndexWritesBlocked', 'Maximum', 'takes nothing'),
    ),
    chart(
      'Search domain: ms a search takes in a shard',
      line('SearchLatency', 'Average', 'search'),
      line('IndexingLatency', 'Average', 'writing'),
    ),
    chart(
      'Search domain: CPU and memory, %',
      line('CPUUtilization', 'Average', 'CPU'),
      line('JVMMemoryPressure', 'Maximum', 'memory of Java'),
    ),
    chart('Search domain: free MiB on the fullest node', line('FreeStorageSpace', 'Minimum', 'disk')),
  ]
}

function waysOut(chart: Draw, { nats }: Network): Widget[] {
  const each = (metric: string, statistic: string): Line[] =>
    nats.map((nat) => [
      { namespace: 'AWS/NATGateway', metric, dimensions: { NatGatewayId: nat.ref }, statistic },
      nat.id,
    ])
  return [
    chart('NAT: bytes out', ...each('BytesOutToDestination', 'Sum')),
    chart('NAT: connections', ...each('ActiveConnectionCount', 'Maximum')),
    chart('NAT: no port left', ...each('ErrorPortAllocation', 'Sum')),
  ]
}
