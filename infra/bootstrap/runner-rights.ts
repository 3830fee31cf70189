// What the person who runs `npm run bootstrap` needs, and nothing else: printed before anything is asked of AWS, so that
// somebody who has all rights can give them to somebody who has none. CloudFormation makes the stack with them.

import type { Template } from '../cfn.ts'
import { document, type Statement } from '../policy.ts'
import { HANDLERS } from './handlers.ts'
import {
  arnHere,
  BOOTSTRAP_STACK,
  boundaryArn,
  githubProviderArn,
  type Home,
  LINKED_ROLES,
  linkedRoleArn,
  partitionOf,
  ROLES,
  roleArn,
  stateArn,
} from './names.ts'
import { held, OURS, REMOVALS, type Scope, TO_BE_OURS } from './rights.ts'
import { TAKE_OVER_CALLS } from './taken-over.ts'

/** Calls of the command itself. */
const OWN_CALLS = [
  'cloudformation:CreateChangeSet',
  'cloudformation:DeleteChangeSet',
  'cloudformation:DeleteStack',
  'cloudformation:DescribeChangeSet',
  'cloudformation:DescribeStackEvents',
  'cloudformation:DescribeStacks',
  'cloudformation:ExecuteChangeSet',
  'cloudformation:GetTemplate',
  'cloudformation:ListChangeSets',
  'cloudformation:ListStackResources',
  'cloudformation:SetStackPolicy',
  'cloudformation:UpdateTerminationProtection',
  'iam:CreateServiceLinkedRole',
  'iam:GetOpenIDConnectProvider',
  'iam:GetRole',
  's3:ListBucket',
  ...TAKE_OVER_CALLS,
]

/** A policy for IAM. */
export function runnerPolicy(home: Home, template: Template) {
  const types = [...new Set(Object.values(template.Resources).map(({ Type }) => Type))]
  const actions = types.flatMap((type) => {
    const own = HANDLERS[type]
    if (own === undefined) throw new Error(`nothing says what CloudFormation calls for ${type}`)
    return own
  })
  const statements: Statement[] = held([...actions, ...OWN_CALLS], scopes(home))
  return document(...statements)
}

function scopes(home: Home): Scope[] {
  const partition = partitionOf(home.region)
  const iam = (resource: string) => `arn:${partition}:iam::${home.account}:${resource}`
  const inRegion = { StringEquals: { 'aws:RequestedRegion': home.region } }
  return [
    {
      sid: 'Stack',
      of: ['cloudformation'],
      on: arnHere(home, 'cloudformation', `stack/${BOOTSTRAP_STACK}/*`),
    },
    {
      sid: 'RolesOfServices',
      of: ['iam:CreateServiceLinkedRole'],
      on: LINKED_ROLES.map((role) => linkedRoleArn(home, role)),
      when: { StringEquals: { 'iam:AWSServiceName': LINKED_ROLES.map(({ service }) => service) } },
    },
    {
      // Names without a region end in what CloudFormation appends.
      sid: 'Roles',
      of: ['iam'],
      on: [
        ...ROLES.map((role) => roleArn(role, home)),
        ...LINKED_ROLES.map((role) => linkedRoleArn(home, role)),
        boundaryArn(home),
        iam(`policy/${BOOTSTRAP_STACK}-*`),
        githubProviderArn(home),
      ],
    },
    {
      sid: 'StateBucket',
      of: ['s3'],
      on: stateArn(home),
    },
    { sid: 'NewKeys', of: ['kms:CreateKey', 'kms:TagResource'], on: '*', when: TO_BE_OURS },
    { sid: 'Keys', of: ['kms'], on: arnHere(home, 'kms', 'key/*'), when: OURS },
    { sid: 'Budget', of: ['budgets'], on: `arn:${partition}:budgets::${home.account}:budget/*` },
    { sid: 'Removals', of: REMOVALS, on: '*', when: OURS },
    { sid: 'Network', of: ['ec2'], on: '*', when: inRegion },
  ]
}
