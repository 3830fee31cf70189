// CloudFormation's operations, as far as this project asks for them.
import type {
  ContinueUpdateRollbackCommandInput,
  CreateChangeSetCommandInput,
  DeleteChangeSetCommandInput,
  DeleteStackCommandInput,
  DescribeChangeSetCommandInput,
  DescribeStackEventsCommandInput,
  DescribeStackResourceCommandInput,
  DescribeStacksCommandInput,
  ExecuteChangeSetCommandInput,
  GetStackPolicyCommandInput,
  GetTemplateCommandInput,
  ListChangeSetsCommandInput,
  ListStackResourcesCommandInput,
  SetStackPolicyCommandInput,
  UpdateTerminationProtectionCommandInput,
} from '@aws-sdk/client-cloudformation'
import type { VirtualClock } from '../clock.ts'
import type { Buckets } from '../s3.ts'
import { awsError, type Operations } from '../service.ts'
import { CHANGE_SET } from '../timings.ts'
import { differences } from './differences.ts'
import { Execution } from './execution.ts'
import { importing, takeOver } from './imports.ts'
import type { Others } from './kinds.ts'
import { type ChangeSet, type Live, Stack } from './stack.ts'
import { readTemplate } from './template.ts'

/** Small, so that whoever reads one page only is found out. */
const PAGE = 20
const BODY_LIMIT = 51_200
const URL_LIMIT = 1_048_576
const POLICY_LIMIT = 16_384

export class CloudFormation {
  /** By their ids; of those that have the same name, all but one are deleted. */
  readonly #stacks = new Map<string, Stack>()
  readonly execution: Execution
  readonly #clock: VirtualClock
  readonly #buckets: Buckets
  readonly #arn: string
  #counter = 0

  constructor(clock: VirtualClock, region: string, account: string, others: Others) {
    this.#clock = clock
    this.#buckets = others.buckets
    this.#arn = `arn:aws:cloudformation:${region}:${account}`
    this.execution = new Execution(clock, region, account, others)
  }

  /** The stack of a name, deleted or not; undefined when there never was one. */
  find(nameOrId: string): Stack | undefined {
    const byId = this.#stacks.get(nameOrId)
    if (byId !== undefined) return byId
    const named = [...this.#stacks.values()].filter(({ name }) => name === nameOrId)
    return named.find(({ deletedAt }) => deletedAt === undefined) ?? named.at(-1)
  }

  /** By its name only while it is there; by its id for ever. */
  #stack(nameOrId: string | undefined): Stack {
    const found = this.find(nameOrId ?? '')
    if (found === undefined || (found.deletedAt !== undefined && found.id !== nameOrId))
      throw awsError('ValidationError', `Stack with id ${nameOrId} does not exist`)
    return found
  }

  #changeSet(input: {
    ChangeSetName?: string | undefined
    StackName?: string | undefined
  }): [Stack, ChangeSet] {
    const { ChangeSetName: name = '', StackName } = input
    const stacks = StackName === undefined ? [...this.#stacks.values()] : [this.#stack(StackName)]
    for (const stack of stacks)
      for (const set of stack.changeSets.values())
        if (set.id === name || set.name === name) return [stack, set]
    throw awsError('ChangeSetNotFound', `ChangeSet [${name}] does not exist`, 404)
  }

  #templateText({ TemplateBody: body, TemplateURL: url }: CreateChangeSetCommandInput): string {
    if (body !== undefined) {
      if (Buffer.byteLength(body) > BODY_LIMIT)
        throw awsError(
          'ValidationError',
          `1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to ${BODY_LIMIT}`,
        )
      return body
    }
    const { hostname, pathname } = new URL(url ?? '')
    const [, inHost] = /^(.+)\.s3[.-][a-z0-9-]+\.amazonaws\.com$/.exec(hostname) ?? []
    const [bucket = '', ...key] = `${inHost === undefined ? '' : `${inHost}/`}${pathname.slice(1)}`.split('/')
    const text = this.#buckets.text(bucket, decodeURIComponent(key.join('/')))
    if (text === undefined) throw awsError('ValidationError', 'S3 error: The specified key does not exist.')
    if (Buffer.byteLength(text) > URL_LIMIT)
      throw awsError('ValidationError', 'Template may not exceed 1000000 bytes in size.')
    return text
  }

  #createChangeSet(input: CreateChangeSetCommandInput): { Id: string; StackId: string } {
    const { StackName: stackName = '', ChangeSetName: name = '', ChangeSetType: type = 'UPDATE' } = input
    const text = this.#templateText(input)
    const template = readTemplate(text)
    const hasRoles = Object.values(template.Resources).some(({ Type }) => Type.startsWith('AWS::IAM::'))
    if (hasRoles && !input.Capabilities?.some((capability) => /^CAPABILITY_(NAMED_)?IAM$/.test(capability)))
      throw awsError('InsufficientCapabilitiesException', 'Requires capabilities : [CAPABILITY_IAM]')
    let stack = this.find(stackName)
    if (stack?.deletedAt !== undefined) stack = undefined
    if (type === 'UPDATE' && (stack === undefined || stack.status === 'REVIEW_IN_PROGRESS'))
      throw awsError('ValidationError', `Stack [${stackName}] does not exist`)
    if (type === 'CREATE' && stack !== undefined && stack.status !== 'REVIEW_IN_PROGRESS')
      throw awsError(
        'ValidationError',
        `Stack [${stackName}] already exists and cannot be created again with the changeSet [${name}].`,
      )
    if (
      stack?.isBusy ||
      (stack && /^(ROLLBACK_|UPDATE_ROLLBACK_FAILED|DELETE_|CREATE_FAILED)/.test(stack.status))
    )
      throw awsError(
        'ValidationError',
        `Stack:${stack.id} is in ${stack.status} state and can not be updated.`,
      )
    const again = stack?.changeSets.get(name)
    if (stack !== undefined && again !== undefined) {
      if (input.ClientToken !== undefined && again.token === input.ClientToken)
        return { Id: again.id, StackId: stack.id }
      throw awsError(
        'AlreadyExistsException',
        `ChangeSet ${name} cannot be created due to a mismatch with existing attribute ClientToken`,
      )
    }
    if (stack === undefined) {
      stack = new Stack(stackName, `${this.#arn}:stack/${stackName}/${++this.#counter}`, this.#clock)
      this.#stacks.set(stack.id, stack)
      stack.becomes('REVIEW_IN_PROGRESS', 'User Initiated')
    }
    const changes = differences(stack.template, template, stack)
    const listed = changes.map((ResourceChange) => ({ Type: 'Resource', ResourceChange }) as const)
    const set: ChangeSet = {
      id: `${this.#arn}:changeSet/${name}/${++this.#counter}`,
      name,
      token: input.ClientToken,
      type,
      text,
      template,
      changes: input.ImportExistingResources ? importing(listed, template, this.#buckets) : listed,
      at: this.#clock.now(),
      tags: input.Tags ?? [],
      roleArn: input.RoleARN,
      status: 'CREATE_IN_PROGRESS',
      reason: undefined,
      execution: 'UNAVAILABLE',
    }
    stack.changeSets.set(name, set)
    this.#clock.after(CHANGE_SET * 1000, () => {
      if (set.status !== 'CREATE_IN_PROGRESS') return
      const isEmpty = changes.length === 0
      set.status = isEmpty ? 'FAILED' : 'CREATE_COMPLETE'
      set.execution = isEmpty ? 'UNAVAILABLE' : 'AVAILABLE'
      if (isEmpty)
        set.reason =
          "The submitted information didn't contain changes. Submit different information to create a change set."
    })
    return { Id: set.id, StackId: stack.id }
  }

  #execute(input: ExecuteChangeSetCommandInput): object {
    const [stack, set] = this.#changeSet(input)
    if (
      stack.token !== undefined &&
      stack.token === input.ClientRequestToken &&
      set.execution !== 'AVAILABLE'
    )
      return {}
    if (set.execution !== 'AVAILABLE')
      throw awsError(
        'InvalidChangeSetStatus',
        `ChangeSet [${set.id}] cannot be executed in its current execution status of [${set.execution}]`,
      )
    if (stack.isBusy)
      throw awsError(
        'ValidationError',
        `Stack:${stack.id} is in ${stack.status} state and can not be updated.`,
      )
    set.execution = 'EXECUTE_IN_PROGRESS'
    for (const [name, other] of stack.changeSets) if (other !== set) stack.changeSets.delete(name)
    stack.token = input.ClientRequestToken
    stack.tags = set.tags
    stack.roleArn = set.roleArn
    takeOver(set.changes, this.#buckets)
    if (set.type === 'CREATE') this.execution.create(stack, set.text, set.template)
    else this.execution.update(stack, set.text, set.template)
    return {}
  }

  #describe(stack: Stack): object {
    return {
      StackId: stack.id,
      StackName: stack.name,
      StackStatus: stack.status,
      ...(stack.reason !== undefined && { StackStatusReason: stack.reason }),
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

  readonly operations: Operations = {
    CreateChangeSet: (input: CreateChangeSetCommandInput) => this.#createChangeSet(input),
    ExecuteChangeSet: (input: ExecuteChangeSetCommandInput) => this.#execute(input),
    DescribeChangeSet: (input: DescribeChangeSetCommandInput) => {
      const [stack, set] = this.#changeSet(input)
      const { page, NextToken } = paged(set.changes, input.NextToken)
      const isDone = set.execution === 'EXECUTE_IN_PROGRESS' && !stack.isBusy
      return {
        ChangeSetName: set.name,
        ChangeSetId: set.id,
        StackId: stack.id,
        StackName: stack.name,
        Status: set.status,
        StatusReason: set.reason,
        ExecutionStatus: isDone ? 'EXECUTE_COMPLETE' : set.execution,
        Changes: set.status === 'CREATE_COMPLETE' ? page : [],
        CreationTime: set.at,
        ...(NextToken !== undefined && { NextToken }),
      }
    },
    ListChangeSets: (input: ListChangeSetsCommandInput) => {
      const { page, NextToken } = paged(
        [...this.#stack(input.StackName).changeSets.values()],
        input.NextToken,
      )
      return {
        Summaries: page.map((set) => ({
          ChangeSetName: set.name,
          ChangeSetId: set.id,
          Status: set.status,
          ExecutionStatus: set.execution,
          CreationTime: set.at,
        })),
        ...(NextToken !== undefined && { NextToken }),
      }
    },
    DeleteChangeSet: (input: DeleteChangeSetCommandInput) => {
      const stack = input.StackName === undefined ? undefined : this.find(input.StackName)
      const found = [...(stack?.changeSets.values() ?? [])].find(
        ({ id, name }) => id === input.ChangeSetName || name === input.ChangeSetName,
      )
      if (found?.execution === 'EXECUTE_IN_PROGRESS' && stack?.isBusy)
        throw awsError(
          'InvalidChangeSetStatus',
          `ChangeSet [${found.id}] cannot be deleted in status EXECUTE_IN_PROGRESS`,
        )
      // One that is not there is deleted.
      if (found) stack?.changeSets.delete(found.name)
      return {}
    },
    DescribeStacks: (input: DescribeStacksCommandInput) => {
      if (input.StackName !== undefined) return { Stacks: [this.#describe(this.#stack(input.StackName))] }
      const all = [...this.#stacks.values()].filter(({ deletedAt }) => deletedAt === undefined)
      return { Stacks: all.map((stack) => this.#describe(stack)) }
    },
    DescribeStackEvents: (input: DescribeStackEventsCommandInput) => {
      const { page, NextToken } = paged([...this.#stack(input.StackName).events].reverse(), input.NextToken)
      return { StackEvents: page, ...(NextToken !== undefined && { NextToken }) }
    },
    ListStackResources: (input: ListStackResourcesCommandInput) => {
      const { page, NextToken } = paged([...this.#stack(input.StackName).resources.values()], input.NextToken)
      return { StackResourceSummaries: page.map(summary), ...(NextToken !== undefined && { NextToken }) }
    },
    DescribeStackResource: (input: DescribeStackResourceCommandInput) => {
      const live = this.#stack(input.StackName).resources.get(input.LogicalResourceId ?? '')
      if (live === undefined)
        throw awsError(
          'ValidationError',
          `Resource ${input.LogicalResourceId} does not exist for stack ${input.StackName}`,
        )
      return { StackResourceDetail: summary(live) }
    },
    GetTemplate: (input: GetTemplateCommandInput) => {
      const stack = this.#stack(input.StackName)
      if (stack.text === '')
        throw awsError('ValidationError', `Stack with id ${input.StackName} does not have a template`)
      return { TemplateBody: stack.text, StagesAvailable: ['Original', 'Processed'] }
    },
    SetStackPolicy: (input: SetStackPolicyCommandInput) => {
      const { StackPolicyBody: body = '' } = input
      if (Buffer.byteLength(body) > POLICY_LIMIT)
        throw awsError('ValidationError', `Stack policy is longer than ${POLICY_LIMIT} bytes`)
      JSON.parse(body)
      this.#stack(input.StackName).policy = body
      return {}
    },
    GetStackPolicy: (input: GetStackPolicyCommandInput) => {
      const { policy } = this.#stack(input.StackName)
      return policy === undefined ? {} : { StackPolicyBody: policy }
    },
    UpdateTerminationProtection: (input: UpdateTerminationProtectionCommandInput) => {
      const stack = this.#stack(input.StackName)
      stack.isProtected = input.EnableTerminationProtection === true
      return { StackId: stack.id }
    },
    ContinueUpdateRollback: (input: ContinueUpdateRollbackCommandInput) => {
      const stack = this.#stack(input.StackName)
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
      const stack = this.find(input.StackName ?? '')
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

/** A token is the place where the next page begins. */
function paged<T>(
  all: readonly T[],
  token: string | undefined,
): { page: T[]; NextToken: string | undefined } {
  const from = token === undefined ? 0 : Number(token)
  const to = from + PAGE
  return { page: all.slice(from, to), NextToken: to < all.length ? String(to) : undefined }
}
