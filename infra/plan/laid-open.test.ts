// What is kept but opened, or kept for less long, is blocked too; the other way round it is not.
import { expect, test } from 'vitest'
import type { Template } from '../cfn.ts'
import { change, type Draft } from '../rules/rule.ts'
import { sample } from '../samples.ts'
import { compare } from './changes.ts'

const PUBLIC = 'PublicAccessBlockConfiguration'
const OLD = 'LifecycleConfiguration.Rules.0.NoncurrentVersionExpiration.NoncurrentDays'

test.for([
  ['Database', 'PubliclyAccessible', true, 'reachable from outside'],
  ['Database', 'DeleteAutomatedBackups', true, 'take its backups along'],
  ['Documents', `${PUBLIC}.BlockPublicPolicy`, false, 'opened to everyone: BlockPublicPolicy'],
  ['Documents', 'VersioningConfiguration.Status', 'Suspended', 'forget what is overwritten'],
  ['Documents', OLD, 2, 'remove it sooner'],
  ['Documents', 'LifecycleConfiguration.Rules.1.ExpirationInDays', 30, 'remove it sooner'],
  ['DatabaseReplica', 'PubliclyAccessible', true, 'reachable from outside'],
  ['Logs', 'LifecycleConfiguration.Rules.0.ExpirationInDays', 1, 'remove it sooner'],
] as const)('%s %s → %s', ([id, path, value, reason]) => {
  const before = sample('prod').template
  const after: Template = structuredClone(before)
  // Readonly for everyone but a test that breaks it.
  change(after as unknown as Draft, id, path, value)
  const blocked = (of: ReturnType<typeof compare>) => of.find((one) => one.id === id)?.blocked
  expect(blocked(compare(before, after))).toContain(reason)
  expect(blocked(compare(after, before))).toBeUndefined()
})
