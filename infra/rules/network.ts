// Rules for the network: who may talk to whom, and that no zone is alone.
import { list, ofType, property, refersTo } from '../reading.ts'
import { change, each, type Rule } from './rule.ts'

const BALANCER = 'AWS::ElasticLoadBalancingV2::LoadBalancer'
const GROUP = 'AWS::EC2::SecurityGroup'
const INGRESS = 'AWS::EC2::SecurityGroupIngress'
const EGRESS = 'AWS::EC2::SecurityGroupEgress'

export const NETWORK_RULES: readonly Rule[] = [
  {
    holds: 'every security group has a rule for what goes out, every rule says why it is there',
    violations: (template) => [
      ...each(
        template,
        GROUP,
        (group) => list(property(group, 'SecurityGroupEgress')).length === 0 && 'lets everything out',
      ),
      ...[INGRESS, EGRESS].flatMap((type) =>
        each(template, type, (rule) => !property(rule, 'Description') && 'says nothing'),
      ),
    ],
    breaks: {
      'the rule that AWS adds': (draft) =>
        change(draft, 'DatabaseSecurityGroup', 'SecurityGroupEgress', undefined),
      silence: (draft) => change(draft, 'ApiToDatabaseIn', 'Description', undefined),
    },
  },
  {
    holds: 'no rule is for all ports, and the world comes in by the external load balancer’s ports only',
    violations: (template) => [
      ...[INGRESS, EGRESS].flatMap((type) =>
        each(
          template,
          type,
          (rule) =>
            (property(rule, 'IpProtocol') !== 'tcp' ||
              property(rule, 'FromPort') !== property(rule, 'ToPort')) &&
            'is for more than one port',
        ),
      ),
      ...each(
        template,
        INGRESS,
        (rule) =>
          property(rule, 'SourceSecurityGroupId') === undefined &&
          !(
            refersTo(property(rule, 'GroupId')) === 'ExternalSecurityGroup' &&
            [80, 443].includes(Number(property(rule, 'FromPort')))
          ) &&
          'lets addresses in',
      ),
    ],
    breaks: {
      'all ports': (draft) => change(draft, 'ApiToWorldOut', 'IpProtocol', '-1'),
      'a range': (draft) => change(draft, 'ApiToWorldOut', 'FromPort', 1),
      SSH: (draft) => {
        change(draft, 'WorldToHttpIn', 'FromPort', 22)
        change(draft, 'WorldToHttpIn', 'ToPort', 22)
      },
      'the database': (draft) => {
        change(draft, 'ApiToDatabaseIn', 'SourceSecurityGroupId', undefined)
        change(draft, 'ApiToDatabaseIn', 'CidrIp', '10.0.0.0/8')
      },
    },
  },
  {
    holds: 'a database’s subnets have no route out of the network',
    violations: (template) =>
      each(template, 'AWS::EC2::SubnetRouteTableAssociation', (association) => {
        const isDatabases = /^Database/.test(refersTo(property(association, 'SubnetId')) ?? '')
        const table = refersTo(property(association, 'RouteTableId'))
        const routes = ofType(template, 'AWS::EC2::Route').filter(
          ([, route]) => refersTo(route.Properties.RouteTableId) === table,
        )
        return isDatabases && routes.length > 0 && `leads out by ${routes.map(([id]) => id).join(', ')}`
      }),
    breaks: {
      'the public table': (draft) =>
        change(draft, 'DatabaseSubnetBRoutes', 'RouteTableId', { Ref: 'PublicRoutes' }),
      'a route': (draft) => change(draft, 'AppADefaultRoute', 'RouteTableId', { Ref: 'DatabaseRoutes' }),
    },
  },
  {
    holds: 'subnets of a load balancer, a group of servers or a database are in both zones',
    violations: (template) => {
      const zonesOf = (value: unknown) =>
        new Set(
          list(value).map((subnet) =>
            property(template.Resources[refersTo(subnet) ?? ''], 'AvailabilityZoneId'),
          ),
        )
      const both = (name: string) => (resource: Parameters<typeof property>[0]) =>
        zonesOf(property(resource, name)).size !== 2 && 'stands in one zone'
      return [
        ...each(template, BALANCER, both('Subnets')),
        ...each(template, 'AWS::AutoScaling::AutoScalingGroup', both('VPCZoneIdentifier')),
        ...each(template, 'AWS::RDS::DBSubnetGroup', both('SubnetIds')),
      ]
    },
    breaks: {
      balancer: (draft) =>
        change(draft, 'InternalBalancer', 'Subnets', [{ Ref: 'AppSubnetA' }, { Ref: 'DatabaseSubnetA' }]),
      servers: (draft) => change(draft, 'ApiGroup', 'VPCZoneIdentifier', [{ Ref: 'AppSubnetA' }]),
      database: (draft) =>
        change(draft, 'DatabaseSubnets', 'SubnetIds', [{ Ref: 'DatabaseSubnetA' }, { Ref: 'AppSubnetA' }]),
      'one zone for both': (draft) => change(draft, 'AppSubnetB', 'AvailabilityZoneId', 'euw1-az1'),
    },
  },
]
