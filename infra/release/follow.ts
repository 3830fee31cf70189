// A stack's operation from its first event to its rest: what happened to each resource, and what the stack is then. What
// runs on AWS goes on whether or not anybody follows it, so that following can begin anywhere and be given up at any time.
import {
  DescribeStackEventsCommand,
  type DescribeStackEventsOutput,
  DescribeStacksCommand,
  ListStackResourcesCommand,
  type Stack,
  type StackEvent,
  type StackResourceSummary,
} from '@aws-sdk/client-cloudformation'
import { everything } from '../../aws/pages.ts'
import type { Aws } from '../../aws/port.ts'
import { isPassing } from '../../aws/problems.ts'
import { inLine } from '../plain-text.ts'
import { StackFailure } from './failure.ts'

/** Is told what happens, a line at a time. */
export type Say = (line: string) => void

export interface Rest {
  /** CloudFormation's: `UPDATE_COMPLETE`. */
  readonly status: string
  readonly reason: string | undefined
  /** Of this operation, oldest first. */
  readonly events: readonly StackEvent[]
}

const POLL_MS = 5_000
const STACK = 'AWS::CloudFormation::Stack'
/** The states in which an operation begins. */
const BEGINNINGS = ['CREATE_IN_PROGRESS', 'UPDATE_IN_PROGRESS', 'DELETE_IN_PROGRESS', 'IMPORT_IN_PROGRESS']

/** @returns undefined when there is none of that name */
export async function describeStack(aws: Aws, stack: string): Promise<Stack | undefined> {
  try {
    const { Stacks } = await aws.cloudformation.send(new DescribeStacksCommand({ StackName: stack }))
    return Stacks?.[0]
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}
const isMissing = (error: unknown) =>
  error instanceof Error && error.name === 'ValidationError' && / does not exist/.test(error.message)

/** What a stack consists of. @param stack its name; by its id, also one that is gone */
export const resourcesOf = (aws: Aws, stack: string): Promise<StackResourceSummary[]> =>
  everything(async (NextToken) => {
    const page = await aws.cloudformation.send(new ListStackResourcesCommand({ StackName: stack, NextToken }))
    return { items: page.StackResourceSummaries, next: page.NextToken }
  })

/** Whether something is being done to a stack in this state. */
export const isBusy = (status: string): boolean =>
  status.endsWith('_IN_PROGRESS') && status !== 'REVIEW_IN_PROGRESS'

/**
 * @param stack its id: a deleted one has no name any more
 * @param after id of an event: rest counts only when something happened after it. Without one, whatever is under way, or
 *   was last, is followed
 * @throws StackFailure when the deadline comes first; AwsProblem, except where waiting helps
 */
export async function follow(
  aws: Aws,
  stack: string,
  deadline: Date,
  say: Say,
  after?: string,
): Promise<Rest> {
  const seen = new Map<string, StackEvent>()
  for (;;) {
    const now = await patiently(() => look(aws, stack, seen, after, say))
    if (now !== undefined && isAtRest(now.status, seen, after)) return { ...now, events: [...seen.values()] }
    if (aws.clock.now() >= deadline)
      throw new StackFailure(`Stack ${stack} is still at it, and this program stops waiting.`, {
        status: now?.status ?? 'UNKNOWN',
        next: 'run the same command again: it follows what is under way. AWS goes on meanwhile.',
      })
    await aws.clock.sleep(POLL_MS)
  }
}

function isAtRest(status: string, seen: ReadonlyMap<string, StackEvent>, after: string | undefined): boolean {
  if (isBusy(status)) return false
  // A deleted one never comes back; some emulators forget its events with it.
  return after === undefined || status === 'DELETE_COMPLETE' || said(seen) === status
}

/** The state that the newest of the stack's own events tells: one that only begins may still show the state before. */
function said(seen: ReadonlyMap<string, StackEvent>): string | undefined {
  const own = [...seen.values()].filter((event) => event.PhysicalResourceId === event.StackId)
  return own.at(-1)?.ResourceStatus
}

/** The state is asked for before the events: at rest, all of them are there. */
async function look(
  aws: Aws,
  stack: string,
  seen: Map<string, StackEvent>,
  after: string | undefined,
  say: Say,
): Promise<Omit<Rest, 'events'>> {
  const found = await describeStack(aws, stack)
  for (const event of await newEvents(aws, stack, seen, after)) {
    seen.set(event.EventId ?? '', event)
    say(lineOf(event))
  }
  return { status: found?.StackStatus ?? 'DELETE_COMPLETE', reason: found?.StackStatusReason }
}

/** Oldest first. AWS gives the newest first, in pages: they are read back to what is known, or to where it began. */
async function newEvents(
  aws: Aws,
  stack: string,
  seen: ReadonlyMap<string, StackEvent>,
  after: string | undefined,
): Promise<StackEvent[]> {
  const fresh: StackEvent[] = []
  let token: string | undefined
  do {
    const { StackEvents = [], NextToken } = await eventPage(aws, stack, token)
    for (const event of StackEvents) {
      const id = event.EventId ?? ''
      if (id === after || seen.has(id)) return fresh.reverse()
      fresh.push(event)
      if (after === undefined && isBeginning(event)) return fresh.reverse()
    }
    token = NextToken
  } while (token !== undefined)
  return fresh.reverse()
}

async function eventPage(
  aws: Aws,
  stack: string,
  token: string | undefined,
): Promise<DescribeStackEventsOutput> {
  try {
    return await aws.cloudformation.send(
      new DescribeStackEventsCommand({ StackName: stack, ...(token && { NextToken: token }) }),
    )
  } catch (error) {
    // An emulator that forgets what was deleted.
    if (isMissing(error)) return {}
    throw error
  }
}

const isStack = ({ ResourceType, PhysicalResourceId, StackId }: StackEvent) =>
  ResourceType === STACK && PhysicalResourceId === StackId
const isBeginning = (event: StackEvent) => isStack(event) && BEGINNINGS.includes(event.ResourceStatus ?? '')

/** Id of the newest event: what happens from now on comes after it. */
export async function newestEvent(aws: Aws, stack: string): Promise<string | undefined> {
  const { StackEvents } = await aws.cloudformation.send(new DescribeStackEventsCommand({ StackName: stack }))
  return StackEvents?.[0]?.EventId
}

/** Undefined where AWS does not answer now, but may in a moment. */
async function patiently<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask()
  } catch (error) {
    if (isPassing(error)) return undefined
    throw error
  }
}

function lineOf(event: StackEvent): string {
  const time = event.Timestamp?.toISOString().slice(11, 19) ?? ''
  // Some emulators say nothing in as many words.
  const reason = !event.ResourceStatusReason ? '' : `: ${inLine(event.ResourceStatusReason)}`
  return `${time}  ${(event.ResourceStatus ?? '').padEnd(28)}  ${event.LogicalResourceId}${reason}`
}

/** What failed first of all; what was cancelled because of it, or while taking back, comes after it. */
export function firstFailure(events: readonly StackEvent[]): StackEvent | undefined {
  return events.find(
    (event) =>
      !isStack(event) &&
      event.ResourceStatus?.endsWith('_FAILED') &&
      !/^Resource (creation|update) cancelled/.test(event.ResourceStatusReason ?? ''),
  )
}

/** Why the stack as a whole failed, where no resource did: AWS found a mistake before it touched any. */
export const stackReason = (events: readonly StackEvent[]): string | undefined =>
  events.find((event) => isStack(event) && event.ResourceStatus?.endsWith('_FAILED'))?.ResourceStatusReason

/** What the operation took out of the stack, or failed to, and left where it is: `Name (id at AWS)`. */
export function leftBehind(events: readonly StackEvent[]): string[] {
  const last = new Map(
    events.map((event) => [`${event.LogicalResourceId} ${event.PhysicalResourceId}`, event]),
  )
  return [...last.values()]
    .filter(
      (event) => !isStack(event) && ['DELETE_SKIPPED', 'DELETE_FAILED'].includes(event.ResourceStatus ?? ''),
    )
    .map((event) => `${event.LogicalResourceId} (${event.PhysicalResourceId})`)
}
