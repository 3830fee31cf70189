// Rules for how many servers there are, and what makes them more or fewer.
import type { Template, TemplateResource } from '../cfn.ts'
import { at, list, ofType, property, refersTo } from '../reading.ts'
import { change, each, type Rule } from './rule.ts'

const GROUP = 'AWS::AutoScaling::AutoScalingGroup'
const POLICY = 'AWS::AutoScaling::ScalingPolicy'

const PARTS = {
  ApiGroup: {
    tier: 'api',
    balancer: 'InternalBalancer',
    targets: 'ApiTargets',
    listener: ['InternalListener'],
  },
  WebGroup: {
    tier: 'web',
    balancer: 'ExternalBalancer',
    targets: 'WebTargets',
    listener: ['HttpsListener', 'HttpListener'],
  },
} as const
const partsOf = (id: string) => Object.entries(PARTS).find(([name]) => name === id)?.[1]

const policiesOf = (template: Template, group: string): [string, TemplateResource][] =>
  ofType(template, POLICY).filter(
    ([, policy]) => refersTo(property(policy, 'AutoScalingGroupName')) === group,
  )
/** Alarms that a policy acts on. */
const causesOf = (template: Template, policy: string): TemplateResource[] =>
  ofType(template, 'AWS::CloudWatch::Alarm').flatMap(([, alarm]) =>
    list(property(alarm, 'AlarmActions')).some((action) => refersTo(action) === policy) ? [alarm] : [],
  )

export const SCALING_RULES: readonly Rule[] = [
  {
    holds:
      'each group is as large as the stage says, joins its own targets, and waits until they are asked for',
    violations: (template, stage) =>
      each(template, GROUP, (group, id) => {
        const parts = partsOf(id)
        if (parts === undefined) return 'is of no tier'
        const { min, max } = stage[parts.tier]
        if (property(group, 'MinSize') !== String(min) || property(group, 'MaxSize') !== String(max))
          return 'is of another size'
        const joined = list(property(group, 'TargetGroupARNs')).map(refersTo)
        if (joined.length !== 1 || joined[0] !== parts.targets) return 'is asked by nobody'
        if (!parts.listener.some((one) => group.DependsOn?.includes(one))) return 'comes before its listener'
        const policy = property(group, 'InstanceMaintenancePolicy')
        return (
          !(at(policy, 'MinHealthyPercentage') === 100 && Number(at(policy, 'MaxHealthyPercentage')) > 100) &&
          'ends servers before it launches others'
        )
      }),
    breaks: {
      size: (draft) => change(draft, 'ApiGroup', 'MaxSize', '99'),
      least: (draft) => change(draft, 'WebGroup', 'MinSize', '1'),
      nobody: (draft) => change(draft, 'ApiGroup', 'TargetGroupARNs', undefined),
      'another tier’s': (draft) => change(draft, 'ApiGroup', 'TargetGroupARNs', [{ Ref: 'WebTargets' }]),
      'too early': (draft) => {
        delete draft.Resources.ApiGroup?.DependsOn
      },
      'end first': (draft) => change(draft, 'WebGroup', 'InstanceMaintenancePolicy', undefined),
      'fewer first': (draft) =>
        change(draft, 'ApiGroup', 'InstanceMaintenancePolicy.MinHealthyPercentage', 50),
    },
  },
  {
    holds: 'requests and latency make a group grow, and not its CPU, which reading documents keeps busy',
    violations: (template, stage) =>
      each(template, GROUP, (_group, id) => {
        const parts = partsOf(id)
        if (parts === undefined) return 'is of no tier'
        const policies = policiesOf(template, id)
        const tracking = policies.filter(([, one]) => property(one, 'PolicyType') === 'TargetTrackingScaling')
        const steps = policies.filter(([, one]) => property(one, 'PolicyType') === 'StepScaling')
        const [[, track] = []] = tracking
        const [[grow = '', step] = []] = steps
        if (policies.length !== 2 || track === undefined || step === undefined)
          return 'grows by something else'
        const target = (path: string) => property(track, `TargetTrackingConfiguration.${path}`)
        if (target('PredefinedMetricSpecification.PredefinedMetricType') !== 'ALBRequestCountPerTarget')
          return 'does not grow by requests'
        const label = list(target('PredefinedMetricSpecification.ResourceLabel.Fn::Join.1')).map(refersTo)
        if (label.join() !== `${parts.balancer},${parts.targets}`) return 'grows by the requests of others'
        if (target('TargetValue') !== stage[parts.tier].requestsPerMinute) return 'grows at another number'
        const causes = causesOf(template, grow)
        if (causes.length !== 1 || property(causes[0], 'MetricName') !== 'TargetResponseTime')
          return 'does not grow by latency'
        const adjustments = list(property(step, 'StepAdjustments'))
        return (
          !(
            property(step, 'AdjustmentType') === 'ChangeInCapacity' &&
            adjustments.length > 0 &&
            adjustments.every((one) => Number(at(one, 'ScalingAdjustment')) > 0)
          ) && 'shrinks when it is slow'
        )
      }),
    breaks: {
      'no requests': (draft) => {
        delete draft.Resources.ApiByRequests
      },
      'no latency': (draft) => {
        delete draft.Resources.WebByLatency
      },
      CPU: (draft) =>
        change(draft, 'ApiByRequests', 'TargetTrackingConfiguration.PredefinedMetricSpecification', {
          PredefinedMetricType: 'ASGAverageCPUUtilization',
        }),
      'CPU beside them': (draft) => {
        draft.Resources.ApiByCpu = {
          Type: POLICY,
          Properties: { AutoScalingGroupName: { Ref: 'ApiGroup' }, PolicyType: 'TargetTrackingScaling' },
        }
      },
      'the other tier’s requests': (draft) => {
        const web = draft.Resources.WebByRequests?.Properties.TargetTrackingConfiguration
        change(draft, 'ApiByRequests', 'TargetTrackingConfiguration', web)
      },
      number: (draft) => change(draft, 'ApiByRequests', 'TargetTrackingConfiguration.TargetValue', 1),
      'nothing that starts it': (draft) => change(draft, 'ApiSlow', 'AlarmActions', [{ Ref: 'Alerts' }]),
      fewer: (draft) => change(draft, 'ApiByLatency', 'StepAdjustments.0.ScalingAdjustment', -1),
    },
  },
]
