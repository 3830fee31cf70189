import type { ResourceChange } from '@aws-sdk/client-cloudformation'
import { expect, test } from 'vitest'
import { deniedBy } from '../../aws/stand-in/cloudformation/stack-policy.ts'
import { sample } from '../samples.ts'
import { STAGE_NAMES } from '../stages.ts'
import { CLOSED, openFor, POLICY_LIMIT, type StackPolicy } from './policy.ts'

const changes: ResourceChange[] = [
  { Action: 'Modify', LogicalResourceId: 'Changed' },
  { Action: 'Modify', LogicalResourceId: 'Replaced' },
  { Action: 'Remove', LogicalResourceId: 'Removed' },
  { Action: 'Add', LogicalResourceId: 'Added' },
]
const may = (policy: StackPolicy, action: 'Modify' | 'Replace' | 'Delete', id: string) =>
  deniedBy(JSON.stringify(policy), `Update:${action}`, id) === undefined

test('open for what a plan shows, in the way in which it shows it', () => {
  const open = openFor(changes, new Set(['Replaced']))
  const all = ['Changed', 'Replaced', 'Removed', 'Added', 'Database'].map((id) =>
    (['Modify', 'Replace', 'Delete'] as const).filter((action) => may(open, action, id)),
  )
  expect(all).toEqual([['Modify'], ['Modify', 'Replace'], ['Delete'], [], []])
})

test('closed for everything, also when a plan only adds', () => {
  for (const policy of [CLOSED, openFor([{ Action: 'Add', LogicalResourceId: 'Added' }], new Set())])
    for (const action of ['Modify', 'Replace', 'Delete'] as const)
      expect(may(policy, action, 'Any')).toBe(false)
})

test('AWS takes it when every resource of the largest stage is replaced', () => {
  for (const name of STAGE_NAMES) {
    const ids = Object.keys(sample(name).template.Resources)
    const policy = openFor(
      ids.map((LogicalResourceId) => ({ Action: 'Modify', LogicalResourceId })),
      new Set(ids),
    )
    expect(Buffer.byteLength(JSON.stringify(policy))).toBeLessThan(POLICY_LIMIT)
  }
})
