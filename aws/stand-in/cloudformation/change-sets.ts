// Change sets: what CloudFormation plans, and begins to carry out.
import type {
  CreateChangeSetCommandInput,
  DeleteChangeSetCommandInput,
  DescribeChangeSetCommandInput,
  ExecuteChangeSetCommandInput,
  ExecutionStatus,
  GetTemplateCommandInput,
  ListChangeSetsCommandInput,
} from '@aws-sdk/client-cloudformation'
import type { VirtualClock } from '../clock.ts'
import type { Buckets } from '../s3.ts'
import { awsError, type Operations } from '../service.ts'
import { BEGINNING, CHANGE_SET } from '../timings.ts'
import { differences } from './differences.ts'
import type { Execution } from './execution.ts'
import { importing, takeOver } from './imports.ts'
import type { ChangeSet, Stack } from './stack.ts'
import { paged, type Stacks } from './stacks.ts'
import { readTemplate } from './template.ts'

const BODY_LIMIT = 51_200
const URL_LIMIT = 1_048_576

export class ChangeSets {
  readonly #stacks: Stacks
  readonly #execution: Execution
  readonly #buckets: Buckets
  readonly #clock: VirtualClock

  constructor(stacks: Stacks, execution: Execution, buckets: Buckets, clock: VirtualClock) {
    this.#stacks = stacks
    this.#execution = execution
    this.#buckets = buckets
    this.#clock = clock
  }

  #changeSet(input: {
    ChangeSetName?: string | undefined
    StackName?: string | undefined
  }): [Stack, ChangeSet] {
    const { ChangeSetName: name = '', StackName } = input
    const stacks = StackName === undefined ? [...this.#stacks.all.values()] : [this.#stacks.get(StackName)]
    for (const stack of stacks)
      for (const set of stack.changeSets.values())
        if (set.id === name || set.name === name) return [stack, set]
    throw awsError('ChangeSetNotFoundException', `ChangeSet [${name}] does not exist`, 404)
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
    let stack = this.#stacks.find(stackName)
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
    stack ??= this.#stacks.make(stackName)
    const changes = differences(stack.template, template, stack)
    const listed = changes.map((ResourceChange) => ({ Type: 'Resource', ResourceChange }) as const)
    const set: ChangeSet = {
      id: `${this.#stacks.arn}:changeSet/${name}/${this.#stacks.number()}`,
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
      executedBy: undefined,
      hasBegun: false,
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
    if (set.executedBy !== undefined && set.executedBy === input.ClientRequestToken) return {}
    if (set.execution !== 'AVAILABLE')
      throw awsError(
        'InvalidChangeSetStatusException',
        `ChangeSet [${set.id}] cannot be executed in its current execution status of [${set.execution}]`,
      )
    if (stack.isBusy)
      throw awsError(
        'ValidationError',
        `Stack:${stack.id} is in ${stack.status} state and can not be updated.`,
      )
    set.execution = 'EXECUTE_IN_PROGRESS'
    set.executedBy = input.ClientRequestToken
    for (const [name, other] of stack.changeSets) if (other !== set) stack.changeSets.delete(name)
    // The answer is there before the stack has changed its state.
    this.#clock.after(BEGINNING * 1000, () => {
      stack.token = input.ClientRequestToken
      stack.tags = set.tags
      stack.roleArn = set.roleArn
      takeOver(set.changes, this.#buckets)
      set.hasBegun = true
      if (set.type === 'CREATE') this.#execution.create(stack, set.text, set.template)
      else this.#execution.update(stack, set.text, set.template)
    })
    return {}
  }

  /** The template that one was made of, as it was sent. */
  text(input: GetTemplateCommandInput): string {
    return this.#changeSet(input)[1].text
  }

  readonly operations: Operations = {
    CreateChangeSet: (input: CreateChangeSetCommandInput) => this.#createChangeSet(input),
    ExecuteChangeSet: (input: ExecuteChangeSetCommandInput) => this.#execute(input),
    DescribeChangeSet: (input: DescribeChangeSetCommandInput) => {
      const [stack, set] = this.#changeSet(input)
      const { page, NextToken } = paged(set.changes, input.NextToken)
      return {
        ChangeSetName: set.name,
        ChangeSetId: set.id,
        StackId: stack.id,
        StackName: stack.name,
        Status: set.status,
        StatusReason: set.reason,
        ExecutionStatus: executionOf(stack, set),
        Changes: set.status === 'CREATE_COMPLETE' ? page : [],
        CreationTime: set.at,
        ...(NextToken !== undefined && { NextToken }),
      }
    },
    ListChangeSets: (input: ListChangeSetsCommandInput) => {
      const stack = this.#stacks.get(input.StackName)
      const { page, NextToken } = paged([...stack.changeSets.values()], input.NextToken)
      return {
        Summaries: page.map((set) => ({
          ChangeSetName: set.name,
          ChangeSetId: set.id,
          Status: set.status,
          ExecutionStatus: executionOf(stack, set),
          CreationTime: set.at,
        })),
        ...(NextToken !== undefined && { NextToken }),
      }
    },
    DeleteChangeSet: (input: DeleteChangeSetCommandInput) => {
      const stack = input.StackName === undefined ? undefined : this.#stacks.find(input.StackName)
      const found = [...(stack?.changeSets.values() ?? [])].find(
        ({ id, name }) => id === input.ChangeSetName || name === input.ChangeSetName,
      )
      if (found?.execution === 'EXECUTE_IN_PROGRESS' && stack?.isBusy)
        throw awsError(
          'InvalidChangeSetStatusException',
          `ChangeSet [${found.id}] cannot be deleted in status EXECUTE_IN_PROGRESS`,
        )
      // One that is not there is deleted.
      if (found) stack?.changeSets.delete(found.name)
      return {}
    },
  }
}

function executionOf(stack: Stack, set: ChangeSet): ExecutionStatus {
  if (set.execution !== 'EXECUTE_IN_PROGRESS' || !set.hasBegun || stack.isBusy) return set.execution
  return /^(CREATE|UPDATE)_COMPLETE$/.test(stack.status) ? 'EXECUTE_COMPLETE' : 'EXECUTE_FAILED'
}
