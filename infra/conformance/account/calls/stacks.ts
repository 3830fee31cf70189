// CloudFormation: a stack from its first change set to its end. Its resources are parameters and topics, which everybody can make.
import {
  ContinueUpdateRollbackCommand,
  DeleteChangeSetCommand,
  DeleteStackCommand,
  DescribeStackResourceCommand,
  ExecuteChangeSetCommand,
  GetStackPolicyCommand,
  GetTemplateCommand,
  ListChangeSetsCommand,
  SetStackPolicyCommand,
  UpdateTerminationProtectionCommand,
} from '@aws-sdk/client-cloudformation'
import type { Aws } from '../../../../aws/port.ts'
import type { Call, Kept } from './call.ts'
import {
  create,
  events,
  execute,
  plan,
  planned,
  StackName,
  settled,
  stack,
  values,
} from './stack-questions.ts'

const NOTHING = 'terrace-calls-of-nobody'
/** For sets that ought to be refused, so that those which are not leave nothing in what follows. */
const REFUSED = { StackName: 'terrace-calls-refused' }
const nothing = () => ({})

const parameter = (Value: unknown, more: object = {}) => ({
  Type: 'AWS::SSM::Parameter',
  ...more,
  Properties: { Type: 'String', Value },
})
const topic = (DisplayName: string) => ({ Type: 'AWS::SNS::Topic', Properties: { DisplayName } })
const template = (Resources: object, Outputs: object = {}) =>
  JSON.stringify({
    AWSTemplateFormatVersion: '2010-09-09',
    Resources,
    ...(Object.keys(Outputs).length > 0 && { Outputs }),
  })

const FIRST = template(
  { Topic: topic('one'), Name: parameter({ 'Fn::GetAtt': ['Topic', 'TopicName'] }), Goes: parameter('x') },
  { Size: { Description: 'a text', Value: 'small' } },
)
const SECOND = template(
  { Topic: topic('two'), Name: parameter({ 'Fn::GetAtt': ['Topic', 'TopicName'] }), Comes: parameter('y') },
  { Size: { Description: 'a text', Value: 'large' } },
)
const RENAMED = template({
  Topic: { Type: 'AWS::SNS::Topic', Properties: { TopicName: 'terrace-calls-other' } },
  Name: parameter({ 'Fn::GetAtt': ['Topic', 'TopicName'] }),
  Comes: parameter('y'),
})
const WITH_ROLE = template({
  Role: {
    Type: 'AWS::IAM::Role',
    Properties: { AssumeRolePolicyDocument: { Version: '2012-10-17', Statement: [] } },
  },
})

const protect = (EnableTerminationProtection: boolean) => (aws: Aws) =>
  aws.cloudformation
    .send(new UpdateTerminationProtectionCommand({ StackName, EnableTerminationProtection }))
    .then(nothing)

const templateOf = (ChangeSetName: string) => async (aws: Aws) => {
  const { TemplateBody } = await aws.cloudformation.send(
    new GetTemplateCommand({ StackName, ChangeSetName, TemplateStage: 'Original' }),
  )
  return { same: TemplateBody === SECOND }
}

/** Only the parameters may change. */
const CLOSED = JSON.stringify({
  Statement: [
    { Effect: 'Allow', Action: 'Update:*', Principal: '*', Resource: '*' },
    { Effect: 'Deny', Action: 'Update:*', Principal: '*', Resource: 'LogicalResourceId/Topic' },
  ],
})

export const STACK_CALLS: readonly Call[] = [
  { what: 'stacks: one that is not there', ask: (aws) => stack(aws, NOTHING).then(nothing) },
  {
    what: 'stacks: template of one that is not there',
    ask: (aws) => aws.cloudformation.send(new GetTemplateCommand({ StackName: NOTHING })).then(nothing),
  },
  {
    what: 'stacks: delete of one that is not there',
    ask: (aws) => aws.cloudformation.send(new DeleteStackCommand({ StackName: NOTHING })).then(nothing),
  },
  { what: 'sets: an update of a stack that is not there', ask: create('update', FIRST, 'UPDATE') },
  { what: 'sets: no template', ask: create('broken', '{', 'CREATE', REFUSED) },
  {
    what: 'sets: an unknown type',
    ask: create('strange', template({ One: { Type: 'AWS::No::Such' } }), 'CREATE', REFUSED),
  },
  {
    what: 'sets: a reference to nothing',
    ask: create('lost', template({ One: parameter({ Ref: 'Two' }) }), 'CREATE', REFUSED),
  },
  { what: 'sets: a role, without saying so', ask: create('role', WITH_ROLE, 'CREATE', REFUSED) },
  { what: 'sets: create', ask: create('first', FIRST, 'CREATE', { ClientToken: 'token-1' }) },
  {
    what: 'sets: the stack of a set that nobody carried out',
    ask: async (aws) => ({ status: (await stack(aws))?.StackStatus }),
  },
  {
    what: 'sets: template of a stack that was never made',
    ask: (aws) => aws.cloudformation.send(new GetTemplateCommand({ StackName })).then(nothing),
  },
  { what: 'sets: what it would make', ask: planned('first') },
  {
    what: 'sets: the same with the same token',
    ask: create('first', FIRST, 'CREATE', { ClientToken: 'token-1' }),
  },
  {
    what: 'sets: the same with another token',
    ask: create('first', FIRST, 'CREATE', { ClientToken: 'token-2' }),
  },
  {
    what: 'sets: list',
    ask: async (aws) => {
      const { Summaries = [] } = await aws.cloudformation.send(new ListChangeSetsCommand({ StackName }))
      return Summaries.map(({ ChangeSetName, Status, ExecutionStatus }) => [
        ChangeSetName,
        Status,
        ExecutionStatus,
      ])
    },
  },
  { what: 'sets: one that is not there', ask: planned('never') },
  { what: 'sets: execute', ask: execute('first', /^CREATE_COMPLETE$/) },
  {
    what: 'sets: execute again',
    ask: (aws) =>
      aws.cloudformation
        .send(new ExecuteChangeSetCommand({ StackName, ChangeSetName: 'first' }))
        .then(nothing),
  },
  { what: 'sets: create of a stack that is there', ask: create('again', FIRST, 'CREATE') },
  { what: 'stacks: what was made', ask: values },
  { what: 'stacks: events of that', ask: events },
  {
    what: 'stacks: its template',
    ask: async (aws) => {
      const { TemplateBody, StagesAvailable } = await aws.cloudformation.send(
        new GetTemplateCommand({ StackName }),
      )
      return { same: TemplateBody === FIRST, StagesAvailable }
    },
  },
  {
    what: 'stacks: one resource',
    ask: async (aws) => {
      const { StackResourceDetail: one } = await aws.cloudformation.send(
        new DescribeStackResourceCommand({ StackName, LogicalResourceId: 'Topic' }),
      )
      return {
        type: one?.ResourceType,
        status: one?.ResourceStatus,
        isThere: Boolean(one?.PhysicalResourceId),
      }
    },
  },
  {
    what: 'stacks: a resource that is not there',
    ask: (aws) =>
      aws.cloudformation
        .send(new DescribeStackResourceCommand({ StackName, LogicalResourceId: 'None' }))
        .then(nothing),
  },
  {
    what: 'sets: nothing to change',
    ask: async (aws) => {
      await create('same', FIRST, 'UPDATE')(aws)
      return plan(aws, 'same')
    },
  },
  {
    what: 'sets: execute of one that failed',
    ask: (aws) =>
      aws.cloudformation
        .send(new ExecuteChangeSetCommand({ StackName, ChangeSetName: 'same' }))
        .then(nothing),
  },
  {
    what: 'sets: delete',
    ask: (aws) =>
      aws.cloudformation.send(new DeleteChangeSetCommand({ StackName, ChangeSetName: 'same' })).then(nothing),
  },
  {
    what: 'sets: delete of one that is not there',
    ask: (aws) =>
      aws.cloudformation.send(new DeleteChangeSetCommand({ StackName, ChangeSetName: 'same' })).then(nothing),
  },
  {
    what: 'sets: update',
    ask: async (aws) => {
      await create('second', SECOND, 'UPDATE')(aws)
      return plan(aws, 'second')
    },
  },
  { what: 'sets: the template of one', ask: templateOf('second') },
  { what: 'sets: the template of one that is not there', ask: templateOf('never') },
  { what: 'sets: execute an update', ask: execute('second', /^UPDATE_COMPLETE$/) },
  { what: 'stacks: what was changed', ask: values },
  { what: 'stacks: events after the update', ask: events },
  {
    what: 'sets: one that replaces',
    ask: async (aws) => {
      await create('third', RENAMED, 'UPDATE')(aws)
      return plan(aws, 'third')
    },
  },
  {
    what: 'stacks: a policy',
    ask: (aws) =>
      aws.cloudformation
        .send(new SetStackPolicyCommand({ StackName, StackPolicyBody: CLOSED }))
        .then(nothing),
  },
  {
    what: 'stacks: the policy that was set',
    ask: async (aws) => {
      const { StackPolicyBody } = await aws.cloudformation.send(new GetStackPolicyCommand({ StackName }))
      return { same: StackPolicyBody === CLOSED }
    },
  },
  { what: 'stacks: an update that the policy denies', ask: execute('third', /ROLLBACK_COMPLETE$/) },
  {
    what: 'stacks: continue a roll-back that does not hang',
    ask: (aws) => aws.cloudformation.send(new ContinueUpdateRollbackCommand({ StackName })).then(nothing),
  },
  { what: 'stacks: protect', ask: protect(true) },
  {
    what: 'stacks: delete of a protected one',
    ask: (aws) => aws.cloudformation.send(new DeleteStackCommand({ StackName })).then(nothing),
  },
  { what: 'stacks: protect no more', ask: protect(false) },
  {
    what: 'stacks: delete',
    ask: async (aws, kept: Kept) => {
      const id = (await stack(aws))?.StackId ?? ''
      kept.set('stack', id)
      await aws.cloudformation.send(new DeleteStackCommand({ StackName }))
      // The state of before may still be told.
      for (let tries = 0; tries < 60 && (await settled(aws, id)) !== 'DELETE_COMPLETE'; tries++)
        await aws.clock.sleep(1_000)
      return { status: await settled(aws, id) }
    },
  },
  { what: 'stacks: one that is deleted, by its name', ask: (aws) => stack(aws).then(nothing) },
  {
    what: 'stacks: one that is deleted, by its id',
    ask: async (aws, kept) => ({ status: (await stack(aws, kept.get('stack') ?? ''))?.StackStatus }),
  },
]
