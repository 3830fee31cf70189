// The servers: a launch template and an Auto Scaling group per tier, over both zones. CloudFormation replaces servers
// when an image or a setting changes: a new one first, then an old one goes; an alarm meanwhile takes everything back.
import { createHash } from 'node:crypto'
import { type LaunchData, LIFECYCLE_HOOKS } from '../contract/launch.ts'
import { type Balanced, type Balancing, HEALTH } from './balancing.ts'
import { base64, join, json, type Resource, type Stack, sub, type Text } from './cfn.ts'
import { capital, type Environment, type Tier } from './environment.ts'
import { groupId } from './identity.ts'
import type { StageImages, TierImage } from './images.ts'
import { INSTANCE_TYPES } from './instance-types.ts'
import type { Network } from './network.ts'
import type { Stage } from './stage-schema.ts'
import type { StageName } from './stages.ts'
import type { Alarm } from './watch/alarm.ts'
import { growthAlarm, type RollAlarms } from './watch/tiers.ts'

type Group = Resource<'AWS::AutoScaling::AutoScalingGroup'>
export type Groups = Readonly<Record<Tier, Group>>

/** Seconds a server has to become ready; never less than three times what its boot test took. */
const LAUNCH_SECONDS = 600
/** Seconds for the last hand-back of jobs and the last lines of the log: streams have been handed over before. */
const TERMINATE_SECONDS = 120
/** Seconds that new servers are watched before a roll counts as done. */
const BAKE_SECONDS = 300
/** MiB a second: without it a volume is fetched piece by piece, as its blocks are first read. */
const VOLUME_MIB_PER_SECOND = 300

/** Where every image has its root: a disk described at another name would be a second, empty one. */
export const ROOT_DEVICE = '/dev/xvda'

export function fleet(
  stack: Stack,
  name: StageName,
  stage: Stage,
  parts: {
    readonly network: Network
    readonly balancing: Balancing
    readonly environments: Readonly<Record<Tier, Environment>>
    readonly profiles: Readonly<Record<Tier, Resource<'AWS::IAM::InstanceProfile'>>>
    /** Alarms that end a roll of the tier. */
    readonly rolls: Readonly<Record<Tier, RollAlarms>>
    readonly images: StageImages
  },
): Groups {
  const { network, balancing, environments, profiles, rolls, images } = parts
  const tierOf = (tier: Tier, before: readonly Group[]) => {
    const image = images[tier]
    const template = launchTemplate(
      stack,
      name,
      stage,
      tier,
      image,
      environments[tier],
      profiles[tier],
      network,
    )
    const made = group(
      stack,
      stage,
      tier,
      image,
      template,
      network,
      balancing[tier],
      Object.values(rolls[tier]),
      before,
    )
    scaling(stack, stage, tier, made, balancing[tier])
    return made
  }
  // The API first: a new page may need it, a new API serves old pages.
  const api = tierOf('api', [])
  return { api, web: tierOf('web', [api]) }
}

function launchTemplate(
  stack: Stack,
  name: StageName,
  stage: Stage,
  tier: Tier,
  image: TierImage,
  environment: Environment,
  profile: Resource<'AWS::IAM::InstanceProfile'>,
  network: Network,
): Resource<'AWS::EC2::LaunchTemplate'> {
  const { instanceType, diskGiB } = stage[tier]
  const launch: LaunchData<Text> = {
    stage: name,
    tier,
    region: stage.region,
    parameters: environment.path,
    secrets: Object.fromEntries(
      Object.entries(environment.secrets).map(([key, secret]) => [key, secret.ref]),
    ),
    logGroup: environment.logGroup.ref,
    environment: { TERRACE_RELEASE: image.release, TERRACE_IMAGE_MADE_AT: image.madeAt },
    hooks: LIFECYCLE_HOOKS,
    // Seconds after the first 200 of /readyz, until the load balancer has seen it as often as it wants to.
    inServiceAfter: HEALTH.interval * HEALTH.healthy + 10,
    // Servers read their environment once: another one is another launch template, and so another server.
    fingerprint: createHash('sha256')
      .update(JSON.stringify(environment.fingerprint))
      .digest('hex')
      .slice(0, 16),
  }
  return stack.add(
    `${capital(tier)}Template`,
    'AWS::EC2::LaunchTemplate',
    {
      LaunchTemplateData: {
        ImageId: image.id,
        InstanceType: instanceType,
        IamInstanceProfile: { Arn: profile.att('Arn') },
        MetadataOptions: {
          HttpEndpoint: 'enabled',
          HttpTokens: 'required',
          HttpPutResponseHopLimit: 1,
          InstanceMetadataTags: 'disabled',
        },
        NetworkInterfaces: [
          {
            DeviceIndex: 0,
            AssociatePublicIpAddress: isPublic(stage, tier),
            DeleteOnTermination: true,
            Groups: [network.groups[tier].att('GroupId')],
          },
        ],
        BlockDeviceMappings: [
          {
            DeviceName: ROOT_DEVICE,
            Ebs: {
              VolumeType: 'gp3',
              VolumeSize: diskGiB,
              Encrypted: true,
              DeleteOnTermination: true,
              VolumeInitializationRate: VOLUME_MIB_PER_SECOND,
            },
          },
        ],
        // A new server has no credits (only T2 is given some): a `standard` one would start, and take the load that it was
        // started for, at its share of a CPU. AWS advises this for groups; what it may cost, docs/aws.md says.
        ...(INSTANCE_TYPES[instanceType].burstable && { CreditSpecification: { CpuCredits: 'unlimited' } }),
        InstanceInitiatedShutdownBehavior: 'terminate',
        TagSpecifications: (['instance', 'volume'] as const).map((ResourceType) => ({
          ResourceType,
          Tags: [
            { Key: 'Name', Value: sub('${AWS::StackName} ${tier}', { tier }) },
            { Key: 'service', Value: 'terrace' },
            { Key: 'stage', Value: name },
          ],
        })),
        UserData: base64(json(launch)),
      },
    },
    { DependsOn: [environment.parameter] },
  )
}

/** Web servers may stand in public subnets, where they need an address of their own to get out. */
const isPublic = (stage: Stage, tier: Tier) => tier === 'web' && stage.webPlacement === 'public'

function group(
  stack: Stack,
  stage: Stage,
  tier: Tier,
  image: TierImage,
  template: Resource<'AWS::EC2::LaunchTemplate'>,
  network: Network,
  balanced: Balanced,
  alarms: readonly Alarm[],
  before: readonly Group[],
): Group {
  const { min, max } = stage[tier]
  // A new one before an old one goes; of one server, half as many more would be none.
  const healthy = { MinHealthyPercentage: 100, MaxHealthyPercentage: min > 1 ? 150 : 200 }
  const warmup = HEALTH.interval * HEALTH.healthy + 10
  return stack.add(
    groupId(tier),
    'AWS::AutoScaling::AutoScalingGroup',
    {
      // No DesiredCapacity: an update of the stack would take back what scaling has decided.
      MinSize: String(min),
      MaxSize: String(max),
      VPCZoneIdentifier: network.subnets[isPublic(stage, tier) ? 'public' : 'app'].map(
        (subnet) => subnet.ref,
      ),
      LaunchTemplate: { LaunchTemplateId: template.ref, Version: template.att('LatestVersionNumber') },
      TargetGroupARNs: [balanced.targets.ref],
      // By the machine alone: a database that is away makes every server unready, and must not end them.
      HealthCheckType: 'EC2',
      HealthCheckGracePeriod: 60,
      DefaultInstanceWarmup: warmup,
      InstanceMaintenancePolicy: healthy,
      // In the group itself: hooks of their own would come after the first servers.
      LifecycleHookSpecificationList: [
        {
          LifecycleHookName: LIFECYCLE_HOOKS.launch,
          LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
          HeartbeatTimeout: Math.max(LAUNCH_SECONDS, Math.ceil(image.bootSeconds * 3)),
          DefaultResult: 'ABANDON',
        },
        {
          LifecycleHookName: LIFECYCLE_HOOKS.terminate,
          LifecycleTransition: 'autoscaling:EC2_INSTANCE_TERMINATING',
          HeartbeatTimeout: TERMINATE_SECONDS,
          DefaultResult: 'CONTINUE',
        },
      ],
      MetricsCollection: [{ Granularity: '1Minute' }],
    },
    {
      DependsOn: [balanced.listener, ...network.waysOut, ...before],
      UpdatePolicy: {
        AutoScalingInstanceRefresh: {
          Strategy: 'Rolling',
          Preferences: {
            ...healthy,
            InstanceWarmup: warmup,
            SkipMatching: true,
            BakeTime: BAKE_SECONDS,
            AlarmSpecification: { Alarms: alarms.map((one) => one.ref) },
          },
        },
      },
    },
  )
}

function scaling(stack: Stack, stage: Stage, tier: Tier, group: Group, balanced: Balanced): void {
  const { balancer, targets } = balanced
  const id = capital(tier)
  stack.add(`${id}ByRequests`, 'AWS::AutoScaling::ScalingPolicy', {
    AutoScalingGroupName: group.ref,
    PolicyType: 'TargetTrackingScaling',
    TargetTrackingConfiguration: {
      TargetValue: stage[tier].requestsPerMinute,
      PredefinedMetricSpecification: {
        PredefinedMetricType: 'ALBRequestCountPerTarget',
        ResourceLabel: join('/', balancer.att('LoadBalancerFullName'), targets.att('TargetGroupFullName')),
      },
    },
  })
  // By steps, and only ever more: why, docs/decisions/0016-scaling.md.
  const grow = stack.add(`${id}ByLatency`, 'AWS::AutoScaling::ScalingPolicy', {
    AutoScalingGroupName: group.ref,
    PolicyType: 'StepScaling',
    AdjustmentType: 'ChangeInCapacity',
    MetricAggregationType: 'Average',
    StepAdjustments: [{ MetricIntervalLowerBound: 0, ScalingAdjustment: 1 }],
  })
  growthAlarm(stack, tier, balanced, grow.ref)
}
