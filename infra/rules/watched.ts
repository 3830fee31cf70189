// Rules for what is watched: that nothing a person would act on is without an alarm, that each alarm looks at the right
// thing from the right number on, and that its page says the same number.
import { METRIC_NAMESPACE } from '../../contract/metrics.ts'
import type { Template, TemplateResource } from '../cfn.ts'
import { DATABASE_CLASSES } from '../instance-types.ts'
import { at, list, ofType, property, refersTo } from '../reading.ts'
import type { Stage } from '../stage-schema.ts'
import { runbookOf } from './alarms.ts'
import { change, type Draft, type Rule } from './rule.ts'

export type Dimensions = Readonly<Record<string, unknown>>
export interface Watched {
  /** Ids of its alarms in `prod`, each of which is changed to see that it is missed. */
  readonly alarms: readonly string[]
  readonly namespace: string
  readonly metric: string
  readonly statistic: string
  readonly is: 'above' | 'below'
  /** One for each thing that is watched. */
  readonly of: (template: Template, stage: Stage) => readonly Dimensions[]
  readonly threshold: (stage: Stage, dimensions: Dimensions) => number
  /** So its page puts the threshold. */
  readonly says: string
}

const GIB = 1024 ** 3
const attribute = (id: string, name: string) => ({ 'Fn::GetAtt': [id, name] })
const both = (name: string) => [`Api${name}`, `Web${name}`]

const TIERS = [
  ['ApiGroup', 'InternalBalancer', 'ApiTargets'],
  ['WebGroup', 'ExternalBalancer', 'WebTargets'],
] as const
const tiers = (template: Template) => TIERS.filter(([group]) => template.Resources[group] !== undefined)
const targets = (template: Template): Dimensions[] =>
  tiers(template).map(([, balancer, group]) => ({
    LoadBalancer: attribute(balancer, 'LoadBalancerFullName'),
    TargetGroup: attribute(group, 'TargetGroupFullName'),
  }))
/** Of one server, a tier is watched as a whole: one of its zones is empty, and that is as it should be. */
const zonesOfTargets = (template: Template): Dimensions[] =>
  targets(template).flatMap((one, index) =>
    Number(property(template.Resources[tiers(template)[index]?.[0] ?? ''], 'MinSize')) > 1
      ? ['A', 'B'].map((zone) => ({
          ...one,
          AvailabilityZone: attribute(`PublicSubnet${zone}`, 'AvailabilityZone'),
        }))
      : [one],
  )
const databases =
  (isReplica: boolean) =>
  (template: Template): Dimensions[] =>
    ofType(template, 'AWS::RDS::DBInstance')
      .filter(([, db]) => (property(db, 'SourceDBInstanceIdentifier') !== undefined) === isReplica)
      .map(([Ref]) => ({ DBInstanceIdentifier: { Ref } }))
/** As servers name themselves, by what they are told. */
const servers =
  (...names: readonly ('api' | 'web')[]) =>
  (template: Template): Dimensions[] =>
    tiers(template).flatMap(([group]) => {
      const name = group.replace('Group', '')
      const [told] = list(property(template.Resources[`${name}Environment`], 'Value.Fn::Sub'))
      const Tier = name === 'Api' ? 'api' : 'web'
      return names.includes(Tier) ? [{ Stage: at(JSON.parse(String(told)), 'TERRACE_STAGE'), Tier }] : []
    })
const fixed = (number: number) => () => number

const balancer = (name: string) => ({
  alarms: both(name),
  namespace: 'AWS/ApplicationELB',
  is: 'above' as const,
  of: targets,
})
const primary = { namespace: 'AWS/RDS', of: databases(false) } as const
const server = { namespace: METRIC_NAMESPACE, is: 'above' } as const

const WATCHED: readonly Watched[] = [
  {
    ...balancer('Errors'),
    metric: 'HTTPCode_Target_5XX_Count',
    statistic: 'Sum',
    threshold: fixed(5),
    says: 'more than five a minute',
  },
  {
    ...balancer('Latency'),
    metric: 'TargetResponseTime',
    statistic: 'p99',
    threshold: fixed(5),
    says: 'one in a hundred waits\nmore than five',
  },
  {
    ...balancer('Slow'),
    metric: 'TargetResponseTime',
    statistic: 'p95',
    threshold: fixed(2),
    says: 'more than two seconds',
  },
  {
    ...balancer('Unready'),
    metric: 'UnHealthyHostCount',
    statistic: 'Maximum',
    threshold: fixed(0),
    says: 'a server that was in service answers `/readyz` with something else',
  },
  {
    alarms: [...both('NoHealthyHostA'), ...both('NoHealthyHostB')],
    namespace: 'AWS/ApplicationELB',
    metric: 'HealthyHostCount',
    statistic: 'Minimum',
    is: 'below',
    of: zonesOfTargets,
    threshold: fixed(1),
    says: 'has no server that is ready',
  },
  {
    alarms: both('AtMaximum'),
    namespace: 'AWS/AutoScaling',
    metric: 'GroupInServiceInstances',
    statistic: 'Minimum',
    is: 'above',
    of: (template) =>
      tiers(template)
        // One that can't grow has no maximum to be at.
        .filter(([id]) => {
          const { MinSize, MaxSize } = template.Resources[id]?.Properties ?? {}
          return MinSize !== MaxSize
        })
        .map(([Ref]) => ({ AutoScalingGroupName: { Ref } })),
    threshold: (stage, { AutoScalingGroupName }) =>
      stage[refersTo(AutoScalingGroupName) === 'ApiGroup' ? 'api' : 'web'].max - 1,
    says: 'as many servers as the stage allows',
  },
  {
    ...primary,
    alarms: ['DatabaseCpu'],
    metric: 'CPUUtilization',
    statistic: 'Average',
    is: 'above',
    threshold: fixed(85),
    says: 'above 85 %',
  },
  {
    ...primary,
    alarms: ['DatabaseStorage'],
    metric: 'FreeStorageSpace',
    statistic: 'Minimum',
    is: 'below',
    threshold: ({ database }) => Math.max(2, database.storageGiB * 0.07) * GIB,
    says: 'below 7 % (at least 2 GiB)',
  },
  {
    ...primary,
    alarms: ['DatabaseMemory'],
    metric: 'FreeableMemory',
    statistic: 'Minimum',
    is: 'below',
    threshold: fixed(0.15 * GIB),
    says: 'less than 150 MiB free',
  },
  {
    ...primary,
    alarms: ['DatabaseConnections'],
    metric: 'DatabaseConnections',
    statistic: 'Maximum',
    is: 'above',
    // RDS's default: memory in bytes / 9531392, 5,000 at most ("Maximum number of database connections").
    threshold: ({ database }) =>
      Math.floor(
        0.8 * Math.min(5_000, (DATABASE_CLASSES[database.instanceClass].memoryGiB * GIB) / 9_531_392),
      ),
    says: 'more than 80 %',
  },
  {
    alarms: ['DatabaseReplicaLag'],
    namespace: 'AWS/RDS',
    metric: 'ReplicaLag',
    statistic: 'Maximum',
    is: 'above',
    of: databases(true),
    threshold: fixed(30),
    says: 'more than 30 seconds',
  },
  {
    alarms: ['NatAPorts', 'NatBPorts'],
    namespace: 'AWS/NATGateway',
    metric: 'ErrorPortAllocation',
    statistic: 'Sum',
    is: 'above',
    of: (template) => ofType(template, 'AWS::EC2::NatGateway').map(([Ref]) => ({ NatGatewayId: { Ref } })),
    threshold: fixed(0),
    says: 'connections to one address were refused',
  },
  {
    alarms: ['CertificateExpiry'],
    namespace: 'AWS/CertificateManager',
    metric: 'DaysToExpiry',
    statistic: 'Minimum',
    is: 'below',
    of: (template) =>
      ofType(template, 'AWS::ElasticLoadBalancingV2::Listener').flatMap(([, listener]) =>
        list(property(listener, 'Certificates')).map((one) => ({
          CertificateArn: at(one, 'CertificateArn'),
        })),
      ),
    threshold: fixed(21),
    says: 'less than three weeks',
  },
  {
    ...server,
    alarms: both('Memory'),
    metric: 'MemoryUsed',
    statistic: 'Maximum',
    of: servers('api', 'web'),
    threshold: fixed(90),
    says: 'more than 90 %',
  },
  {
    ...server,
    alarms: both('Disk'),
    metric: 'DiskUsed',
    statistic: 'Maximum',
    of: servers('api', 'web'),
    threshold: fixed(85),
    says: 'more than 85 %',
  },
  {
    ...server,
    alarms: both('ImageAge'),
    metric: 'ImageAge',
    statistic: 'Maximum',
    of: servers('api', 'web'),
    threshold: fixed(30),
    says: 'more than 30 days',
  },
  {
    ...server,
    alarms: ['ApiFirstToken'],
    metric: 'TimeToFirstToken',
    statistic: 'p95',
    of: servers('api'),
    threshold: fixed(10_000),
    says: 'one answer in twenty begins after more than ten seconds',
  },
  {
    ...server,
    alarms: ['ApiAnswersFailing'],
    metric: 'AnswersFailed',
    statistic: 'Sum',
    of: servers('api'),
    threshold: fixed(5),
    says: 'more than five in five minutes',
  },
  {
    ...server,
    alarms: ['ApiIndexLag'],
    metric: 'IndexLag',
    statistic: 'Maximum',
    of: servers('api'),
    threshold: fixed(120),
    says: 'more than two minutes behind',
  },
  {
    ...server,
    alarms: ['ApiIngestQueueAge'],
    metric: 'IngestQueueAge',
    statistic: 'Maximum',
    of: servers('api'),
    threshold: fixed(3_600),
    says: 'more than an hour',
  },
  {
    ...server,
    alarms: ['ApiDeadLetters'],
    metric: 'DeadLetters',
    statistic: 'Maximum',
    of: servers('api'),
    threshold: fixed(0),
    says: 'at least one job',
  },
]

const sorted = (dimensions: Dimensions) =>
  JSON.stringify(Object.entries(dimensions).sort(([a], [b]) => (a < b ? -1 : 1)))
const dimensionsOf = (alarm: TemplateResource): Dimensions =>
  Object.fromEntries(
    list(property(alarm, 'Dimensions')).map((one) => [String(at(one, 'Name')), at(one, 'Value')]),
  )

/** The alarm on one thing; undefined when there is none. */
function alarmOn(template: Template, watched: Watched, dimensions: Dimensions): TemplateResource | undefined {
  const [found] = ofType(template, 'AWS::CloudWatch::Alarm').filter(
    ([, alarm]) =>
      property(alarm, 'Namespace') === watched.namespace &&
      property(alarm, 'MetricName') === watched.metric &&
      (property(alarm, 'Statistic') ?? property(alarm, 'ExtendedStatistic')) === watched.statistic &&
      sorted(dimensionsOf(alarm)) === sorted(dimensions),
  )
  return found?.[1]
}

/** @param besides what `prod` has to be for these things to be there */
export const watchedRule = (holds: string, all: readonly Watched[], besides: Partial<Stage> = {}): Rule => ({
  holds,
  in: besides,
  violations: (template, stage) =>
    all.flatMap((watched) =>
      watched.of(template, stage).flatMap((dimensions) => {
        const alarm = alarmOn(template, watched, dimensions)
        const what = `${watched.metric} ${JSON.stringify(dimensions)}`
        if (alarm === undefined) return [`${what}: nobody is told`]
        const comparison = watched.is === 'above' ? 'GreaterThanThreshold' : 'LessThanThreshold'
        if (property(alarm, 'ComparisonOperator') !== comparison) return [`${what}: is on when all is well`]
        if (property(alarm, 'Threshold') !== watched.threshold(stage, dimensions))
          return [`${what}: is on from ${String(property(alarm, 'Threshold'))}`]
        return runbookOf(alarm)?.includes(watched.says) ? [] : [`${what}: its page does not say when`]
      }),
    ),
  breaks: Object.fromEntries(
    all.flatMap(({ alarms, is }) =>
      alarms.flatMap((id): [string, (draft: Draft) => void][] => [
        [`${id} goes`, (draft) => void delete draft.Resources[id]],
        [`${id} of something else`, (draft) => change(draft, id, 'Dimensions.0.Value', 'other')],
        [`${id} too late`, (draft) => change(draft, id, 'Threshold', is === 'above' ? 1e12 : -1)],
        [
          `${id} the wrong way round`,
          (draft) =>
            change(
              draft,
              id,
              'ComparisonOperator',
              is === 'above' ? 'LessThanThreshold' : 'GreaterThanThreshold',
            ),
        ],
      ]),
    ),
  ),
})

export const WATCHED_RULES: readonly Rule[] = [
  watchedRule('whatever a person would act on has an alarm, from the number on that its page names', WATCHED),
]
