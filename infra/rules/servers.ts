// Rules for servers: what they start from, and how they come and go.
import { LIFECYCLE_HOOKS } from '../../contract/launch.ts'
import { ROOT_DEVICE } from '../fleet.ts'
import { at, list, ofType, property, refersTo } from '../reading.ts'
import { change, each, type Rule } from './rule.ts'

const TEMPLATE = 'AWS::EC2::LaunchTemplate'
const GROUP = 'AWS::AutoScaling::AutoScalingGroup'

/**
 * A name of our own keeps AWS from making the new one before the old one goes: replacing it fails. Of a search domain that
 * is wanted: its own policy names it, and an empty one in its place would be found by nobody.
 */
const NAMES: Readonly<Record<string, string>> = {
  'AWS::AutoScaling::AutoScalingGroup': 'AutoScalingGroupName',
  'AWS::CloudWatch::Alarm': 'AlarmName',
  'AWS::CloudWatch::CompositeAlarm': 'AlarmName',
  'AWS::EC2::LaunchTemplate': 'LaunchTemplateName',
  'AWS::EC2::SecurityGroup': 'GroupName',
  'AWS::ElasticLoadBalancingV2::LoadBalancer': 'Name',
  'AWS::ElasticLoadBalancingV2::TargetGroup': 'Name',
  'AWS::IAM::InstanceProfile': 'InstanceProfileName',
  'AWS::IAM::Role': 'RoleName',
  'AWS::Logs::LogGroup': 'LogGroupName',
  'AWS::RDS::DBInstance': 'DBInstanceIdentifier',
  'AWS::RDS::DBParameterGroup': 'DBParameterGroupName',
  'AWS::RDS::DBSubnetGroup': 'DBSubnetGroupName',
  'AWS::S3::Bucket': 'BucketName',
  'AWS::SNS::Topic': 'TopicName',
  'AWS::SecretsManager::Secret': 'Name',
}

const data = (template: Parameters<typeof property>[0], path: string) =>
  property(template, `LaunchTemplateData.${path}`)
const hookOf = (group: Parameters<typeof property>[0], transition: string) =>
  list(property(group, 'LifecycleHookSpecificationList')).find(
    (hook) => at(hook, 'LifecycleTransition') === `autoscaling:EC2_INSTANCE_${transition}`,
  )
const refreshOf = (group: { readonly UpdatePolicy?: unknown }) =>
  at(group.UpdatePolicy, 'AutoScalingInstanceRefresh.Preferences')

/** @param bootSeconds of the slowest boot test of each tier, by logical id of its group */
export const serverRules = (bootSeconds: Readonly<Record<string, number>>): readonly Rule[] => [
  {
    holds:
      'a server starts from a literal image, without a key, at full speed, with IMDSv2 and an encrypted disk that fills at a known rate',
    violations: (template) =>
      each(template, TEMPLATE, (launch) => {
        if (!/^ami-[0-9a-f]+$/.test(String(data(launch, 'ImageId')))) return 'has no literal image'
        if (data(launch, 'KeyName') !== undefined) return 'lets a key in'
        if (data(launch, 'MetadataOptions.HttpTokens') !== 'required') return 'takes IMDSv1'
        if (data(launch, 'MetadataOptions.HttpPutResponseHopLimit') !== 1)
          return 'answers IMDS farther than itself'
        const isBurstable = /^t\d/.test(String(data(launch, 'InstanceType')))
        if (isBurstable && data(launch, 'CreditSpecification.CpuCredits') !== 'unlimited')
          return 'begins without CPU credits'
        if (data(launch, 'MetadataOptions.HttpEndpoint') !== 'enabled') return 'can’t ask who it is'
        const disks = list(data(launch, 'BlockDeviceMappings'))
        if (disks.length === 0) return 'has the image’s disk'
        return disks.some(
          (disk) =>
            at(disk, 'DeviceName') !== ROOT_DEVICE ||
            at(disk, 'Ebs.Encrypted') !== true ||
            at(disk, 'Ebs.VolumeType') !== 'gp3' ||
            at(disk, 'Ebs.VolumeInitializationRate') === undefined,
        )
          ? 'has another disk'
          : undefined
      }),
    breaks: {
      image: (draft) =>
        change(draft, 'ApiTemplate', 'LaunchTemplateData.ImageId', 'resolve:ssm:/terrace/api'),
      key: (draft) => change(draft, 'WebTemplate', 'LaunchTemplateData.KeyName', 'admin'),
      IMDSv1: (draft) =>
        change(draft, 'WebTemplate', 'LaunchTemplateData.MetadataOptions.HttpTokens', 'optional'),
      hops: (draft) =>
        change(draft, 'ApiTemplate', 'LaunchTemplateData.MetadataOptions.HttpPutResponseHopLimit', 2),
      credits: (draft) =>
        change(draft, 'WebTemplate', 'LaunchTemplateData.CreditSpecification.CpuCredits', 'standard'),
      encryption: (draft) =>
        change(draft, 'ApiTemplate', 'LaunchTemplateData.BlockDeviceMappings.0.Ebs.Encrypted', false),
      rate: (draft) =>
        change(
          draft,
          'ApiTemplate',
          'LaunchTemplateData.BlockDeviceMappings.0.Ebs.VolumeInitializationRate',
          undefined,
        ),
      'a second disk': (draft) =>
        change(draft, 'WebTemplate', 'LaunchTemplateData.BlockDeviceMappings.0.DeviceName', '/dev/sda1'),
      'no metadata': (draft) =>
        change(draft, 'ApiTemplate', 'LaunchTemplateData.MetadataOptions.HttpEndpoint', 'disabled'),
      'no disk': (draft) => change(draft, 'ApiTemplate', 'LaunchTemplateData.BlockDeviceMappings', undefined),
    },
  },
  {
    holds:
      'the group, not a template, says how many servers there are, and ends none for what is not its machine’s fault',
    violations: (template) =>
      each(template, GROUP, (group) => {
        if (property(group, 'DesiredCapacity') !== undefined) return 'takes back what scaling has decided'
        if (property(group, 'HealthCheckType') !== 'EC2')
          return 'ends servers for what the load balancer says'
        if (property(group, 'DefaultInstanceWarmup') === undefined) return 'warms up as long as its grace'
        return list(property(group, 'MetricsCollection')).length === 0 && 'is not measured'
      }),
    breaks: {
      capacity: (draft) => change(draft, 'ApiGroup', 'DesiredCapacity', '2'),
      health: (draft) => change(draft, 'ApiGroup', 'HealthCheckType', 'ELB'),
      warmup: (draft) => change(draft, 'WebGroup', 'DefaultInstanceWarmup', undefined),
      metrics: (draft) => change(draft, 'WebGroup', 'MetricsCollection', undefined),
    },
  },
  {
    holds:
      'the first server waits for its hooks too, and for three times as long as a boot test took; who is not ready goes',
    violations: (template) => [
      ...ofType(template, 'AWS::AutoScaling::LifecycleHook').map(
        ([id]) => `${id}: comes after the first servers`,
      ),
      ...each(template, GROUP, (group, id) => {
        const [launch, terminate] = [hookOf(group, 'LAUNCHING'), hookOf(group, 'TERMINATING')]
        if (launch === undefined || terminate === undefined) return 'has not both hooks'
        const names = [at(launch, 'LifecycleHookName'), at(terminate, 'LifecycleHookName')]
        if (names.join() !== [LIFECYCLE_HOOKS.launch, LIFECYCLE_HOOKS.terminate].join())
          return 'waits for what no server answers to'
        if (at(launch, 'DefaultResult') !== 'ABANDON') return 'takes servers that never got ready'
        if (at(terminate, 'DefaultResult') !== 'CONTINUE') return 'keeps servers that are gone'
        return (
          !(Number(at(launch, 'HeartbeatTimeout')) >= 3 * (bootSeconds[id] ?? Infinity)) && 'is impatient'
        )
      }),
    ],
    breaks: {
      'a hook of its own': (draft) => {
        draft.Resources.Hook = { Type: 'AWS::AutoScaling::LifecycleHook', Properties: {} }
      },
      'no hooks': (draft) => change(draft, 'ApiGroup', 'LifecycleHookSpecificationList', []),
      'another name': (draft) =>
        change(draft, 'WebGroup', 'LifecycleHookSpecificationList.0.LifecycleHookName', 'launched'),
      'not ready': (draft) =>
        change(draft, 'ApiGroup', 'LifecycleHookSpecificationList.0.DefaultResult', 'CONTINUE'),
      gone: (draft) => change(draft, 'ApiGroup', 'LifecycleHookSpecificationList.1.DefaultResult', 'ABANDON'),
      impatient: (draft) =>
        change(draft, 'ApiGroup', 'LifecycleHookSpecificationList.0.HeartbeatTimeout', 100),
    },
  },
  {
    holds:
      'a roll launches before it ends, is watched by alarms that exist, and reaches the web after the API',
    violations: (template) => [
      ...each(template, GROUP, (group) => {
        const refresh = refreshOf(group)
        const alarms = list(at(refresh, 'AlarmSpecification.Alarms'))
        const version = property(group, 'LaunchTemplate.Version.Fn::GetAtt.1')
        if (at(refresh, 'MinHealthyPercentage') !== 100) return 'rolls with fewer servers'
        if (!(Number(at(refresh, 'MaxHealthyPercentage')) > 100)) return 'can launch none before'
        if (!(Number(at(refresh, 'BakeTime')) > 0)) return 'is not watched afterwards'
        if (alarms.length === 0 || alarms.length > 10) return `is watched by ${alarms.length} alarms`
        if (alarms.some((one) => template.Resources[refersTo(one) ?? '']?.Type !== 'AWS::CloudWatch::Alarm'))
          return 'is watched by what is no alarm'
        // A moving version can’t be rolled back.
        return version !== 'LatestVersionNumber' && 'has no numbered launch template'
      }),
      ...((template.Resources.WebGroup?.DependsOn?.includes('ApiGroup') ??
      template.Resources.WebGroup === undefined)
        ? []
        : ['WebGroup: does not wait for the API']),
    ],
    breaks: {
      fewer: (draft) =>
        Object.assign(refreshOf(draft.Resources.ApiGroup ?? {}) ?? {}, { MinHealthyPercentage: 50 }),
      before: (draft) =>
        Object.assign(refreshOf(draft.Resources.ApiGroup ?? {}) ?? {}, { MaxHealthyPercentage: 100 }),
      afterwards: (draft) => Object.assign(refreshOf(draft.Resources.WebGroup ?? {}) ?? {}, { BakeTime: 0 }),
      'no alarms': (draft) =>
        Object.assign(refreshOf(draft.Resources.ApiGroup ?? {}) ?? {}, {
          AlarmSpecification: { Alarms: [] },
        }),
      'no alarm': (draft) =>
        Object.assign(refreshOf(draft.Resources.ApiGroup ?? {}) ?? {}, {
          AlarmSpecification: { Alarms: [{ Ref: 'Alerts' }] },
        }),
      'no policy': (draft) => {
        delete draft.Resources.ApiGroup?.UpdatePolicy
      },
      'the newest version': (draft) => change(draft, 'ApiGroup', 'LaunchTemplate.Version', '$Latest'),
      order: (draft) => {
        const web = draft.Resources.WebGroup
        if (web) web.DependsOn = ['HttpsListener']
      },
    },
  },
  {
    holds: 'nothing that may have to be replaced has a name of ours',
    violations: (template) =>
      Object.entries(NAMES).flatMap(([type, name]) =>
        each(template, type, (resource) => {
          // What names another resource of the stack is a reference, not a name.
          const value = property(resource, name)
          return value !== undefined && refersTo(value) === undefined && `is called ${JSON.stringify(value)}`
        }),
      ),
    breaks: {
      'load balancer': (draft) => change(draft, 'ExternalBalancer', 'Name', 'terrace'),
      database: (draft) => change(draft, 'Database', 'DBInstanceIdentifier', 'terrace'),
      group: (draft) =>
        change(draft, 'ApiGroup', 'AutoScalingGroupName', { 'Fn::Sub': '${AWS::StackName}-api' }),
    },
  },
  {
    holds: 'the template is one that AWS takes: 500 resources, 1 MB',
    violations: (template) => [
      ...(Object.keys(template.Resources).length > 500 ? ['too many resources'] : []),
      ...(JSON.stringify(template).length > 1_000_000 ? ['too long'] : []),
    ],
    breaks: {
      resources: (draft) => {
        for (let n = 0; n < 500; n++) draft.Resources[`X${n}`] = { Type: 'AWS::SNS::Topic', Properties: {} }
      },
      bytes: (draft) => change(draft, 'Alerts', 'DisplayName', 'x'.repeat(1_000_000)),
    },
  },
]
