// What the emulator can't do, so that tests against it leave it out. Each list has a test of its own or is a promise of
// the others: it shrinks as the emulator grows.
import type { Template, TemplateResource } from '../../cfn.ts'

/** Types of our templates that it refuses. refused.aws.test.ts shows that it is exactly these. */
export const REFUSED: readonly string[] = [
  'AWS::Budgets::Budget',
  'AWS::CloudWatch::CompositeAlarm',
  'AWS::EC2::EIP',
  'AWS::EC2::FlowLog',
  'AWS::EC2::NatGateway',
  'AWS::EC2::SecurityGroupEgress',
  'AWS::EC2::SecurityGroupIngress',
  'AWS::IAM::OIDCProvider',
  'AWS::RDS::EventSubscription',
]

/** Properties that it refuses of types which it takes, when the resource is made. refused.aws.test.ts shows each. */
export const REFUSED_WITH: readonly { readonly type: string; readonly property: string }[] = [
  { type: 'AWS::CloudWatch::Alarm', property: 'Metrics' },
]

export const isRefused = ({ Type, Properties }: TemplateResource): boolean =>
  REFUSED.includes(Type) ||
  REFUSED_WITH.some(({ type, property }) => type === Type && Properties[property] !== undefined)

/** What it says it does, and does not. No test asks for any of it: ministack-limits.test.ts looks for these operations. */
export const HOLLOW: readonly { readonly what: string; readonly operations: readonly string[] }[] = [
  {
    what: 'a read replica is another database, linked to nothing; promotion is missing',
    operations: ['DescribeDBInstances', 'PromoteReadReplica'],
  },
  {
    what: 'groups start no servers, refreshes replace none, hooks hold nothing up',
    operations: [
      'DescribeAutoScaling',
      'DescribeInstance',
      'StartInstanceRefresh',
      'CompleteLifecycleAction',
    ],
  },
  { what: 'targets are never registered, nor healthy', operations: ['DescribeTargetHealth'] },
  { what: 'an instance profile is referred to by its ARN', operations: ['GetInstanceProfile'] },
  {
    what: 'the roles that services act as have other names than AWS’s',
    operations: ['CreateServiceLinkedRole'],
  },
  {
    what: 'a bucket that is there already is found for being taken over, and then refused for being there',
    operations: ['ImportExistingResources'],
  },
  { what: 'stack policies are kept, and not followed', operations: ['SetStackPolicy', 'GetStackPolicy'] },
]

/** The template without these resources, and without everything that refers to one of them, in whatever way. */
export function without(template: Template, goes: (resource: TemplateResource) => boolean): Template {
  const gone = new Set(
    Object.entries(template.Resources).flatMap(([id, resource]) => (goes(resource) ? [id] : [])),
  )
  // Until nothing more falls: what refers to something that went, goes.
  for (let before = -1; before !== gone.size; ) {
    before = gone.size
    for (const [id, { Properties }] of Object.entries(template.Resources))
      if (refersToAny(Properties, gone)) gone.add(id)
  }
  const resources = Object.entries(template.Resources).flatMap(
    ([id, resource]): [string, TemplateResource][] =>
      gone.has(id)
        ? []
        : [
            [
              id,
              resource.DependsOn === undefined
                ? resource
                : { ...resource, DependsOn: resource.DependsOn.filter((other) => !gone.has(other)) },
            ],
          ],
  )
  return {
    ...template,
    Resources: Object.fromEntries(resources),
    Outputs: Object.fromEntries(
      Object.entries(template.Outputs).filter(([, { Value }]) => !refersToAny(Value, gone)),
    ),
  }
}

function refersToAny(value: unknown, ids: ReadonlySet<string>): boolean {
  if (Array.isArray(value)) return value.some((item) => refersToAny(item, ids))
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([key, inner]) => {
    if (key === 'Ref') return typeof inner === 'string' && ids.has(inner)
    if (key === 'Fn::GetAtt') return Array.isArray(inner) && typeof inner[0] === 'string' && ids.has(inner[0])
    return refersToAny(inner, ids)
  })
}
