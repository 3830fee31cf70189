import type { ResourceStatus, StackEvent } from '@aws-sdk/client-cloudformation'
import { expect, test } from 'vitest'
import { firstFailure, leftBehind } from './follow.ts'

const event = (
  id: string,
  ResourceStatus: ResourceStatus,
  ResourceStatusReason?: string,
  ResourceType = 'AWS::SNS::Topic',
): StackEvent => ({
  StackId: 'the stack',
  StackName: 's',
  EventId: `${id}-${ResourceStatus}`,
  LogicalResourceId: id,
  PhysicalResourceId: ResourceType === 'AWS::SNS::Topic' ? `id of ${id}` : 'the stack',
  ResourceType,
  ResourceStatus,
  Timestamp: new Date(0),
  ...(ResourceStatusReason !== undefined && { ResourceStatusReason }),
})

test('the first failure is the cause: neither what was cancelled because of it, nor the stack itself', () => {
  const events = [
    event('A', 'CREATE_IN_PROGRESS'),
    // Within one second AWS may tell the consequence before the cause.
    event('B', 'CREATE_FAILED', 'Resource creation cancelled'),
    event('C', 'UPDATE_FAILED', 'Resource update cancelled'),
    event('s', 'ROLLBACK_FAILED', 'x', 'AWS::CloudFormation::Stack'),
    event('A', 'CREATE_FAILED', 'no capacity'),
    event('D', 'DELETE_FAILED', 'in use'),
  ]
  expect(firstFailure(events)?.LogicalResourceId).toBe('A')
})

test('left behind is what did not go in the end', () => {
  const events = [
    event('A', 'DELETE_FAILED', 'in use'),
    event('B', 'DELETE_SKIPPED'),
    event('C', 'DELETE_FAILED', 'in use'),
    event('A', 'DELETE_COMPLETE'),
  ]
  expect(leftBehind(events)).toEqual(['B (id of B)', 'C (id of C)'])
})
