// A stage for tests, as much of it as taking one down has to do with: deployed, locked, in use.
import { UpdateAutoScalingGroupCommand } from '@aws-sdk/client-auto-scaling'
import {
  CreateChangeSetCommand,
  ExecuteChangeSetCommand,
  SetStackPolicyCommand,
  UpdateTerminationProtectionCommand,
} from '@aws-sdk/client-cloudformation'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { expect } from 'vitest'
import type { Call } from '../../aws/stand-in/service.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { stateBucket } from '../bootstrap/names.ts'
import { peoplePolicy, releasePolicy } from '../bootstrap/release-rights.ts'
import { CLOSED } from '../release/policy.ts'
import { STAGES } from '../stages.ts'
import { type Destruction, destroy } from './destroy.ts'
import { undo } from './undo.ts'

export const ACCOUNT = '222233334444'
export const STAGE = { ...STAGES.prod, account: ACCOUNT }
export const STACK = 'terrace-prod'
const KEPT = { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' }
export const SMALL = {
  Resources: {
    Logs: { Type: 'AWS::S3::Bucket', ...KEPT, Properties: {} },
    Documents: { Type: 'AWS::S3::Bucket', ...KEPT, Properties: {} },
    AuthSecret: { Type: 'AWS::SecretsManager::Secret', ...KEPT, Properties: {} },
    Database: {
      Type: 'AWS::RDS::DBInstance',
      DeletionPolicy: 'Snapshot',
      Properties: { Engine: 'postgres', DeletionProtection: true },
    },
    DatabaseReplica: {
      Type: 'AWS::RDS::DBInstance',
      Properties: { SourceDBInstanceIdentifier: { Ref: 'Database' } },
    },
    ExternalBalancer: {
      Type: 'AWS::ElasticLoadBalancingV2::LoadBalancer',
      Properties: {
        LoadBalancerAttributes: [
          { Key: 'idle_timeout.timeout_seconds', Value: '120' },
          { Key: 'deletion_protection.enabled', Value: 'true' },
        ],
      },
    },
    ApiEnvironment: {
      Type: 'AWS::SSM::Parameter',
      Properties: { Type: 'String', Value: { 'Fn::GetAtt': ['Database', 'Endpoint.Address'] } },
    },
    ApiGroup: {
      Type: 'AWS::AutoScaling::AutoScalingGroup',
      DependsOn: ['ExternalBalancer'],
      Properties: { MinSize: '2', MaxSize: '4' },
    },
  },
}

/** How many calls were the test's own. */
const before = new WeakMap<StandIn, number>()
export const forget = (there: StandIn) => before.set(there, there.calls.length)
export const callsOf = (there: StandIn): Call[] => there.calls.slice(before.get(there) ?? 0)
/** What was asked, but for what is about the lock of whoever is at work on the stage. */
export const operations = (there: StandIn): string[] =>
  callsOf(there)
    .filter(({ input }) => !String(input.Key).includes('/lock'))
    .map(({ operation }) => operation)
/** What was called, and people with the deploy role may not. */
export function missingRights(there: StandIn): string[] {
  const rights = [releasePolicy(STAGE), peoplePolicy(STAGE)].flatMap(({ Statement }) => Statement)
  const allowed = new Set<string>(rights.flatMap(({ Action }) => [Action].flat()))
  const called = callsOf(there).map(({ service, operation }) => `${service}:${operation}`)
  // Needs no right.
  return [...new Set(called)].filter((one) => one !== 'sts:GetCallerIdentity' && !allowed.has(one))
}
export const CHANGING = /^(Create|Delete|Execute|Modify|Put|Set|Update)/
export const changing = (there: StandIn): string[] => operations(there).filter((one) => CHANGING.test(one))

/** Has a template made, or begun to be: what fails is the stand-in's to say. */
export async function made(there: StandIn, template: object): Promise<void> {
  const state = stateBucket(STAGE)
  there.buckets.make(state)
  const { cloudformation, s3 } = there.aws
  // As large templates are sent.
  await s3.send(new PutObjectCommand({ Bucket: state, Key: 't.json', Body: JSON.stringify(template) }))
  const planned = await cloudformation.send(
    new CreateChangeSetCommand({
      StackName: STACK,
      ChangeSetName: 'made',
      ChangeSetType: 'CREATE',
      TemplateURL: `https://s3.eu-west-1.amazonaws.com/${state}/t.json`,
      Capabilities: ['CAPABILITY_IAM'],
    }),
  )
  await there.clock.sleep(60_000)
  await cloudformation.send(new ExecuteChangeSetCommand({ ChangeSetName: planned.Id, StackName: STACK }))
  await there.clock.sleep(2 * 3_600_000)
  forget(there)
}

/** A deployed and locked stage, with documents and, of room for two to four, three servers. */
export async function deployed(template: object = SMALL, there = standIn(ACCOUNT)): Promise<StandIn> {
  await made(there, template)
  const { autoscaling, cloudformation, s3 } = there.aws
  await cloudformation.send(
    new SetStackPolicyCommand({ StackName: STACK, StackPolicyBody: JSON.stringify(CLOSED) }),
  )
  await cloudformation.send(
    new UpdateTerminationProtectionCommand({ StackName: STACK, EnableTerminationProtection: true }),
  )
  for (const bucket of [physical(there, 'Documents'), physical(there, 'Logs')])
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'one', Body: 'kept' }))
  await autoscaling.send(
    new UpdateAutoScalingGroupCommand({
      AutoScalingGroupName: physical(there, 'ApiGroup'),
      DesiredCapacity: 3,
    }),
  )
  await there.clock.sleep(600_000)
  forget(there)
  return there
}
export const physical = (there: StandIn, id: string): string =>
  there.stacks.find(STACK)?.resources.get(id)?.physicalId ?? ''
export const isLocked = (there: StandIn): boolean => {
  const stack = there.stacks.find(STACK)
  return stack?.policy === JSON.stringify(CLOSED) && stack.isProtected
}

export async function run(there: StandIn, changes: Partial<Destruction> = {}) {
  const lines: string[] = []
  const asked: string[] = []
  const ending = await destroy(there.aws, {
    name: 'prod',
    stage: STAGE,
    deletesData: false,
    say: (line) => lines.push(line),
    agrees: async (what) => {
      asked.push(what)
      return true
    },
    ...changes,
  })
  return { ending, said: lines.join('\n'), asked }
}
export async function runBack(there: StandIn, takesOver = false) {
  const lines: string[] = []
  const ending = await undo(there.aws, {
    name: 'prod',
    stage: STAGE,
    say: (line) => lines.push(line),
    takesOver,
  })
  return { ending, said: lines.join('\n') }
}

export const journalOf = (there: StandIn): string | undefined =>
  there.buckets.text(stateBucket(STAGE), 'stages/prod/destroy.json')
export function expectGone(at: StandIn): void {
  expect(at.stacks.find(STACK)?.status).toBe('DELETE_COMPLETE')
  expect(at.databases.instances.size).toBe(0)
  expect(at.groups.groups.size).toBe(0)
  expect(journalOf(at)).toBeUndefined()
}
/** Final snapshots of ours. */
export const finals = (at: StandIn) =>
  [...at.databases.snapshots].filter(([name]) => name.includes('-final-'))
