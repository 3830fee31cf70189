// Who comes to data by a change of policies or security groups, and that the same change the other way round is free.
import { describe, expect, test } from 'vitest'
import type { Template } from '../cfn.ts'
import { list, property } from '../reading.ts'
import { change, type Draft } from '../rules/rule.ts'
import { sample } from '../samples.ts'
import { compare } from './changes.ts'

const before = sample('prod').template
const changed = (template: Template, edit: (draft: Draft) => void): Template => {
  const after = structuredClone(template)
  // Readonly for everyone but a test that breaks it.
  edit(after as unknown as Draft)
  return after
}
const reasons = (from: Template, to: Template) =>
  compare(from, to).flatMap(({ id, blocked }) => (blocked === undefined ? [] : [`${id} ${blocked}`]))

const att = (id: string, name = 'GroupId') => ({ 'Fn::GetAtt': [id, name] })
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
const statement = (Principal: unknown) => ({
  Effect: 'Allow',
  Principal,
  Action: 's3:GetObject',
  Resource: { 'Fn::Join': ['', [att('Documents', 'Arn'), '/*']] },
})
const trust = (Principal: unknown) => ({ Effect: 'Allow', Principal, Action: 'sts:AssumeRole' })
/** Adds to a policy. */
const say = (draft: Draft, id: string, more: object, policy = 'PolicyDocument') =>
  change(draft, id, `${policy}.Statement`, [
    ...list(property(before.Resources[id], `${policy}.Statement`)),
    more,
  ])

/** `back`: what the other way round opens. */
type Case = readonly [what: string, edit: (draft: Draft) => void, reason: string, back?: string]
const OPENING: readonly Case[] = [
  [
    'a bucket read by everyone',
    (draft) => say(draft, 'DocumentsPolicy', statement('*')),
    'DocumentsPolicy lets everyone come to what Documents holds',
  ],
  [
    'the same, written otherwise',
    (draft) => say(draft, 'DocumentsPolicy', statement({ AWS: ['*'] })),
    'DocumentsPolicy lets everyone come to what Documents holds',
  ],
  [
    'a bucket read by everyone but somebody',
    (draft) =>
      say(draft, 'DocumentsPolicy', {
        ...statement(undefined),
        NotPrincipal: { AWS: 'arn:aws:iam::111122223333:root' },
      }),
    'DocumentsPolicy lets everyone but a few come to what Documents holds',
  ],
  [
    'a bucket read by another account',
    (draft) => say(draft, 'DocumentsPolicy', statement({ AWS: 'arn:aws:iam::999988887777:root' })),
    'DocumentsPolicy lets account 999988887777 come to what Documents holds',
  ],
  [
    'the same, hidden in a substitution',
    (draft) =>
      say(
        draft,
        'DocumentsPolicy',
        statement({ AWS: { 'Fn::Sub': 'arn:${AWS::Partition}:iam::999988887777:root' } }),
      ),
    'DocumentsPolicy lets account 999988887777 come to what Documents holds',
  ],
  [
    'a bucket read by a canonical user',
    (draft) => say(draft, 'LogsPolicy', statement({ CanonicalUser: 'somebody' })),
    'LogsPolicy lets somebody come to what Logs holds',
  ],
  [
    'what a service may, by everyone',
    (draft) => change(draft, 'LogsPolicy', 'PolicyDocument.Statement.1.Principal', '*'),
    'LogsPolicy lets everyone come to what Logs holds',
  ],
  [
    'what a service may for a condition, by everyone without one',
    (draft) => {
      change(draft, 'LogsPolicy', 'PolicyDocument.Statement.1.Principal', '*')
      change(draft, 'LogsPolicy', 'PolicyDocument.Statement.1.Condition', undefined)
    },
    'LogsPolicy lets everyone come to what Logs holds',
  ],
  [
    'a key used by everyone',
    (draft) => say(draft, 'AlertsKey', statement('*'), 'KeyPolicy'),
    'AlertsKey lets everyone come to what AlertsKey holds',
  ],
  [
    'a secret read by everyone',
    (draft) => {
      draft.Resources.OwnerPolicy = {
        Type: 'AWS::SecretsManager::ResourcePolicy',
        Properties: {
          SecretId: { Ref: 'DatabaseOwner' },
          ResourcePolicy: { Statement: { Effect: 'Allow', Principal: '*', Action: '*', Resource: '*' } },
        },
      }
    },
    'OwnerPolicy lets everyone come to what DatabaseOwner holds',
  ],
  [
    'a server’s role for another account',
    (draft) => say(draft, 'ApiRole', trust({ AWS: '999988887777' }), 'AssumeRolePolicyDocument'),
    'ApiRole lets account 999988887777 do what ApiRole may',
  ],
  [
    'a new role for everyone',
    (draft) => {
      draft.Resources.Guest = {
        Type: 'AWS::IAM::Role',
        Properties: { AssumeRolePolicyDocument: { Statement: trust('*') } },
      }
    },
    'Guest lets everyone do what Guest may',
  ],
  [
    'a bucket without encryption on the way',
    (draft) => change(draft, 'DocumentsPolicy', 'PolicyDocument.Statement', [statement({ Service: 'x' })]),
    'DocumentsPolicy no longer refuses what Documents has refused: EncryptedOnTheWay',
  ],
  [
    'encryption on the way for some of it',
    (draft) =>
      change(draft, 'DocumentsPolicy', 'PolicyDocument.Statement.0.Resource', [att('Documents', 'Arn')]),
    'DocumentsPolicy no longer refuses what Documents has refused: EncryptedOnTheWay',
  ],
  [
    'a bucket without its policy',
    (draft) => {
      delete draft.Resources.DocumentsPolicy
    },
    'DocumentsPolicy no longer refuses what Documents has refused: EncryptedOnTheWay',
  ],
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
  test.for(OPENING)('%s', ([, edit, reason, back]) => {
    const after = changed(before, edit)
    expect(reasons(before, after)).toEqual([reason])
    expect(reasons(after, before)).toEqual(back === undefined ? [] : [back])
  })
})

describe('what does not', () => {
  test.for<[string, Template, Template]>([
    ['the first servers of a stage', sample('prod', { fleet: 'none' }).template, before],
    ['all of a new stage', { Description: '', Outputs: {}, Resources: {} }, before],
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
    [
      'a role of the same account that reads a bucket',
      before,
      changed(before, (draft) => say(draft, 'DocumentsPolicy', statement({ AWS: att('ApiRole', 'Arn') }))),
    ],
    [
      'a new role of servers, and one that the account gives away itself',
      before,
      changed(before, (draft) => {
        for (const [id, who] of Object.entries({
          Server: { Service: 'ec2.amazonaws.com' },
          Own: { AWS: `arn:aws:iam::${sample('prod').stage.account}:root` },
        }))
          draft.Resources[id] = {
            Type: 'AWS::IAM::Role',
            Properties: { AssumeRolePolicyDocument: { Statement: trust(who) } },
          }
      }),
    ],
    [
      'a statement under another name, in another order of keys',
      before,
      changed(before, (draft) => {
        const [one] = list(property(before.Resources.DocumentsPolicy, 'PolicyDocument.Statement'))
        const turned = Object.fromEntries(Object.entries(Object(one)).reverse())
        change(draft, 'DocumentsPolicy', 'PolicyDocument.Statement', { ...turned, Sid: 'Other' })
      }),
    ],
    [
      'a bucket of its own with a policy of its own',
      before,
      changed(before, (draft) => {
        draft.Resources.Shop = { Type: 'AWS::S3::Bucket', Properties: {} }
        draft.Resources.ShopPolicy = {
          Type: 'AWS::S3::BucketPolicy',
          Properties: { Bucket: { Ref: 'Shop' }, PolicyDocument: { Statement: statement('*') } },
        }
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
