// The bootstrap against something that is not our own stand-in. Not in a real account: its owner has one already, or wants
// to see its plan before there is one.
import { GetBucketVersioningCommand } from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, test } from 'vitest'
import { BOOTSTRAP_STACK } from '../../bootstrap/names.ts'
import { describeStack } from '../../release/follow.ts'
import { prepareAccount } from './prepare.ts'
import { stateBucket } from './table.ts'
import { target, type Visit, visit } from './visit.ts'

describe.runIf(target.kind !== 'account')('the bootstrap', () => {
  let here: Visit
  beforeAll(async () => {
    here = await visit()
    return () => here[Symbol.dispose]()
  })

  test('is made, with its bucket', async () => {
    const { outcome } = await prepareAccount(here)
    expect(outcome).toBe('changed')
    const stack = await describeStack(here.aws, BOOTSTRAP_STACK)
    expect(stack).toMatchObject({ StackStatus: 'CREATE_COMPLETE', EnableTerminationProtection: true })
    await expect(
      here.aws.s3.send(new GetBucketVersioningCommand({ Bucket: stateBucket(here.account) })),
    ).resolves.toMatchObject({ Status: 'Enabled' })
  })

  test('once more: nothing to do', async () => {
    expect((await prepareAccount(here)).outcome).toBe('nothing')
  })
})
