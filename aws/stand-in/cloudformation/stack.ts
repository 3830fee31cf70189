// A stack as it is: its resources, what was said of it, and what was asked of it.
import type {
  Change,
  ChangeSetStatus,
  ChangeSetType,
  ExecutionStatus,
  Replacement,
  ResourceStatus,
  StackEvent,
  StackStatus,
  Tag,
} from '@aws-sdk/client-cloudformation'
import type { VirtualClock } from '../clock.ts'
import { STALE } from '../timings.ts'
import type { Template, TemplateResource } from './template.ts'

export interface Live {
  readonly id: string
  readonly physicalId: string
  readonly source: TemplateResource
  /** As they are set: references are what they turned into. */
  readonly properties: Readonly<Record<string, unknown>>
  readonly version: number
  readonly status: ResourceStatus
}

export interface ChangeSet {
  readonly id: string
  readonly name: string
  readonly token: string | undefined
  readonly type: ChangeSetType
  readonly text: string
  readonly template: Template
  readonly changes: Change[]
  readonly at: Date
  readonly tags: Tag[]
  readonly roleArn: string | undefined
  status: ChangeSetStatus
  reason: string | undefined
  execution: ExecutionStatus
  /** The token that it was begun with. */
  executedBy: string | undefined
  /** The stack has changed its state for it. */
  hasBegun: boolean
}

/** What an update did, so that it can be taken back. */
export interface Undo {
  readonly id: string
  /** Undefined: it was made by the update. */
  readonly was: Live | undefined
}

export class Stack {
  readonly id: string
  readonly name: string
  status: StackStatus = 'REVIEW_IN_PROGRESS'
  reason: string | undefined
  /** The template's text, as it was sent; empty until the first one is carried out. */
  text = ''
  template: Template | undefined
  policy: string | undefined
  isProtected = false
  tags: Tag[] = []
  roleArn: string | undefined
  token: string | undefined
  readonly createdAt: Date
  updatedAt: Date | undefined
  deletedAt: Date | undefined
  readonly resources = new Map<string, Live>()
  /** Oldest first. */
  readonly events: StackEvent[] = []
  readonly changeSets = new Map<string, ChangeSet>()
  /** For tests: what change sets say of a resource, whatever the template says. */
  readonly saidReplacements = new Map<string, Replacement>()
  undo: Undo[] = []
  readonly #clock: VirtualClock
  /** What it is still taken for, and until when: milliseconds. */
  #before:
    | { readonly status: StackStatus; readonly reason: string | undefined; readonly until: number }
    | undefined

  constructor(name: string, id: string, clock: VirtualClock) {
    this.name = name
    this.id = id
    this.#clock = clock
    this.createdAt = clock.now()
  }

  get isBusy(): boolean {
    return this.status.endsWith('_IN_PROGRESS') && this.status !== 'REVIEW_IN_PROGRESS'
  }

  /** Its state as it is told to whoever asks: that something has begun is told by the events first. */
  get shown(): { status: StackStatus; reason: string | undefined } {
    const isStale =
      this.#before !== undefined &&
      this.deletedAt === undefined &&
      this.#clock.now().getTime() < this.#before.until
    return isStale && this.#before ? this.#before : { status: this.status, reason: this.reason }
  }

  /** The stack's own state. */
  becomes(status: StackStatus, reason?: string): void {
    const { status: was, reason: why, isBusy } = this
    this.status = status
    this.reason = reason
    if (!isBusy && this.isBusy)
      this.#before = { status: was, reason: why, until: this.#clock.now().getTime() + STALE * 1000 }
    this.#event(this.name, this.id, 'AWS::CloudFormation::Stack', status as ResourceStatus, reason)
  }

  /** A resource's state; it stands among the stack's own from now on, whatever it was. */
  set(live: Live, status: ResourceStatus, reason?: string): Live {
    const now = { ...live, status }
    this.resources.set(live.id, now)
    this.say(now, status, reason)
    return now
  }

  say({ id, physicalId, source }: Live, status: ResourceStatus, reason?: string): void {
    this.#event(id, physicalId, source.Type, status, reason)
  }

  #event(id: string, physical: string, type: string, status: ResourceStatus, reason?: string): void {
    this.events.push({
      StackId: this.id,
      StackName: this.name,
      EventId: `${id}-${this.events.length}`,
      LogicalResourceId: id,
      PhysicalResourceId: physical,
      ResourceType: type,
      ResourceStatus: status,
      Timestamp: this.#clock.now(),
      ...(reason !== undefined && { ResourceStatusReason: reason }),
      ...(this.token !== undefined && { ClientRequestToken: this.token }),
    })
  }
}
