// What a pipeline does with a stage that is there, against what its role may; and what a stage's servers may, against the
// boundary.
import { CreateChangeSetCommand } from '@aws-sdk/client-cloudformation'
import { expect, test } from 'vitest'
import { resolve } from '../../aws/stand-in/cloudformation/template.ts'
import { awsError } from '../../aws/stand-in/service.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import type { Template } from '../cfn.ts'
import { at, list, ofType, property } from '../reading.ts'
import { changeStack } from '../release/stack-change.ts'
import { stackOf } from '../release/target.ts'
import { SAMPLE_SEARCH, sample } from '../samples.ts'
import { STAGES } from '../stages.ts'
import { boundary } from './boundary.ts'
import { allows, type Call } from './evaluate.ts'
import { stateBucket } from './names.ts'
import { pipelinePolicy, releasePolicy } from './release-rights.ts'

const STAGE = STAGES.staging
const STACK = 'terrace-staging'
const small: Template = {
  Description: '',
  Outputs: {},
  Resources: { Size: { Type: 'AWS::SSM::Parameter', Properties: { Type: 'String', Value: '1' } } },
}
const larger: Template = JSON.parse(JSON.stringify(small).replace('"1"', '"2"'))

async function release(
  there: StandIn,
  template: Template,
  say: (line: string) => void = () => {},
): Promise<string> {
  return changeStack(there.aws, {
    target: stackOf('staging', STAGE, 'cloudformation-ci'),
    template,
    allowed: [],
    protection: { policy: true, termination: true },
    agree: async () => true,
    say,
    patienceMs: 3_600_000,
  })
}

function world(): StandIn {
  const there = standIn(STAGE.account, STAGE.region)
  there.buckets.make(stateBucket(STAGE))
  return there
}

test('a pipeline has the right to every call of a release', async () => {
  const there = world()
  // The first time is a person's.
  await release(there, small)
  const before = there.calls.length
  expect(await release(there, larger)).toBe('changed')
  const rights = [releasePolicy(STAGE), pipelinePolicy(STAGE)].flatMap(({ Statement }) => Statement)
  const called = there.calls.slice(before).map(asked)
  expect(called.map(({ action }) => action)).toContain('cloudformation:ExecuteChangeSet')
  expect(called.filter((call) => !allows(rights, call))).toEqual([])
  // A person's is nothing that it may carry out.
  const others = called.map(({ given, ...call }) => ({
    ...call,
    given: { ...given, 'cloudformation:ChangeSetName': 'terrace-0123456789ab-1' },
  }))
  expect(others.filter((call) => !allows(rights, call)).map(({ action }) => action)).toEqual([
    'cloudformation:CreateChangeSet',
    'cloudformation:ExecuteChangeSet',
  ])
})

/** A call as IAM judges it: what it is on, and what AWS knows of it. */
function asked({ service, operation, input }: StandIn['calls'][number]): Call {
  const { Bucket, Key, ChangeSetName, RoleARN } = input as Readonly<Record<string, string | undefined>>
  const stack = `arn:aws:cloudformation:${STAGE.region}:${STAGE.account}:stack/${STACK}/1`
  return {
    action: `${service}:${operation}`,
    on: service === 's3' ? `arn:aws:s3:::${Bucket}${Key === undefined ? '' : `/${Key}`}` : stack,
    given: {
      'aws:RequestedRegion': STAGE.region,
      ...(ChangeSetName && { 'cloudformation:ChangeSetName': ChangeSetName }),
      ...(RoleARN && { 'cloudformation:RoleArn': RoleARN }),
    },
  }
}

test('a change set that a person has left lying stays where it is', async () => {
  const there = world()
  await release(there, small)
  await there.aws.cloudformation.send(
    new CreateChangeSetCommand({
      StackName: STACK,
      ChangeSetName: 'terrace-0123456789ab-1',
      ChangeSetType: 'UPDATE',
      TemplateBody: JSON.stringify(larger),
    }),
  )
  const said: string[] = []
  expect(await release(there, larger, (line) => said.push(line))).toBe('changed')
  expect(said.join('\n')).toContain('Change set terrace-0123456789ab-1 stays: it is a person’s')
  expect(there.calls.map(({ operation }) => operation)).not.toContain('DeleteChangeSet')
})

test('a pipeline is told who can protect a stage that is not; nothing was changed', async () => {
  const there = world()
  await release(there, small)
  const stack = there.stacks.find(STACK)
  if (stack === undefined) throw new Error('no stack')
  stack.isProtected = false
  const message = `User: arn:aws:sts::${STAGE.account}:assumed-role/terrace-ci/x is not authorized to perform: cloudformation:UpdateTerminationProtection`
  there.faults.add({
    operation: 'UpdateTerminationProtection',
    error: awsError('AccessDenied', message, 403),
  })
  await expect(release(there, larger)).rejects.toThrow(/let a person with the deploy role run the same/)
  expect(
    there.calls.map(({ operation }) => operation).filter((one) => one === 'CreateChangeSet'),
  ).toHaveLength(1)
})

/** What AWS makes of references, as far as rights of servers have any. */
function real(template: Template, value: unknown): string {
  const { account, region } = STAGES.prod
  const pseudo: Readonly<Record<string, string>> = {
    'AWS::Partition': 'aws',
    'AWS::Region': region,
    'AWS::StackName': 'terrace-prod',
  }
  const here = (service: string, resource: string) => `arn:aws:${service}:${region}:${account}:${resource}`
  const arns: Readonly<Record<string, (id: string) => string>> = {
    'AWS::Logs::LogGroup': (id) => here('logs', `log-group:terrace-prod-${id}-1a2b:*`),
    'AWS::S3::Bucket': (id) => `arn:aws:s3:::terrace-prod-${id.toLowerCase()}-1a2b`,
    'AWS::SecretsManager::Secret': (id) => here('secretsmanager', `secret:${id}-1a2b`),
    'AWS::RDS::DBInstance': () => 'db-1A2B',
  }
  return String(
    resolve(value, (id) => {
      const known = pseudo[id] ?? arns[template.Resources[id]?.Type ?? '']?.(id)
      if (known === undefined) throw new Error(`nobody has said what ${id} is to AWS`)
      return known
    }),
  )
}

const EVERYTHING = {
  search: SAMPLE_SEARCH,
  sessionManager: true,
  bedrockModels: ['eu.meta.llama3-2-3b-instruct-v1:0', 'meta.llama3-2-3b-instruct-v1:0'],
}

/** Every right of every role of prod that the limit takes away. */
function taken(limit: readonly unknown[]): string[] {
  const { template } = sample('prod', EVERYTHING)
  const { account, region } = STAGES.prod
  const given = {
    'aws:RequestedRegion': region,
    'aws:ResourceAccount': account,
    'aws:ResourceTag/service': 'terrace',
    'aws:EC2InstanceSourceVPC': 'vpc-1',
  }
  return ofType(template, 'AWS::IAM::Role')
    .flatMap(([, role]) => list(property(role, 'Policies')))
    .flatMap((policy) => list(at(policy, 'PolicyDocument.Statement')))
    .flatMap((statement) => {
      const named = Object.fromEntries(
        Object.entries(at(statement, 'Condition.StringEquals') ?? {}).map(([key, value]) => [
          key,
          String(value),
        ]),
      )
      return list(at(statement, 'Resource')).flatMap((resource) =>
        list(at(statement, 'Action')).flatMap((action) => {
          const call = { action: String(action), on: real(template, resource), given: { ...given, ...named } }
          return allows(limit, call) ? [] : [`${call.action} on ${call.on}`]
        }),
      )
    })
}

test('the boundary takes nothing away that a stage’s servers have', () => {
  expect(taken(boundary(STAGES.prod).Statement)).toEqual([])
})

test.each(boundary(STAGES.prod).Statement.filter(({ Effect }) => Effect === 'Allow'))(
  'and it would be noticed without $Sid',
  ({ Sid }) => {
    const limit = boundary(STAGES.prod).Statement.filter((statement) => statement.Sid !== Sid)
    expect(taken(limit)).not.toEqual([])
  },
)
