// Who comes to data by a change of security groups, and that the same change the other way round is free.
import { describe, expect, test } from 'vitest'
import type { Template } from '../cfn.ts'
import { change } from '../rules/rule.ts'
import { sample } from '../samples.ts'
import { att, PROD as before, type Case, changed, expectOpens, reasons } from './pairs.ts'

const ingress = (to: string, from: object) => ({
  Type: 'AWS::EC2::SecurityGroupIngress',
  Properties: {
    GroupId: att(to),
    IpProtocol: 'tcp',
    FromPort: 5432,
    ToPort: 5432,
    Description: 'x',
    ...from,
  },
})
const egress = (from: string, to: object) => ({
  Type: 'AWS::EC2::SecurityGroupEgress',
  Properties: { GroupId: att(from), IpProtocol: 'tcp', FromPort: 443, ToPort: 443, Description: 'x', ...to },
})
const OPENING: readonly Case[] = [
  [
    'the internet to the database',
    (draft) => {
      draft.Resources.Door = ingress('DatabaseSecurityGroup', { CidrIp: '0.0.0.0/0' })
    },
    'Door lets the internet in to Database, which holds data; lets the internet in to DatabaseReplica, which holds data',
  ],
  [
    'the internet by IPv6',
    (draft) => {
      draft.Resources.Door = ingress('DatabaseSecurityGroup', { CidrIpv6: '::/0' })
    },
    'Door lets the internet in to Database, which holds data; lets the internet in to DatabaseReplica, which holds data',
  ],
  [
    'web servers to the database',
    (draft) => change(draft, 'ApiToDatabaseIn', 'SourceSecurityGroupId', att('WebSecurityGroup')),
    'ApiToDatabaseIn lets WebTemplate in to Database, which holds data; lets WebTemplate in to DatabaseReplica, which holds data',
    'ApiToDatabaseIn lets ApiTemplate in to Database, which holds data; lets ApiTemplate in to DatabaseReplica, which holds data',
  ],
  [
    'web servers to the database, by a rule in its group',
    (draft) =>
      change(draft, 'DatabaseSecurityGroup', 'SecurityGroupIngress', [
        { IpProtocol: '-1', SourceSecurityGroupId: att('WebSecurityGroup') },
      ]),
    'DatabaseSecurityGroup lets WebTemplate in to Database, which holds data; lets WebTemplate in to DatabaseReplica, which holds data',
  ],
  [
    'web servers to the database, by the API’s group',
    (draft) =>
      change(draft, 'WebTemplate', 'LaunchTemplateData.NetworkInterfaces.0.Groups', [
        att('WebSecurityGroup'),
        att('ApiSecurityGroup'),
      ]),
    'WebTemplate lets WebTemplate in to Database, which holds data; lets WebTemplate in to DatabaseReplica, which holds data',
  ],
  [
    'everything in the network to the database',
    (draft) => {
      draft.Resources.Door = ingress('DatabaseSecurityGroup', { CidrIp: '10.22.0.0/16' })
    },
    'Door lets addresses 10.22.0.0/16 in to Database, which holds data; lets addresses 10.22.0.0/16 in to DatabaseReplica, which holds data',
  ],
  [
    'the database in the group that the load balancer talks to',
    (draft) =>
      change(draft, 'Database', 'VPCSecurityGroups', [att('DatabaseSecurityGroup'), att('WebSecurityGroup')]),
    'Database lets ExternalBalancer in to Database, which holds data',
  ],
  [
    'the internet to the web servers',
    (draft) => {
      draft.Resources.Door = ingress('WebSecurityGroup', { CidrIp: '0.0.0.0/0' })
    },
    'Door lets the internet in to WebTemplate',
  ],
  [
    'half of the internet to the API servers',
    (draft) => {
      draft.Resources.Door = ingress('ApiSecurityGroup', { CidrIp: '128.0.0.0/1' })
    },
    'Door lets the internet in to ApiTemplate',
  ],
  [
    'the internet to the internal load balancer, by the group of the external one',
    (draft) => change(draft, 'InternalBalancer', 'SecurityGroups', [att('ExternalSecurityGroup')]),
    'InternalBalancer lets the internet in to InternalBalancer',
  ],
  [
    'everything out of the database',
    (draft) => change(draft, 'DatabaseSecurityGroup', 'SecurityGroupEgress', undefined),
    'DatabaseSecurityGroup would let everything out: SecurityGroupEgress',
  ],
  [
    'everything out of the servers',
    (draft) => change(draft, 'ApiSecurityGroup', 'SecurityGroupEgress', []),
    'ApiSecurityGroup would let everything out: SecurityGroupEgress',
  ],
  [
    'the database to the internet',
    (draft) => {
      draft.Resources.WayOut = egress('DatabaseSecurityGroup', { CidrIp: '0.0.0.0/0' })
    },
    'WayOut lets data out of DatabaseSecurityGroup',
  ],
]

describe('what comes to be open', () => {
  test.for(OPENING)('%s', (one) => expectOpens(before, one))
})

describe('what does not', () => {
  test.for<[string, Template, Template]>([
    ['the first servers of a stage', sample('prod', { fleet: 'none' }).template, before],
    ['web servers in other subnets', before, sample('prod', { webPlacement: 'private' }).template],
    [
      'a rule that says why in other words',
      before,
      changed(before, (draft) => change(draft, 'ApiToDatabaseIn', 'Description', 'PostgreSQL, of the API')),
    ],
    [
      'another port of the external load balancer',
      before,
      changed(before, (draft) => {
        draft.Resources.Door = ingress('ExternalSecurityGroup', { CidrIp: '0.0.0.0/0' })
      }),
    ],
  ])('%s', ([, from, to]) => {
    expect(reasons(from, to)).toEqual([])
  })
})

test('of what is lost and opened at once, both is said', () => {
  const after = changed(before, (draft) => {
    change(draft, 'Database', 'DeletionProtection', false)
    change(draft, 'Database', 'VPCSecurityGroups', [att('DatabaseSecurityGroup'), att('WebSecurityGroup')])
  })
  expect(reasons(before, after)).toEqual([
    'Database holds data, and is no longer protected; lets ExternalBalancer in to Database, which holds data',
  ])
})
