// CloudFormation's operations, as far as this project asks for them.
import type {
  ContinueUpdateRollbackCommandInput,
  DeleteStackCommandInput,
  DescribeStackEventsCommandInput,
  DescribeStackResourceCommandInput,
  DescribeStacksCommandInput,
  GetStackPolicyCommandInput,
  GetTemplateCommandInput,
  ListStackResourcesCommandInput,
  SetStackPolicyCommandInput,
  UpdateTerminationProtectionCommandInput,
} from '@aws-sdk/client-cloudformation'
import type { VirtualClock } from '../clock.ts'
import { awsError, type Operations } from '../service.ts'
import { ChangeSets } from './change-sets.ts'
import { Execution } from './execution.ts'
import type { Others } from './kinds.ts'
import type { Live, Stack } from './stack.ts'
import { paged, Stacks } from './stacks.ts'

const POLICY_LIMIT = 16_384

export class CloudFormation {
  readonly execution: Execution
  readonly #stacks: Stacks
  readonly #changeSets: ChangeSets

  constructor(clock: VirtualClock, region: string, account: string, others: Others) {
    this.execution = new Execution(clock, region, account, others)
    this.#stacks = new Stacks(clock, region, account)
    this.#changeSets = new ChangeSets(this.#stacks, this.execution, others.buckets, clock)
  }

  /** The stack of a name, deleted or not; undefined when there never was one. */
  find(nameOrId: string): Stack | undefined {
    return this.#stacks.find(nameOrId)
  }

  get operations(): Operations {
    return { ...this.#changeSets.operations, ...this.#ofStacks }
  }

  #describe(stack: Stack): object {
    const { status, reason } = stack.shown
    return {
      StackId: stack.id,
      StackName: stack.name,
      StackStatus: status,
      ...(reason !== undefined && { StackStatusReason: reason }),
      CreationTime: stack.createdAt,
      ...(stack.updatedAt && { LastUpdatedTime: stack.updatedAt }),
      ...(stack.deletedAt && { DeletionTime: stack.deletedAt }),
      EnableTerminationProtection: stack.isProtected,
      Tags: stack.tags,
      ...(stack.roleArn !== undefined && { RoleARN: stack.roleArn }),
      Outputs: Object.entries(stack.template?.Outputs ?? {}).map(([OutputKey, { Description, Value }]) => ({
        OutputKey,
        OutputValue: String(this.execution.resolved(stack, Value)),
        Description,
      })),
    }
  }

  readonly #ofStacks: Operations = {
    DescribeStacks: (input: DescribeStacksCommandInput) => {
      if (input.StackName !== undefined)
        return { Stacks: [this.#describe(this.#stacks.get(input.StackName))] }
      const all = [...this.#stacks.all.values()].filter(({ deletedAt }) => deletedAt === undefined)
      return { Stacks: all.map((stack) => this.#describe(stack)) }
    },
    DescribeStackEvents: (input: DescribeStackEventsCommandInput) => {
      const { page, NextToken } = paged(
        [...this.#stacks.get(input.StackName).events].reverse(),
        input.NextToken,
      )
      return { StackEvents: page, ...(NextToken !== undefined && { NextToken }) }
    },
    ListStackResources: (input: ListStackResourcesCommandInput) => {
      const { page, NextToken } = paged(
        [...this.#stacks.get(input.StackName).resources.values()],
        input.NextToken,
      )
      return { StackResourceSummaries: page.map(summary), ...(NextToken !== undefined && { NextToken }) }
    },
    DescribeStackResource: (input: DescribeStackResourceCommandInput) => {
      const live = this.#stacks.get(input.StackName).resources.get(input.LogicalResourceId ?? '')
      if (live === undefined)
        throw awsError(
          'ValidationError',
          `Resource ${input.LogicalResourceId} does not exist for stack ${input.StackName}`,
        )
      return { StackResourceDetail: summary(live) }
    },
    GetTemplate: (input: GetTemplateCommandInput) => {
      const isOfSet = input.ChangeSetName !== undefined
      const text = isOfSet ? this.#changeSets.text(input) : this.#stacks.get(input.StackName).text
      if (text === '')
        throw awsError('ValidationError', `Stack with id ${input.StackName} does not have a template`)
      // As it does with every character that is not ASCII (aws-cloudformation/cloudformation-coverage-roadmap#814).
      const TemplateBody = text.replaceAll(/[^\0-\x7f]/gu, '?')
      return { TemplateBody, StagesAvailable: ['Original', 'Processed'] }
    },
    SetStackPolicy: (input: SetStackPolicyCommandInput) => {
      const { StackPolicyBody: body = '' } = input
      if (Buffer.byteLength(body) > POLICY_LIMIT)
        throw awsError('ValidationError', `Stack policy is longer than ${POLICY_LIMIT} bytes`)
      JSON.parse(body)
      this.#stacks.get(input.StackName).policy = body
      return {}
    },
    GetStackPolicy: (input: GetStackPolicyCommandInput) => {
      const { policy } = this.#stacks.get(input.StackName)
      return policy === undefined ? {} : { StackPolicyBody: policy }
    },
    UpdateTerminationProtection: (input: UpdateTerminationProtectionCommandInput) => {
      const stack = this.#stacks.get(input.StackName)
      stack.isProtected = input.EnableTerminationProtection === true
      return { StackId: stack.id }
    },
    ContinueUpdateRollback: (input: ContinueUpdateRollbackCommandInput) => {
      const stack = this.#stacks.get(input.StackName)
      if (stack.status !== 'UPDATE_ROLLBACK_FAILED')
        throw awsError(
          'ValidationError',
          `Stack:${stack.id} is in ${stack.status} state and can not continue rollback.`,
        )
      stack.token = input.ClientRequestToken
      this.execution.continueRollback(stack, input.ResourcesToSkip ?? [])
      return {}
    },
    DeleteStack: (input: DeleteStackCommandInput) => {
      const stack = this.#stacks.find(input.StackName ?? '')
      // One that is not there is deleted.
      if (stack === undefined || stack.deletedAt !== undefined) return {}
      if (stack.isProtected)
        throw awsError(
          'ValidationError',
          `Stack [${stack.name}] cannot be deleted while TerminationProtection is enabled`,
        )
      const retained = input.RetainResources ?? []
      if (retained.length > 0 && stack.status !== 'DELETE_FAILED')
        throw awsError(
          'ValidationError',
          `Invalid operation on stack [${stack.id}]. Specify which resources to retain only when the stack is in the DELETE_FAILED state.`,
        )
      if (stack.status === 'DELETE_IN_PROGRESS') return {}
      if (stack.isBusy && stack.status !== 'CREATE_IN_PROGRESS')
        throw awsError(
          'ValidationError',
          `Stack:${stack.id} is in ${stack.status} state and can not be deleted.`,
        )
      if (stack.status === 'CREATE_IN_PROGRESS')
        throw new Error('The stand-in for CloudFormation deletes no stack that is being created')
      stack.token = input.ClientRequestToken
      stack.changeSets.clear()
      this.execution.remove(stack, retained)
      return {}
    },
  }
}

const summary = ({ id, physicalId, source, status }: Live) => ({
  LogicalResourceId: id,
  PhysicalResourceId: physicalId,
  ResourceType: source.Type,
  ResourceStatus: status,
})
