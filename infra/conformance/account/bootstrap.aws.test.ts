// The bootstrap against something that is not our own stand-in. Not in a real account: its owner has one already, or wants
// to see its plan before there is one.
import {
  DeleteBucketLifecycleCommand,
  DeleteBucketOwnershipControlsCommand,
  DeletePublicAccessBlockCommand,
  GetBucketVersioningCommand,
  PutBucketVersioningCommand,
} from '@aws-sdk/client-s3'
import { beforeAll, describe, expect, test } from 'vitest'
import { BOOTSTRAP_STACK } from '../../bootstrap/names.ts'
import { unlikeOurs } from '../../bootstrap/taken-over.ts'
import { describeStack } from '../../release/follow.ts'
import { prepareAccount, settingsIn } from './prepare.ts'
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

  test('its bucket’s settings are read as they are; set otherwise, it can be set right', async () => {
    const settings = settingsIn(here.account)
    const unlikeNow = async () => {
      const unlike = await unlikeOurs(here.aws, settings)
      return { unlike, what: unlike.map(({ line }) => line.split(':')[0]) }
    }
    // An emulator may leave out of a template what lifecycle it gives the bucket.
    expect((await unlikeNow()).what.filter((one) => one !== 'what goes when')).toEqual([])
    const Bucket = stateBucket(here.account)
    await here.aws.s3.send(
      new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Suspended' } }),
    )
    await here.aws.s3.send(new DeleteBucketLifecycleCommand({ Bucket }))
    await here.aws.s3.send(new DeletePublicAccessBlockCommand({ Bucket }))
    await here.aws.s3.send(new DeleteBucketOwnershipControlsCommand({ Bucket }))
    const { unlike, what } = await unlikeNow()
    expect(what).toEqual(['public access', 'who owns what is put there', 'versions', 'what goes when'])
    for (const { mend } of unlike) await mend()
    expect((await unlikeNow()).what).toEqual([])
  })

  test('once more: nothing to do', async () => {
    expect((await prepareAccount(here)).outcome).toBe('nothing')
  })
})
