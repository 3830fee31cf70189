// Who comes to data by a change of policies, and that the same change the other way round is free.
import { describe, expect, test } from 'vitest'
import type { Template } from '../cfn.ts'
import { list, property } from '../reading.ts'
import { change, type Draft } from '../rules/rule.ts'
import { sample } from '../samples.ts'
import { att, PROD as before, type Case, changed, expectOpens, reasons } from './pairs.ts'

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
]

describe('what comes to be open', () => {
  test.for(OPENING)('%s', (one) => expectOpens(before, one))
})

describe('what does not', () => {
  test.for<[string, Template, Template]>([
    ['all of a new stage', { Description: '', Outputs: {}, Resources: {} }, before],
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
